"""Which words of a layer become vectors: chunks by number or drawn, and windows of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import index

from fmcompress.errors import ParameterError
from fmcompress.numbers import whole

_RANDOM = re.compile(r"random:([0-9]{1,9})")
_PART = re.compile(r"([0-9]{1,9})(?::([0-9]{1,9}))?")


@dataclass(slots=True)
class Cut:
    """What is picked of every layer.

    What is drawn depends on seed, layer and chunk alone, so that it is the same whatever else is
    picked.

    Parameters
    ----------
    chunks : str, or int or sequence of int, optional
        Numbers of chunks, as ``0,3,10:12`` (10 and 11), or ``random:4``: four drawn in each layer.
        All by default.
    max_words : int, optional
        The most words of a transmission.
    seed : int, optional
        Of what is drawn. Without it, transmissions are cut to their first words.

    Raises
    ------
    ParameterError
        If one is none of these.
    """

    chunks: str | int | Sequence[int] | None = None
    max_words: int | None = None
    seed: int | None = None
    _ranges: list[range] = field(init=False, default_factory=list)
    _count: int | None = field(init=False, default=None)
    _unused: set[int] = field(init=False)

    def __post_init__(self) -> None:
        if self.chunks is not None:
            self.chunks = _shown(self.chunks)
            self._parse(self.chunks)
        self._unused = set(range(len(self._ranges)))
        if self.max_words is not None:
            self.max_words = whole("max_words", self.max_words, 1)
        if self.seed is not None:
            self.seed = whole("seed", self.seed, 0)

    def _parse(self, text: str) -> None:
        if drawn := _RANDOM.fullmatch(text):
            self._count = int(drawn[1])
        for part in [] if drawn else text.split(","):
            found = _PART.fullmatch(part.strip())
            first = int(found[1]) if found else 0
            chosen = range(first, int(found[2]) if found and found[2] else first + 1)
            if not found or not chosen:
                raise ParameterError(
                    f"chunks {text!r} cannot be understood",
                    hint="give numbers and ranges as 0,3,10:12, or random:4",
                )
            self._ranges.append(chosen)
        if self._count == 0:
            raise ParameterError("no chunks are to be drawn", hint="give random:1 or more")

    def numbers(self, layer: str, count: int) -> list[int]:
        """Return which of a layer's `count` chunks are picked, in order."""
        if self._count is not None:
            drawn = sorted(range(count), key=lambda number: self._draw("chunk", layer, number))
            return sorted(drawn[: self._count])
        if self.chunks is None:
            return list(range(count))
        found: set[int] = set()
        for place, chosen in enumerate(self._ranges):
            inside = range(chosen.start, min(chosen.stop, count))
            if inside:
                self._unused.discard(place)
                found.update(inside)
        return sorted(found)

    def check(self) -> None:
        """Refuse numbers of chunks that no layer has.

        Raises
        ------
        ParameterError
            If there are any.
        """
        if self._unused:
            first = self._ranges[min(self._unused)].start
            raise ParameterError(
                f"no layer has a chunk {first}", hint="chunks count from 0; see fmc stats"
            )

    def window(self, layer: str, chunk: int, words: int) -> tuple[int, int]:
        """Return where in a chunk of so many words its transmission begins and ends."""
        if self.max_words is None or words <= self.max_words:
            return 0, words
        start = 0
        if self.seed is not None:
            start = self._draw("window", layer, chunk) % (words - self.max_words + 1)
        return start, start + self.max_words

    def stall_seeds(self, layer: str, mode: str, count: int) -> list[int]:
        """Draw seeds of stall patterns, 32 bits each."""
        return [self._draw(mode, layer, number) & 0xFFFFFFFF for number in range(count)]

    def _draw(self, what: str, layer: str, number: int) -> int:
        """Draw a number below 2**64."""
        text = f"{self.seed or 0} {what} {number} {layer}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big")


def _shown(chunks: str | int | Sequence[int]) -> str:
    """Return picked chunks as text."""
    if isinstance(chunks, str):
        return chunks
    listed: Sequence[int] = [chunks] if isinstance(chunks, int) else chunks
    try:
        numbers = [index(number) for number in listed]
    except TypeError:
        raise ParameterError(f"chunks is {chunks!r}", hint="give whole numbers") from None
    return ",".join(map(str, numbers))
