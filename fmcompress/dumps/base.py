"""What every dump format offers: tensors to code, a template, and the way back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeAlias

from fmcompress.contents import LayerInfo
from fmcompress.dumps.losses import Losses
from fmcompress.errors import DamagedError
from fmcompress.records import Piece
from fmcompress.targets import open_target, reserve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Attributes of groups, by path; of the file itself, under "".
GroupAttributes: TypeAlias = Mapping[str, Mapping[str, Any]]
# What an array is called that the file gives no name: NumPy's choice.
UNNAMED = "arr_0"
# Elements are handed on in blocks of about this size.
BLOCK_BYTES = 1 << 24
# No filter packs more tightly.
_TIGHTEST = 1 << 12


def is_mostly_unwritten(nbytes: int, stored_bytes: int) -> bool:
    """Tell whether most of an array can be no data of its file, and reads as fill value."""
    return nbytes > _TIGHTEST * (stored_bytes + BLOCK_BYTES)


class Tensor(ABC):
    """One tensor of a dump.

    Attributes
    ----------
    name : str
        Unique in the dump.
    shape : tuple of int
    dtype : dtype or None
        How elements lie in the file, with byte order; None where NumPy has none for it.
    element_type : str
        What the elements are where `dtype` does not tell: ``"bfloat16"`` in a ``uint16``, say;
        a name that `fmcompress.words` knows. Empty where `dtype` does.
    packed : bool
        Whether a byte holds two elements of 4 bits, the first in its low half; `shape` is then
        that of the bytes.
    unpacked_shape : tuple of int or None
        Of packed elements, if it is known; `shape` need not tell where their number is odd.
    word_bits : int
        Width of integers that are narrower than `dtype`; 0 where they are not.
    label : str
        The dtype for people, as ``int8`` or ``string``.
    order : {"C", "F"} or tuple of int
        Which index runs fastest in the file: the last (C) or the first (F); or the axes as they
        run there, slowest first.
    carried : str
        Why its data must stay in the template; empty where it can be coded.
    stored_bytes : int
        Bytes that its data takes in the file.
    place : dict
        What the format's `Restorer` needs to put the data back.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    label: str
    order: str | tuple[int, ...]
    carried: str
    stored_bytes: int
    place: dict[str, Any]
    element_type: str = ""
    packed: bool = False
    unpacked_shape: tuple[int, ...] | None = None
    word_bits: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of its elements; where NumPy has no dtype for them, as they lie in the file."""
        if self.dtype is None:
            return self.stored_bytes
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def distinct_bytes(self) -> int:
        """Bytes of its elements without those that a view repeats."""
        return self.nbytes

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the tensor; empty where the format has none."""
        return {}

    def check(self) -> None:
        """Refuse a tensor that cannot be read; set `carried` if it could not be put back.

        Raises
        ------
        UnsupportedError
            If it cannot be read.
        """
        return

    @abstractmethod
    def holes(self) -> list[tuple[int, int]]:
        """Offset and size of every stretch of the file that holds nothing but its data."""

    @abstractmethod
    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield its elements in the file's order, as 1-D arrays of about `BLOCK_BYTES` or less.

        What cannot be read in smaller pieces (a row of HDF5 chunks) comes as one of up to 64 MiB,
        or goes through a temporary file. The bits are those of the file, whatever the dtype: a
        boolean's byte may be neither 0 nor 1.
        """

    @abstractmethod
    def read(self) -> Any:
        """Return the whole tensor, as the format's usual library would."""


class Dump:
    """An open dump.

    Attributes
    ----------
    format : str
        Name in the registry.
    path : Path or None
        None where it is read from a file object.
    nbytes : int
        Size of the file.
    tensors : list of Tensor
        In file order.
    groups : mapping of str to mapping
        Attributes of the groups that hold the tensors, by path; ``""`` is the file itself. Empty
        where the format has none.
    options : mapping
        What must be known to open it again and is not in its bytes, as a raw file's dtype.
    files : sequence of mapping
        Of a folder: what files it holds, in the order in which their bytes make up the dump.
    notes : sequence of str
        What a user should know of how the dump is read.
    """

    format: str
    path: Path | None
    nbytes: int
    tensors: list[Tensor]
    groups: GroupAttributes = MappingProxyType({})
    options: Mapping[str, Any] = MappingProxyType({})
    files: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()

    def describe(self) -> dict[str, Any]:
        """Return what the container says of the dump: format, size, and what else is needed."""
        description: dict[str, Any] = {"format": self.format, "bytes": self.nbytes}
        if self.options:
            description["options"] = self.options
        if self.files:
            description["files"] = self.files
        return description

    def open_bytes(self) -> BinaryIO:
        """Open the dump's bytes; of a folder, those of its files one behind the other."""
        assert self.path is not None
        return self.path.open("rb")

    def close(self) -> None:
        """Close what is kept open, where anything is."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Restorer:
    """Put a dump back: `template` for every piece, `announce` and write each layer, then `finish`.

    This base writes the template, and the data of layers whose place is one stretch of the file
    (``{"offset": ...}``); formats add what they need. That pieces and places are valid is for
    `Layout` to check, before.

    Parameters
    ----------
    path : Path
        An empty file, to be filled.
    description : mapping
        As `Dump.describe` gave it: at least ``format`` and ``bytes``.
    """

    def __init__(self, path: Path, description: Mapping[str, Any]) -> None:
        self.path = path
        self.nbytes: int = description["bytes"]
        self._file = open_target(path)
        try:
            reserve(self._file, self.nbytes)
        except BaseException:
            self._file.close()
            raise
        self._at = 0

    def template(self, piece: Piece) -> None:
        """Write a piece of the template."""
        for offset, data in piece:
            self._file.seek(offset)
            self._file.write(data)

    def announce(self, layer: LayerInfo, wanted: bool) -> None:
        """Take notice of a coded layer, whether or not it will be put back."""
        return

    def begin(self, layer: LayerInfo, dtype: np.dtype[Any]) -> None:
        """Start with the data of a layer that was announced.

        Raises
        ------
        DamagedError
            If there is no such place in a dump of this format.
        """
        if "offset" not in layer.place:
            raise DamagedError("its place in the dump is not valid", layer=layer.name)
        self._at = layer.place["offset"]

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next elements of the layer, in its order, as a 1-D array of its dtype."""
        self._file.seek(self._at)
        data = elements.view("u1").data  # whatever the dtype: memoryviews know few
        self._file.write(data)
        self._at += len(data)

    def end(self) -> None:
        """End the layer."""
        return

    def finish(self, picked: list[str] | None = None) -> None:
        """Complete the file; keep only the tensors that are `picked`, where that is not None."""
        self.close()

    def close(self) -> None:
        """Close the file, complete or not."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor that is to be written to a new dump.

    Attributes
    ----------
    name : str
    shape : tuple of int
    dtype : dtype
        Of the elements that `Writer.write` will get, native byte order.
    element_type : str
        What they are: the dtype's name, or ``"bfloat16"``, ``"float8_e4m3fn"``, ``"int4"``, …
    attributes : mapping
        Of the tensor, ``scale`` and ``zero_point`` included.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    element_type: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def little_endian(elements: NDArray[Any]) -> memoryview:
    """Return the bytes of elements, in little-endian byte order."""
    little = elements.astype(elements.dtype.newbyteorder("<"), copy=False)
    return little.view("u1").data


class Writer(ABC):
    """Write a new dump of a format: for every tensor, in order, `begin`, `write`… and `end`.

    Parameters
    ----------
    path : Path
        An empty file, to be filled; of a folder format, an empty folder.
    tensors : sequence of TensorSpec
        All that will come, in order.
    groups : mapping of str to mapping
        Attributes of groups, as in `Dump.groups`.

    Attributes
    ----------
    losses : Losses
        What the format cannot hold; complete after `finish`.

    Raises
    ------
    UnsupportedError
        If the format cannot hold these tensors.
    """

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> None:
        self.path = path
        self.tensors = tensors
        self.groups = groups
        self.losses = Losses()

    @property
    def lost(self) -> list[str]:
        """What the format cannot hold, in clauses for people; complete after `finish`."""
        return self.losses.clauses()

    @abstractmethod
    def begin(self, tensor: TensorSpec) -> None:
        """Start with the next tensor."""

    @abstractmethod
    def write(self, elements: NDArray[Any]) -> None:
        """Take its next elements, in C order, as a 1-D array of its dtype."""

    def end(self) -> None:
        """End the tensor."""
        return

    def finish(self) -> None:
        """Complete the file and close it."""
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the file, complete or not; may be called again."""
