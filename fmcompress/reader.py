"""Read a container: a mapping of layers, in the manner of ``h5py.File``."""

from __future__ import annotations

import io
import os
import re
import weakref
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from fmcompress import records
from fmcompress.codecs import CODEC_NAMES, CODECS, Codec, codec_from_description
from fmcompress.container import Assembly
from fmcompress.contents import ChunkInfo, Contents, LayerInfo, parse_dump, parse_layers
from fmcompress.errors import DamagedError, FmcError, UnsupportedError, error_context
from fmcompress.files import Source, name_of
from fmcompress.records import Kind, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmcompress.dumps import Dump
    from fmcompress.words import WordFormat

_KEPT_CHUNKS = 32
# Elements gathered at a time when a selection is not one stretch.
_GATHER = 1 << 20


def open(source: Source) -> File:
    """Open a container for reading.

    Parameters
    ----------
    source : path or seekable binary file

    Returns
    -------
    File
        A mapping from layer name to `Layer`, in file order; also a context manager.

    Raises
    ------
    OSError
        If it cannot be read.
    DamagedError
        If it is no container, cut, or damaged.
    UnsupportedError
        If it was written by a newer version.

    Examples
    --------
    >>> with fmcompress.open("maps.bin") as file:  # doctest: +SKIP
    ...     file["conv1"].shape, file["conv1"][0].mean()
    """
    return File(source)


class File(Mapping[str, "Layer"]):
    """An open container: a mapping from layer name to `Layer`, in file order."""

    def __init__(self, source: Source) -> None:
        self.name = name_of(source)
        self._closing = ExitStack()
        # At the latest at the interpreter's end: HDF5 must not outlive the file that it reads from.
        weakref.finalize(self, self._closing.close)
        if isinstance(source, str | os.PathLike):
            self._store = _Store(self._closing.enter_context(Path(source).open("rb")))  # noqa: SIM115
        else:
            self._store = _Store(source)
        self._chunks: list[list[Record]] = []
        self._template: list[Record] = []
        self._dump: Dump | None = None
        try:
            with error_context(file=self.name):
                self._read_index()
        except BaseException:
            self.close()
            raise
        self._layers = {info.name: Layer(self, i) for i, info in enumerate(self.contents.layers)}

    def _read_index(self) -> None:
        self.contents = Contents()
        size = self._store.size
        records.check_header(self._store.bytes_at(0, records.HEADER_BYTES))
        if size < records.HEADER_BYTES + records.TRAILER_BYTES:
            raise DamagedError("the file is cut", hint="copy it again, or compress again")
        trailer = self._store.bytes_at(size - records.TRAILER_BYTES, records.TRAILER_BYTES)
        index_offset = records.parse_trailer(trailer, size)
        index, payload = self._store.read_at(index_offset)
        if index.kind != Kind.INDEX or index.end != size - records.TRAILER_BYTES:
            raise DamagedError("the trailer points beside the index")
        assembly = Assembly(self.contents)
        self.records: list[Record] = []
        for record, chunk in records.parse_index(payload, index_offset):
            self.records.append(record)
            if chunk is not None:
                layer, _ = assembly.chunk(chunk)
                self._chunks[layer].append(record)
            elif record.kind == Kind.LAYERS:
                infos = parse_layers(records.unpack_layers(record, self.read_record(record)))
                assembly.layers(infos)
                self._chunks.extend([] for _ in infos)
            elif record.kind == Kind.DUMP:
                self.contents.dump = parse_dump(self.read_record(record))
            elif record.kind == Kind.TEMPLATE:
                self._template.append(record)
                self.contents.template_bytes += record.payload_bytes
        assembly.check_complete()
        if not self.contents.dump:
            raise DamagedError("the file does not say what dump it holds")
        self.contents.total_bytes = size

    def read_record(self, record: Record) -> bytes:
        """Read and check the payload of a record that the index lists.

        Raises
        ------
        DamagedError
            If its checksum is wrong, or another record stands in its place.
        """
        return self._store.read(record)

    def read_chunk(self, layer: int, number: int) -> NDArray[np.uint32]:
        """Decode the words of one chunk."""
        info = self.contents.layers[layer]
        with error_context(file=self.name, layer=info.name), _chunk_context(number):
            record = self._chunks[layer][number]
            payload = self.read_record(record)
            sizes = records.parse_chunk(record, payload)
            if sizes != self.contents.chunks[layer][number]:
                raise DamagedError("differs from the index")
            return decode_chunk(info, sizes, payload)

    def tensor(self, name: str) -> Any:
        """Return the dump format's own view of a tensor, read from the template."""
        from fmcompress.dumps import format_named

        if self._dump is None:
            with error_context(file=self.name):
                template = _TemplateView(self._store, self._template, self.contents.dump["bytes"])
                view = self._closing.enter_context(io.BufferedReader(template, 1 << 16))
                format_ = format_named(self.contents.dump["format"])
                self._dump = self._closing.enter_context(format_.open(view))
        for tensor in self._dump.tensors:
            if tensor.name == name:
                return tensor
        raise DamagedError("the template has no such tensor", file=self.name, layer=name)

    def close(self) -> None:
        """Close the file."""
        self._dump = None
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getitem__(self, name: str) -> Layer:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        return f"<fmcompress file {self.name!r}: {len(self)} layers>"


class _Store:
    """Random access to the records of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, io.SEEK_END)

    def bytes_at(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def read_at(self, offset: int) -> tuple[Record, bytes]:
        """Read and check whatever record starts at an offset."""
        head = self.bytes_at(offset, records.HEAD_BYTES)
        if len(head) < records.HEAD_BYTES:
            raise DamagedError(f"the file ends within the record at byte {offset}")
        record = records.parse_head(head, offset)
        if record.end > self.size:
            raise DamagedError(f"the record at byte {offset} reaches past the end of the file")
        payload = self._file.read(record.payload_bytes)
        records.check_record(head, payload, offset)
        return record, payload

    def read(self, record: Record) -> bytes:
        """Read and check a record that the index lists."""
        found, payload = self.read_at(record.offset)
        if found != record:
            raise DamagedError(f"the record at byte {record.offset} is not that of the index")
        return payload


class _chunk_context:
    """Name the chunk in any `FmcError` that passes."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, FmcError):
            error.cause = f"chunk {self._number}: {error.cause}"


def decode_chunk(info: LayerInfo, sizes: ChunkInfo, payload: bytes) -> NDArray[np.uint32]:
    """Decode a CHUNK record's payload to words.

    Raises
    ------
    DamagedError
        If the streams are invalid or the number of zero words is another.
    UnsupportedError
        If the codec is unknown to this version.
    """
    import numpy as np

    name = CODEC_NAMES.get(sizes.codec)
    if name is None:
        raise UnsupportedError(f"unknown codec number {sizes.codec}", hint="upgrade fmcompress")
    codec: Codec = codec_from_description(info.codec)
    if name != info.codec["name"]:
        codec = CODECS[name]()
    streams = records.chunk_streams(sizes, payload)
    words = codec.decode(*streams, sizes.words, word_format(info).bits)
    if sizes.words - np.count_nonzero(words) != sizes.zeros:
        raise DamagedError("the number of zero words is not that of the index")
    return words  # type: ignore[no-any-return]


def word_format(info: LayerInfo) -> WordFormat:
    """Return the word format of a coded layer."""
    from fmcompress.words import format_from_description

    return format_from_description(info.words)


def item_bytes(info: LayerInfo) -> int:
    """Return the bytes of an element of a coded layer, known without NumPy.

    Raises
    ------
    DamagedError
        If its dtype is none that can be coded.
    """
    if re.fullmatch("[<>|=][iu][124]", info.dtype) is None:
        raise DamagedError(f"the dtype {info.dtype!r} is not valid", layer=info.name)
    return int(info.dtype[2])


def element_dtype(info: LayerInfo) -> np.dtype[Any]:
    """Return the dtype of a coded layer's elements.

    Raises
    ------
    DamagedError
        If it does not fit the word format.
    """
    import numpy as np

    from fmcompress.words import format_for

    item_bytes(info)
    dtype = np.dtype(info.dtype)
    if dtype.newbyteorder("=").name != info.words.get("format") or format_for(dtype) is None:
        raise DamagedError("dtype and word format do not fit", layer=info.name)
    return dtype


class Layer:
    """One layer of an open container, read on access, chunk by chunk.

    Indexing is NumPy's; only the chunks that a selection touches are decoded.
    """

    def __init__(self, file: File, number: int) -> None:
        self._file = file
        self._number = number
        self._info = file.contents.layers[number]
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()

    @property
    def name(self) -> str:
        """Name in the dump."""
        return self._info.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self._info.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._info.size

    @property
    def dtype_name(self) -> str:
        """The dtype as text, as ``|i1``; known without NumPy, also for a carried layer."""
        return self._info.dtype

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype, with the byte order of the dump.

        Raises
        ------
        UnsupportedError
            If NumPy has none for a carried layer.
        """
        if not self._info.carried:
            return element_dtype(self._info)
        dtype = self._file.tensor(self.name).dtype
        if dtype is None:
            raise UnsupportedError(
                f"its type ({self._info.dtype}) has no plain NumPy dtype", layer=self.name
            )
        return dtype  # type: ignore[no-any-return]

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Attributes of the tensor, as the dump has them."""
        attributes: Mapping[str, Any] = self._file.tensor(self.name).attributes
        return attributes

    @property
    def words(self) -> dict[str, Any]:
        """Word format with its parameters; empty for a carried layer."""
        return dict(self._info.words)

    @property
    def codec(self) -> dict[str, Any]:
        """Codec with its parameters; empty for a carried layer."""
        return dict(self._info.codec)

    @property
    def carried(self) -> str:
        """Why the layer is carried unchanged; empty where it is coded."""
        return str(self._info.carried.get("reason", ""))

    @property
    def chunks(self) -> Sequence[ChunkInfo]:
        """Sizes of the layer's chunks."""
        return tuple(self._file.contents.chunks[self._number])

    @property
    def nbytes(self) -> int:
        """Bytes of the elements; of a carried layer, as it lies in the dump."""
        if self._info.carried:
            return int(self._info.carried.get("bytes", 0))
        return self.size * item_bytes(self._info)

    @property
    def compressed_nbytes(self) -> int:
        """Bytes of both streams; of a carried layer, as it lies in the dump."""
        if self._info.carried:
            return self.nbytes
        return sum(chunk.znz_bytes + chunk.bpc_bytes for chunk in self.chunks)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements of a coded layer chunk by chunk, in the file's order."""
        for number in range(self._info.chunks):
            yield self._elements(number, keep=False)

    def __getitem__(self, key: Any) -> Any:
        import numpy as np

        if self._info.carried:
            value = self._file.tensor(self.name).read()
            return value[key] if isinstance(value, np.ndarray) else np.asarray(value)[key]
        selection = _strided(self._info, key)
        if selection is None:
            return self._gather(_flat_indices(self._info, key))
        shape, strides, start = selection
        result = np.empty(shape, self.dtype)
        if result.ndim == 0 and result.size:
            return self._span(start, start + 1)[0]
        # From the innermost axis outwards: what is one stretch is copied, not gathered.
        run = 1
        inner = len(shape)
        while inner > 0 and (strides[inner - 1] == run or shape[inner - 1] == 1):
            run *= shape[inner - 1]
            inner -= 1
        if inner == 0:
            if result.size:
                result.reshape(-1)[:] = self._span(start, start + run)
            return result
        _fill(result, shape, strides, start, self._gather)
        return result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        import numpy as np

        if copy is False:
            raise ValueError("a compressed layer cannot become an array without a copy")
        array = np.asarray(self[...])
        return array if dtype is None else array.astype(dtype, copy=False)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a layer without axes")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<fmcompress layer {self.name!r}: shape {self.shape}, type {self._info.dtype!r}>"

    def _elements(self, number: int, keep: bool = True) -> NDArray[Any]:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        words = self._file.read_chunk(self._number, number)
        elements = word_format(self._info).to_elements(words, self.dtype)
        if keep:
            self._kept[number] = elements
            if len(self._kept) > _KEPT_CHUNKS:
                self._kept.popitem(last=False)
        return elements

    def _span(self, start: int, stop: int) -> NDArray[Any]:
        """Return the elements from flat index `start` to `stop`, in the file's order."""
        import numpy as np

        size = self._info.chunk_words
        result = np.empty(stop - start, self.dtype)
        for number in range(start // size, -(-stop // size)):
            first = number * size
            low, high = max(start, first), min(stop, first + size)
            keep = low > first or high < first + self._info.words_in_chunk(number)
            chunk = self._elements(number, keep=keep)
            result[low - start : high - start] = chunk[low - first : high - first]
        return result

    def _gather(self, flat: NDArray[np.int64]) -> NDArray[Any]:
        """Return the elements at flat indices of any shape."""
        import numpy as np

        size = self._info.chunk_words
        result = np.empty(flat.shape, self.dtype)
        numbers = flat // size
        for number in np.unique(numbers).tolist():
            here = numbers == number
            result[here] = self._elements(number)[flat[here] - number * size]
        return result


def _strides(info: LayerInfo) -> tuple[int, ...]:
    """Strides of the layer in elements."""
    lengths = info.shape[1:][::-1] if info.order == "C" else info.shape[:-1]
    strides = tuple(accumulate(lengths, lambda a, b: a * max(b, 1), initial=1))
    strides = strides[: len(info.shape)]
    return strides[::-1] if info.order == "C" else strides


def _strided(info: LayerInfo, key: Any) -> tuple[tuple[int, ...], tuple[int, ...], int] | None:
    """Return shape, strides and first flat index of a basic selection; None of an advanced one.

    NumPy itself applies the key, to an array of that shape and these strides without memory of
    its own: nothing is read but the geometry of the result.
    """
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    parts = key if isinstance(key, tuple) else (key,)
    basic = (slice, type(None), type(Ellipsis), int, np.integer)
    if not all(isinstance(part, basic) and not isinstance(part, bool | np.bool_) for part in parts):
        return None
    ghost = as_strided(np.zeros(1, np.int8), info.shape, _strides(info), writeable=False)
    view = ghost[(*parts, Ellipsis)] if Ellipsis not in parts else ghost[parts]
    start = view.__array_interface__["data"][0] - ghost.__array_interface__["data"][0]
    return view.shape, view.strides, start


def _flat_indices(info: LayerInfo, key: Any) -> NDArray[np.int64]:
    """Return the flat index of every element of any NumPy selection."""
    import numpy as np

    flat: Any = 0
    for axis, stride in enumerate(_strides(info)):
        along = np.arange(info.shape[axis], dtype=np.int64) * stride
        column = along.reshape([-1 if i == axis else 1 for i in range(len(info.shape))])
        flat = flat + np.broadcast_to(column, info.shape)[key]
    return np.asarray(flat, dtype=np.int64)


def _fill(
    result: NDArray[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    start: int,
    gather: Any,
) -> None:
    """Fill `result` with a strided selection, a bounded number of elements at a time."""
    import numpy as np

    if result.size <= _GATHER or len(shape) == 1:
        step = _GATHER if len(shape) == 1 else max(shape[0], 1)
        for first in range(0, shape[0], step):
            part = result[first : first + step]
            flat: Any = start
            for axis, stride in enumerate(strides):
                low = first if axis == 0 else 0
                along = (low + np.arange(part.shape[axis], dtype=np.int64)) * stride
                flat = flat + along.reshape([-1 if i == axis else 1 for i in range(len(shape))])
            part[...] = gather(flat)
    else:
        for i in range(shape[0]):
            _fill(result[i], shape[1:], strides[1:], start + i * strides[0], gather)


class _TemplateView(io.RawIOBase):
    """The dump as a file in which the data of coded tensors reads as zeros."""

    _loaded: tuple[int, records.Piece] | None = None

    def __init__(self, store: _Store, template: Sequence[Record], size: int) -> None:
        self._store = store
        self._template = template
        self._size = size
        self._at = 0
        self._starts: list[tuple[int, int, int, int]] = []  # offset, size, piece, place in it
        for number in range(len(template)):
            place = 0
            for offset, length in self._load(number).segments:
                self._starts.append((offset, length, number, place))
                place += length
        self._starts.sort()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        size = max(0, min(len(view), self._size - self._at))
        view[:size] = bytes(size)
        index = max(0, bisect_right(self._starts, (self._at, 1 << 63, 0, 0)) - 1)
        while index < len(self._starts) and self._starts[index][0] < self._at + size:
            offset, length, number, place = self._starts[index]
            low, high = max(self._at, offset), min(self._at + size, offset + length)
            if low < high:
                data = self._load(number).data
                source = place + low - offset
                view[low - self._at : high - self._at] = data[source : source + high - low]
            index += 1
        self._at += size
        return size

    def _load(self, number: int) -> records.Piece:
        if self._loaded is None or self._loaded[0] != number:
            record = self._template[number]
            piece = records.parse_template(record, self._store.read(record))
            self._loaded = (number, piece)
        return self._loaded[1]
