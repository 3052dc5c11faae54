"""One layer of an open container, as an array that is decoded on access."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fmcompress.chunks import LayerDecoder, element_dtype, item_bytes
from fmcompress.contents import ChunkInfo
from fmcompress.errors import UnsupportedError, error_context
from fmcompress.ordering import WordOrder
from fmcompress.selection import fill, flat_indices, strided

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmcompress.reader import File

_KEPT_CHUNKS = 32


class Layer:
    """One layer of an open container, read on access, chunk by chunk.

    Indexing is NumPy's; only the chunks that a selection touches are decoded.
    """

    def __init__(self, file: File, number: int) -> None:
        self._file = file
        self._number = number
        self._info = file.contents.layers[number]
        self._decoder: LayerDecoder | None = None
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
    def quantized(self) -> dict[str, Any]:
        """How the layer was quantised; empty where it was not, and nothing is lost."""
        return dict(self._info.quantized)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes as they run in the words, slowest first."""
        return self._info.word_axes

    @property
    def serpentine(self) -> bool:
        """Whether every other row of words runs backwards."""
        return self._info.serpentine

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
        return sum(chunk.first_bytes + chunk.second_bytes for chunk in self.chunks)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the elements of a coded layer chunk by chunk, in the order of the words."""
        for _, elements in self._decoded(range(self._info.chunks)):
            yield elements

    def __getitem__(self, key: Any) -> Any:
        import numpy as np

        if self._info.carried:
            value = self._file.tensor(self.name).read()
            return value[key] if isinstance(value, np.ndarray) else np.asarray(value)[key]
        selection = strided(self._info, key)
        if selection is None:
            return self._gather(flat_indices(self._info, key))
        shape, strides, start = selection
        if not shape:
            return self._span(start, start + 1)[0]
        # In the order in which the elements follow each other as words, whatever the order of the axes.
        axes = sorted(range(len(shape)), key=lambda axis: -abs(strides[axis]))
        shape = tuple(shape[axis] for axis in axes)
        strides = tuple(strides[axis] for axis in axes)
        result = np.empty(shape, self.dtype)
        # From the innermost axis outwards: what is one stretch is copied, not gathered.
        run = 1
        inner = len(shape)
        while inner > 0 and (strides[inner - 1] == run or shape[inner - 1] == 1):
            run *= shape[inner - 1]
            inner -= 1
        if inner == 0:
            if result.size:
                result.reshape(-1)[:] = self._span(start, start + run)
        else:
            fill(result, shape, strides, start, self._gather)
        return result.transpose(np.argsort(axes))

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

    def _elements(
        self, numbers: Iterable[int], keep: Container[int]
    ) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield chunks' numbers and elements, in any order; keep some for the next selection."""
        missing = []
        for number in numbers:
            with self._file.lock:
                found = self._kept.get(number)
                if found is not None:
                    self._kept.move_to_end(number)
            if found is not None:
                yield number, found
            else:
                missing.append(number)
        for number, elements in self._decoded(missing):
            if number in keep:
                with self._file.lock:
                    self._kept[number] = elements.copy()  # without the rest of its batch
                    if len(self._kept) > _KEPT_CHUNKS:
                        self._kept.popitem(last=False)
            yield number, elements

    def _decoded(self, numbers: Iterable[int]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield chunks' numbers and elements, decoding several at a time."""
        if self._decoder is None:
            self._decoder = LayerDecoder(self._info)
        size = self._info.chunk_elements
        for batch in self._file.read_batches(self._number, numbers, self._decoder):
            with error_context(file=self._file.name):
                elements = batch.elements()
            for place in range(len(batch.chunks)):
                yield batch.number + place, elements[place * size : (place + 1) * size]

    def _span(self, start: int, stop: int) -> NDArray[Any]:
        """Return the elements from place `start` to `stop`, all rows running forth."""
        order = WordOrder(self._info.shape, self._info.word_axes, self._info.serpentine)
        if not order.serpentine:
            return self._words_span(start, stop)
        row = order.row_words
        first, last = start // row, -(-stop // row)
        rows = order.turned(self._words_span(first * row, last * row), first)
        return rows[start - first * row : stop - first * row]

    def _words_span(self, start: int, stop: int) -> NDArray[Any]:
        """Return the elements from place `start` to `stop`, as the words follow each other."""
        import numpy as np

        size = self._info.chunk_elements
        result = np.empty(stop - start, self.dtype)
        numbers = range(start // size, -(-stop // size))
        whole = range(
            -(-start // size), self._info.chunks if stop == self._info.size else stop // size
        )
        edges = [number for number in (numbers[0], numbers[-1]) if number not in whole]
        for number, chunk in self._elements(numbers, edges):
            first = number * size
            low, high = max(start, first), min(stop, first + size)
            result[low - start : high - start] = chunk[low - first : high - first]
        return result

    def _gather(self, flat: NDArray[np.int64]) -> NDArray[Any]:
        """Return the elements at places of any shape, all rows running forth."""
        import numpy as np

        flat = WordOrder(self._info.shape, self._info.word_axes, self._info.serpentine).forth(flat)
        size = self._info.chunk_elements
        result = np.empty(flat.shape, self.dtype)
        numbers = flat // size
        wanted = np.unique(numbers).tolist()
        for number, chunk in self._elements(wanted, {*wanted}):
            here = numbers == number
            result[here] = chunk[flat[here] - number * size]
        return result
