"""From a container to a new dump, of any format that can be written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np

from fmcompress.batches import Batch
from fmcompress.chunks import LayerDecoder, quantization
from fmcompress.contents import LayerInfo
from fmcompress.dumps import Format, Tensor, TensorSpec
from fmcompress.element_types import holding_dtype
from fmcompress.errors import ParameterError, UnsupportedError, error_context
from fmcompress.files import seekable
from fmcompress.in_order import Task, Workers
from fmcompress.ordering import Stretch, WordOrder, file_axes
from fmcompress.picking import pick
from fmcompress.progress import Progress, Step
from fmcompress.reader import File
from fmcompress.statistics import Stats, stats_of_contents
from fmcompress.words import WORD_BITS, type_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.ordering import Push

# Carried tensors up to this size are read as a whole.
_WHOLE_BYTES = 1 << 26
# A view may repeat its data (torch's expand); a small file must not fill the disk with that.
_MOST_EXPANDED = 64


def convert(
    file: BinaryIO,
    path: Path,
    format_: Format,
    *,
    name: str,
    layers: Sequence[str] | str | None,
    dequantize: bool,
    workers: Workers,
    progress: Progress,
) -> Stats:
    """Write the layers of a container as a new dump.

    Parameters
    ----------
    file : binary file
        The container; a pipe is copied to a temporary file first.
    path : Path
        An empty file (or folder), to be filled.
    format_ : Format
        Of the new dump.
    name : str
        Of the container, for messages.
    layers : glob or globs, optional
        Write these layers only.
    dequantize : bool
        Give floats for quantised layers.
    workers : Workers
        They decode.
    progress : callable
        Called with a `Step` now and then.

    Returns
    -------
    Stats
        Of the container; its warnings say what the format could not hold.

    Raises
    ------
    ParameterError
        If a glob matches no layer, or there is nothing to dequantise.
    UnsupportedError
        If the format cannot be written, or cannot hold the layers.
    """
    with seekable(file) as source, File(source) as opened:
        infos = opened.contents.layers
        picked = pick([info.name for info in infos], layers)
        if not format_.writes:
            raise UnsupportedError(
                f"a changed {format_.name} dump cannot be written",
                hint="give --to with another format, as hdf5 or safetensors",
            )
        if dequantize and not any(info.quantized for info in infos):
            raise ParameterError("no layer is quantised", hint="leave --dequantize out")
        rows, lost = _rows(opened, picked, dequantize)
        if lost and not rows:
            raise UnsupportedError(
                f"nothing is left to write: {'; '.join(lost)}", hint="pick other layers"
            )
        writer = format_.writer(path, [row.spec for row in rows], opened.groups)
        total = sum(row.nbytes for row in rows)
        done = 0
        parts: Iterator[_Part] = workers.results(_parts(rows))
        try:
            for row, decoded in parts:
                with error_context(layer=row.spec.name):
                    if decoded is None:
                        writer.begin(row.spec)
                    for elements in row.written(decoded):
                        writer.write(elements)
                        done += elements.nbytes
                        progress(Step(row.spec.name, done, total))
                    if row.complete:
                        writer.end()
            writer.finish()
        finally:
            writer.close()
        if writer.lost:
            lost.append(f"{format_.name} cannot hold {', '.join(writer.lost)}")
        lossy = any(info.quantized for info in infos) and not dequantize
        note = f"written anew as {format_.name}{', quantised layers as such' if lossy else ''}"
        written = {row.spec.name for row in rows}
        kept = [info.name in written for info in infos]
        return stats_of_contents(opened.contents, name, kept, lost, [note])


def _rows(
    opened: File, picked: Sequence[bool], dequantize: bool
) -> tuple[list[_Coded | _Carried], list[str]]:
    """Return what can be written, and say what cannot."""
    rows: list[_Coded | _Carried] = []
    lost = []
    for number, info in enumerate(opened.contents.layers):
        if not picked[number]:
            continue
        with error_context(layer=info.name):
            if not info.carried:
                rows.append(_Coded(opened, number, dequantize))
                continue
            tensor = opened.tensor(info.name)
            try:
                if not type_of(tensor.dtype, tensor.element_type):
                    raise UnsupportedError(f"{info.dtype} is no plain element type")
                tensor.check()
                if tensor.packed:
                    raise UnsupportedError("its elements are two a byte, and it was not coded")
                if tensor.nbytes > _MOST_EXPANDED * tensor.distinct_bytes + _WHOLE_BYTES:
                    raise UnsupportedError("it repeats its data too many times")
            except UnsupportedError as error:
                lost.append(f"layer {info.name!r} is left out: {error.cause}")
            else:
                rows.append(_Carried(tensor))
    return rows, lost


# A layer that is to be written: first without, then with each of its batches of decoded elements.
_Part: TypeAlias = "tuple[_Coded | _Carried, NDArray[Any] | None]"


def _parts(rows: Sequence[_Coded | _Carried]) -> Iterator[_Part | Task[_Part]]:
    for row in rows:
        yield row, None
        if isinstance(row, _Coded):
            with error_context(layer=row.spec.name):
                for batch in row.batches():
                    yield Task(partial(_decoded, row, batch))


def _decoded(row: _Coded, batch: Batch) -> _Part:
    return row, row.decode(batch)


class _Coded:
    """A coded layer that is to be written."""

    def __init__(self, opened: File, number: int, dequantize: bool) -> None:
        self._opened = opened
        self._number = number
        self._info: LayerInfo = opened.contents.layers[number]
        self._decoder = LayerDecoder(self._info)
        self._how = quantization(self._info)
        self._dequantize = dequantize and self._how is not None
        self._push: Push | None = None
        self._left = 0
        self.spec = self._spec()

    @property
    def nbytes(self) -> int:
        return math.prod(self.spec.shape) * self.spec.dtype.itemsize

    def _spec(self) -> TensorSpec:
        info, how = self._info, self._how
        tensor = self._opened.tensor(info.name)
        attributes = dict(tensor.attributes)
        spec = TensorSpec(
            name=info.name,
            shape=info.shape,
            dtype=holding_dtype(info.words["format"]),
            element_type=info.words["format"],
            attributes=attributes,
        )
        if info.words_per_element > 1:  # they are written one a byte
            *outer, last = info.shape
            halves = (*outer, last * info.words_per_element)
            unpacked = tensor.unpacked_shape
            fits = unpacked is not None and 0 <= math.prod(halves) - math.prod(unpacked) <= 1
            return replace(spec, shape=unpacked if fits else halves)
        if how is None:
            if "word_bits" in info.words:
                attributes.setdefault(WORD_BITS, info.words["word_bits"])
            return spec
        if self._dequantize:
            kind = "float64" if how.source == "float64" else "float32"
            return replace(spec, dtype=np.dtype(kind), element_type=kind)
        if how.bits < 8 * how.dtype.itemsize:
            attributes[WORD_BITS] = how.bits
        attributes["scale"] = np.array(how.scale)
        attributes["zero_point"] = 0
        if how.axis is not None:
            attributes["axis"] = how.axis
        return spec

    def batches(self) -> Iterator[Batch]:
        """Read the chunks, to be decoded."""
        return self._opened.read_batches(self._number, range(self._info.chunks), self._decoder)

    def decode(self, batch: Batch) -> NDArray[Any]:
        """Decode chunks, in any thread."""
        with error_context(file=self._opened.name):
            elements = batch.elements()
        if not self._dequantize:
            return elements
        assert self._how is not None
        stretch = Stretch(batch.decoder.order, batch.number * self._info.chunk_elements)
        return self._how.dequantize(elements, stretch)

    def written(self, decoded: NDArray[Any] | None) -> Iterator[NDArray[Any]]:
        """Yield the next elements in C order, as the spec says."""
        if decoded is None:
            dtype = self.spec.dtype if self._dequantize else self._decoder.dtype
            self._push = self._decoder.order.to_file("C", dtype)
            # Without a half of a byte that fills up the last one.
            self._left = math.prod(self.spec.shape)
            return
        assert self._push is not None
        for part in self._push(decoded):
            written = self._as_written(part)[: self._left]
            self._left -= written.size
            yield written
        if self.complete:
            self._push = None  # it may hold memory

    @property
    def complete(self) -> bool:
        """Whether all has been written."""
        return not self._left

    def _as_written(self, elements: NDArray[Any]) -> NDArray[Any]:
        if self._info.words_per_element > 1:
            nibbles = elements.view("u1")
            values = np.stack([nibbles & 15, nibbles >> 4], axis=-1).reshape(-1)
            if self.spec.element_type == "int4":
                values = (values ^ 8) - np.uint8(8)
            return values.view(self.spec.dtype)
        elements = _native(elements, self.spec.dtype)
        if self._info.words.get("zero_extended"):
            return (elements ^ 8) - np.int8(8)
        return elements


class _Carried:
    """A tensor that was carried, and is to be written."""

    complete = True

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        kind = type_of(tensor.dtype, tensor.element_type)
        self.spec = TensorSpec(
            tensor.name, tensor.shape, holding_dtype(kind), kind, tensor.attributes
        )

    @property
    def nbytes(self) -> int:
        return self._tensor.nbytes

    def written(self, decoded: NDArray[Any] | None) -> Iterator[NDArray[Any]]:
        """Yield the elements in C order, as the spec says."""
        tensor = self._tensor
        if tensor.nbytes <= _WHOLE_BYTES:
            whole = np.ascontiguousarray(tensor.read()).reshape(-1)
            yield _native(whole, self.spec.dtype)
            return
        assert tensor.dtype is not None
        order = WordOrder(tensor.shape, file_axes(len(tensor.shape), "C"))
        push = order.to_words(tensor.order, tensor.dtype)
        for block in tensor.blocks():
            for part in push(block):
                yield _native(part, self.spec.dtype)


def _native(elements: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """See the bits of elements as a dtype of the same size in native byte order."""
    from fmcompress.words.protocol import patterns

    return patterns(elements).view(dtype)
