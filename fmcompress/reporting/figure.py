"""One figure: a picture, its words, and its place in a report."""

from __future__ import annotations

import re
from typing import NamedTuple

from fmcompress.reporting.vector_graphics import Picture


class Figure(NamedTuple):
    """One picture.

    Attributes
    ----------
    section : str
        Where it stands in the report.
    view : str
        Its name among the section's pictures of one format; empty where there is one.
    format : str
        Of numbers; empty where it shows several.
    lossy : bool
    picture : Picture
    said : str
        What it shows.
    """

    section: str
    view: str
    format: str
    lossy: bool
    picture: Picture
    said: str

    @property
    def caption(self) -> str:
        """What it shows, and what became of long names."""
        cut = "In long names, … stands for what is left out." if self.picture.has_cut else ""
        return f"{self.said} {cut}".rstrip()

    @property
    def file(self) -> str:
        """The name of its file."""
        parts = filter(None, (self.section, self.view, self.format))
        return re.sub(r"[^a-z0-9_]+", "_", "_".join(parts).lower()) + ".svg"
