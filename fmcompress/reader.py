"""Read a container: a mapping of layers, in the manner of ``h5py.File``."""

from __future__ import annotations

import io
import os
import threading
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from fmcompress import records
from fmcompress.batches import Batch, Chunk, in_batches
from fmcompress.chunks import LayerDecoder, chunk_context
from fmcompress.container import Assembly
from fmcompress.contents import Contents
from fmcompress.errors import DamagedError, error_context
from fmcompress.files import Source, name_of
from fmcompress.layer import Layer
from fmcompress.records import Kind, Record
from fmcompress.views import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.dumps import Tensor


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


def is_container(path: Path) -> bool:
    """Tell whether a file is (or was) a container, from how it starts; a folder is none."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return records.is_container(file.read(len(records.MAGIC)))


def are_container(paths: Sequence[Path]) -> bool:
    """Tell whether what several files may make together is one container."""
    return len(paths) == 1 and is_container(paths[0])


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
        self._tensors: dict[str, Tensor] | None = None
        self._groups: Mapping[str, Mapping[str, Any]] = {}
        self.lock = threading.RLock()
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
                infos = assembly.layers(record, self.read_record(record))
                self._chunks.extend([] for _ in infos)
            elif record.kind == Kind.DUMP:
                assembly.dump(self.read_record(record))
            elif record.kind == Kind.TEMPLATE:
                self._template.append(record)
                assembly.template(record)
        assembly.check_complete()
        self.contents.total_bytes = size

    def read_record(self, record: Record) -> bytes:
        """Read and check the payload of a record that the index lists.

        Raises
        ------
        DamagedError
            If its checksum is wrong, or another record stands in its place.
        """
        return self._store.read(record)

    def read_chunk(self, layer: int, number: int, decoder: LayerDecoder) -> Chunk:
        """Read one chunk, to be decoded."""
        record = self._chunks[layer][number]
        with self._chunk_context(layer, number):
            payload = self.read_record(record)
            sizes = records.parse_chunk(record, payload)
            if sizes != self.contents.chunks[layer][number]:
                raise DamagedError("differs from the index")
        return Chunk(decoder, number, sizes, payload, record.end)

    def read_batches(
        self, layer: int, numbers: Iterable[int], decoder: LayerDecoder
    ) -> Iterator[Batch]:
        """Read chunks, to be decoded: those that follow each other in batches."""
        read = (self.read_chunk(layer, number, decoder) for number in numbers)
        for batch in in_batches(read):
            assert isinstance(batch, Batch)
            yield batch

    def read_words(self, layer: int, number: int, decoder: LayerDecoder) -> NDArray[Any]:
        """Decode the words of one chunk."""
        chunk = self.read_chunk(layer, number, decoder)
        with self._chunk_context(layer, number):
            return decoder.decode(chunk.sizes, chunk.payload)

    @contextmanager
    def _chunk_context(self, layer: int, number: int) -> Iterator[None]:
        name = self.contents.layers[layer].name
        with error_context(file=self.name, layer=name), chunk_context(number):
            yield

    @property
    def groups(self) -> Mapping[str, Mapping[str, Any]]:
        """Attributes of the dump's groups, by path; ``""`` is the dump itself."""
        with self.lock:
            if self._tensors is None:
                self._tensors = self._open_template()
        return self._groups

    def tensor(self, name: str) -> Any:
        """Return the dump format's own view of a tensor, read from the template."""
        with self.lock:
            if self._tensors is None:
                self._tensors = self._open_template()
        if name not in self._tensors:
            raise DamagedError("the template has no such tensor", file=self.name, layer=name)
        return self._tensors[name]

    def _open_template(self) -> dict[str, Tensor]:
        from fmcompress.dumps import format_named

        with error_context(file=self.name):
            template = _TemplateView(self._store, self._template, self.contents.dump["bytes"])
            view = self._closing.enter_context(io.BufferedReader(template, 1 << 16))
            format_ = format_named(self.contents.dump["format"])
            coded = {info.name for info in self.contents.layers if not info.carried}
            dump = self._closing.enter_context(format_.open(view, coded, self.contents.dump))
        self._groups = dump.groups
        return {tensor.name: tensor for tensor in dump.tensors}

    def close(self) -> None:
        """Close the file."""
        self._tensors = None
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
        self._lock = threading.Lock()
        self.size = file.seek(0, io.SEEK_END)

    def bytes_at(self, offset: int, size: int) -> bytes:
        with self._lock:
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
        payload = self.bytes_at(offset + records.HEAD_BYTES, record.payload_bytes)
        records.check_record(head, payload, offset)
        return record, payload

    def read(self, record: Record) -> bytes:
        """Read and check a record that the index lists."""
        found, payload = self.read_at(record.offset)
        if found != record:
            raise DamagedError(f"the record at byte {record.offset} is not that of the index")
        return payload


class _TemplateView(View):
    """The dump as a file in which the data of coded tensors reads as zeros."""

    _loaded: tuple[int, records.Piece] | None = None

    def __init__(self, store: _Store, template: Sequence[Record], size: int) -> None:
        super().__init__(size)
        self._store = store
        self._template = template
        self._starts: list[tuple[int, int, int, int]] = []  # offset, size, piece, place in it
        for number in range(len(template)):
            place = 0
            for offset, length in self._load(number).segments:
                self._starts.append((offset, length, number, place))
                place += length
        self._starts.sort()

    def bytes_at(self, offset: int, size: int) -> bytearray:
        """Return bytes of the template, and zeros where it has none."""
        found = bytearray(size)
        index = max(0, bisect_right(self._starts, (offset, 1 << 63, 0, 0)) - 1)
        while index < len(self._starts) and self._starts[index][0] < offset + size:
            start, length, number, place = self._starts[index]
            low, high = max(offset, start), min(offset + size, start + length)
            if low < high:
                data = self._load(number).data
                source = place + low - start
                found[low - offset : high - offset] = data[source : source + high - low]
            index += 1
        return found

    def _load(self, number: int) -> records.Piece:
        if self._loaded is None or self._loaded[0] != number:
            record = self._template[number]
            piece = records.parse_template(record, self._store.read(record))
            self._loaded = (number, piece)
        return self._loaded[1]
