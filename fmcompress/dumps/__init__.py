"""Dump formats: files of named tensors, read and put back, whole.

A dump is taken apart into its tensors and its *template*, every byte of the file that is not the
data of a coded tensor. To put it back, the template is written, and the tensors' data goes where
it was. So whatever else a file holds (attributes, links, order, padding) comes back by itself.

To add a format, write a module beside this one and a line in `FORMATS`: CONTRIBUTING.md shows how.
"""

from __future__ import annotations

from fmcompress.dumps.base import Dump, Restorer, Tensor, TensorSpec, Writer
from fmcompress.dumps.formats import (
    FORMATS,
    Format,
    format_for_name,
    format_named,
    open_dump,
    open_dumps,
    open_sources,
    recognise,
)
from fmcompress.dumps.layout import Layout, template_pieces

__all__ = [
    "FORMATS",
    "Dump",
    "Format",
    "Layout",
    "Restorer",
    "Tensor",
    "TensorSpec",
    "Writer",
    "format_for_name",
    "format_named",
    "open_dump",
    "open_dumps",
    "open_sources",
    "recognise",
    "template_pieces",
]
