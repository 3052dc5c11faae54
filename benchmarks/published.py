"""The paper's own figures, from published.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


def starred(texts: Sequence[str]) -> list[str]:
    """Mark counts that cannot be decoded."""
    return [f"{text}*" for text in texts]


@dataclass(frozen=True, slots=True)
class Figure:
    """One network's ratios in one format.

    Attributes
    ----------
    medians : tuple of float
        Of zero-RLE, ZVC, BPC and EBPC.
    spread : tuple of float
        Of EBPC, the 1st and the 99th percentile over frames; or empty.
    average : float, optional
        Of EBPC, in the abstract.
    decodable : bool
        Whether the counted bits could be decoded.
    """

    medians: tuple[float, ...]
    spread: tuple[float, ...] = ()
    average: float | None = None
    decodable: bool = True

    def cells(self) -> list[str]:
        """Return them as they stand in tables; a star marks what cannot be decoded."""
        texts = [f"{ratio:.2f}" for ratio in self.medians]
        if self.spread:
            texts[-1] += " [{:.2f}–{:.2f}]".format(*self.spread)
        if not self.decodable:
            texts[2:] = starred(texts[2:])
        return [*texts, "" if self.average is None else f"{self.average}"]


def _read() -> tuple[dict[str, dict[str, Figure]], Mapping[str, str]]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    figures: dict[str, dict[str, Figure]] = {}
    for name, of_formats in found["figure"].items():
        figures[name] = {
            target: Figure(
                tuple(numbers[:4]),
                tuple(numbers[4:]),
                found["abstract"].get(name) if target == "fixed8" else None,
                target != "float16",
            )
            for target, numbers in of_formats.items()
        }
    return figures, found["nearest"]


# By network and format; and by a dump's network, which of these it is most like.
PUBLISHED, NEAREST = _read()
