"""Colours, after Okabe and Ito: apart from each other for the colour-blind, on light and on dark."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fmcompress.codecs import CODECS
from fmcompress.configurations import DEFAULT_CODECS

LIGHT = {
    "ink": "#1b2733",
    "quiet": "#56626e",
    "rule": "#d5dbe1",
    "grid": "#e3e7eb",
    "stripe": "#f4f6f8",
    "paper": "#ffffff",
    "card": "#f6f8fa",
    "link": "#0067a3",
    "raw": "#b4bdc6",
    "s0": "#0072b2",
    "s1": "#c27a00",
    "s2": "#00865f",
    "s3": "#b0558f",
    "s4": "#d55e00",
    "s5": "#2f8fc7",
    "s6": "#8a8000",
    "s7": "#6b7580",
}
DARK = {
    "ink": "#e6eaee",
    "quiet": "#a3aeb8",
    "rule": "#3a444e",
    "grid": "#2b343c",
    "stripe": "#1c232a",
    "paper": "#14191e",
    "card": "#1c232a",
    "link": "#6cc0f0",
    "raw": "#56616c",
    "s0": "#56b4e9",
    "s1": "#e69f00",
    "s2": "#2dbe93",
    "s3": "#dd8fbc",
    "s4": "#f0763a",
    "s5": "#9fd8f7",
    "s6": "#d8cc3a",
    "s7": "#a3aeb8",
}

SERIES = [f"s{i}" for i in range(8)]
# What a colour looks like that is used again, and again.
ROUNDS = ("", " dashed", " dotted")
_USUAL = len(DEFAULT_CODECS)
_ORDER = list(dict.fromkeys((*DEFAULT_CODECS, *CODECS)))


def codec_colours(codecs: Sequence[str]) -> dict[str, str]:
    """Return the class of each codec's colour, in whatever order they are named.

    The usual codecs have their own always. Others share the rest; of two with the same the second
    takes one that is free. Where none is, colours are used again with other lines.
    """
    found: dict[str, str] = {}
    for name in sorted(codecs, key=lambda name: (name not in DEFAULT_CODECS, _rank(name), name)):
        rank = _rank(name)
        own = rank if rank < _USUAL else _USUAL + (rank - _USUAL) % (len(SERIES) - _USUAL)
        wanted = [SERIES[own], *SERIES[_USUAL:], *SERIES]
        looks = (colour + again for again in ROUNDS for colour in wanted)
        free = [look for look in looks if look not in found.values()]
        found[name] = (free or wanted)[0]
    return {name: found[name] for name in codecs}


def _rank(codec: str) -> int:
    return _ORDER.index(codec.partition(":")[0])


def variables(colours: dict[str, str]) -> str:
    """Return colours as variables of a style sheet."""
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def resolved(style: str, colours: dict[str, str]) -> str:
    """Put colours in the place of variables, for programs that know none."""
    return re.sub(r"var\(--([a-z0-9]+)\)", lambda match: colours[match[1]], style)
