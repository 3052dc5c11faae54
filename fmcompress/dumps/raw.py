"""Raw words: elements and nothing else. What they are, the user says (`layout_options`)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import MAX_AXES
from fmcompress.dumps.base import Dump, Restorer, TensorSpec, little_endian
from fmcompress.dumps.layout import Layout as BaseLayout
from fmcompress.dumps.single import SingleWriter
from fmcompress.dumps.stored_array import ArrayHeader, StoredArray
from fmcompress.element_types import ELEMENT_TYPES, element_type, holding_dtype, is_held
from fmcompress.errors import DamagedError, ParameterError, UnsupportedError
from fmcompress.files import open_source

__all__ = ["Layout", "Restorer", "Writer", "layout_options", "open"]

# What the tensor is called: the file gives it no name.
NAME = "raw"
_ENDIANS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}


def layout_options(
    dtype: str, shape: Sequence[int] | None = None, endian: str = "little"
) -> dict[str, Any]:
    """Check what a user says of a raw file.

    Parameters
    ----------
    dtype : str
        Name of an element type, or NumPy's code of one; a byte order in it (``>i2``) counts.
    shape : sequence of int, optional
        Lengths; one may be -1, to be found from the file's size. Without it, one axis.
    endian : {"little", "big"}
        Byte order of elements.

    Returns
    -------
    dict
        ``dtype``, ``endian`` and, where it was given, ``shape``.

    Raises
    ------
    ParameterError
        If the dtype is unknown, or a length or the byte order is no valid one.
    """
    if endian not in _ENDIANS:
        raise ParameterError(f"endian is {endian!r}", hint="give little or big")
    name, code = element_type(dtype), dtype.strip()[:1]
    if code == "<" and endian == "big":
        raise ParameterError(
            f"dtype {dtype!r} is little-endian, endian is 'big'", hint="drop one of the two"
        )
    options: dict[str, Any] = {"dtype": name, "endian": "big" if code == ">" else endian}
    if shape is None:
        return options
    lengths = [*shape]
    if not lengths or len(lengths) > MAX_AXES:
        raise ParameterError(
            f"the shape has {len(lengths)} axes", hint=f"give from 1 to {MAX_AXES}"
        )
    for length in lengths:
        if type(length) is not int or length == 0 or length < -1:
            raise ParameterError(
                f"the shape has a length of {length!r}",
                hint="give lengths from 1 on; one may be -1, to be found from the file's size",
            )
    if lengths.count(-1) > 1:
        raise ParameterError("the shape has more than one -1", hint="give all lengths but one")
    return {**options, "shape": lengths}


class _Layout(NamedTuple):
    """Options, complete: they fit the file."""

    name: str
    endian: str
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the elements as they lie in the file."""
        return holding_dtype(self.name).newbyteorder(_ENDIANS[self.endian])

    def describe(self) -> dict[str, Any]:
        return {"dtype": self.name, "endian": self.endian, "shape": [*self.shape]}


def _resolved(options: Mapping[str, Any], nbytes: int) -> _Layout:
    """Fit a user's options to a file of `nbytes` bytes, which is not empty."""
    checked = layout_options(
        options["dtype"], options.get("shape"), options.get("endian", "little")
    )
    name, shape = checked["dtype"], checked.get("shape", [-1])
    item = holding_dtype(name).itemsize
    if nbytes % item:
        raise ParameterError(
            f"the file's {nbytes} bytes are no multiple of the {item} bytes of {name}",
            hint="give another dtype",
        )
    count, known = nbytes // item, math.prod(length for length in shape if length != -1)
    sizes = f"the file's {nbytes} bytes are {count} elements of {name} ({item} bytes each)"
    if -1 in shape and count % known:
        raise ParameterError(
            f"{sizes}, which the shape {shape} does not divide",
            hint=f"the lengths given make {known}: their product must divide {count}",
        )
    if -1 not in shape and count != known:
        raise ParameterError(
            f"{sizes}, the shape {shape} has {known}", hint=_what_would_fit(shape, count)
        )
    found = tuple(count // known if length == -1 else length for length in shape)
    return _Layout(name, checked["endian"], found)


def _what_would_fit(shape: list[int], count: int) -> str:
    """Suggest another first length, else one axis."""
    rest = math.prod(shape[1:])
    if count % rest == 0:
        fits = ",".join(map(str, [count // rest, *shape[1:]]))
        return f"{fits} would fit, or give another dtype"
    return f"{count} alone would fit, or give another dtype"


def _from_container(options: Any, nbytes: int) -> _Layout:
    """Check options that may be hostile: they must be complete, and make up the dump."""
    if not isinstance(options, dict):
        raise DamagedError("the description of the dump is not valid")
    if unknown := set(options) - {"dtype", "endian", "shape"}:
        raise UnsupportedError(
            f"the description of the dump has unknown keys {sorted(unknown)}",
            hint="written by a newer version: upgrade fmcompress",
        )
    name, endian, shape = (options.get(key) for key in ("dtype", "endian", "shape"))
    valid = (
        isinstance(name, str) and name in ELEMENT_TYPES,
        isinstance(endian, str) and endian in _ENDIANS,
        isinstance(shape, list) and 1 <= len(shape) <= MAX_AXES,
    )
    if all(valid) and all(type(length) is int and length >= 1 for length in shape or ()):
        layout = _Layout(str(name), str(endian), tuple(shape or ()))
        if math.prod(layout.shape) * layout.dtype.itemsize == nbytes:
            return layout
    raise DamagedError("the description of the dump is not valid")


class _RawTensor(StoredArray):
    """The whole file as one tensor."""

    def __init__(self, source: Path | BinaryIO, layout: _Layout) -> None:
        header = ArrayHeader(layout.shape, layout.dtype, layout.name, layout.dtype.itemsize, "C", 0)
        super().__init__(source, NAME, header, 0)
        self.element_type = layout.name if is_held(layout.name) else ""


class _RawDump(Dump):
    format = "raw"

    def __init__(self, source: Path | BinaryIO, description: Mapping[str, Any]) -> None:
        self.path = source if isinstance(source, Path) else None
        with open_source(source) as file:
            self.nbytes = file.seek(0, 2)
        if "format" in description:
            layout = _from_container(description.get("options"), self.nbytes)
        elif not self.nbytes:
            raise DamagedError("the file is empty", hint="was its writing interrupted?")
        else:
            layout = _resolved(description["options"], self.nbytes)
        self.options = layout.describe()
        self.tensors = [_RawTensor(source, layout)]


class Layout(BaseLayout):
    """As for any format, and what the container says of the elements must be valid."""

    def __init__(self, description: Mapping[str, Any], places: Sequence[frozenset[str]]) -> None:
        super().__init__(description, places)
        _from_container(description.get("options"), description["bytes"])


class Writer(SingleWriter):
    """Write the elements of one tensor, little-endian, and nothing else."""

    title = "a raw file"

    def begin(self, tensor: TensorSpec) -> None:
        """Start with the tensor."""
        return

    def write(self, elements: NDArray[Any]) -> None:
        """Take its next elements."""
        self._file.write(little_endian(elements))


def open(source: Path | BinaryIO, absent: Collection[str], description: Mapping[str, Any]) -> Dump:
    """Open a raw file.

    Parameters
    ----------
    source : Path or binary file
    absent : collection of str
        Makes no difference: nothing of the file is looked at but its size.
    description : mapping
        Its ``options`` are those of `layout_options`. With a ``format`` it is a container's.

    Raises
    ------
    ParameterError
        If the options do not fit the file.
    DamagedError
        If the file is empty, or a container's description contradicts itself.
    UnsupportedError
        If a container's description has unknown keys.
    """
    if not {"options", "format"} & set(description):
        raise ParameterError("a raw file needs a dtype", hint="say what it holds")
    return _RawDump(source, description)
