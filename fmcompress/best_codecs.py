"""Which of several codecs is the best, wherever codecs are beside each other."""

from __future__ import annotations

from collections.abc import Mapping

AUTO = "auto"


def is_choice(codec: str) -> bool:
    """Tell whether a codec, as it was named, is a choice among others."""
    return codec.partition(":")[0] == AUTO


def best_codecs(bits: Mapping[str, int]) -> list[str]:
    """Return the codecs with the fewest bits.

    Parameters
    ----------
    bits : mapping
        Of the streams, by the codec's name; a choice among codecs is none of the best.

    Returns
    -------
    list of str
        More than one on a tie; none where all have as many, as where there is one codec, or where
        the fewest are none at all.
    """
    sizes = {name: size for name, size in bits.items() if not is_choice(name)}
    least, most = min(sizes.values(), default=0), max(sizes.values(), default=0)
    return [name for name, size in sizes.items() if 0 < size == least < most]
