"""From a container to a new dump, of any format that can be written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from fmcompress.chunks import LayerDecoder, quantization
from fmcompress.contents import LayerInfo
from fmcompress.dumps import Format, Tensor, TensorSpec
from fmcompress.element_types import holding_dtype
from fmcompress.errors import ParameterError, UnsupportedError, error_context
from fmcompress.files import seekable
from fmcompress.ordering import Stretch, WordOrder, file_axes
from fmcompress.picking import pick
from fmcompress.progress import Progress, Step
from fmcompress.reader import File
from fmcompress.statistics import Stats, stats_of_contents
from fmcompress.words import WORD_BITS, type_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        try:
            for row in rows:
                with error_context(layer=row.spec.name):
                    writer.begin(row.spec)
                    for elements in row.elements():
                        writer.write(elements)
                        done += elements.nbytes
                        progress(Step(row.spec.name, done, total))
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


class _Coded:
    """A coded layer that is to be written."""

    def __init__(self, opened: File, number: int, dequantize: bool) -> None:
        self._opened = opened
        self._number = number
        self._info: LayerInfo = opened.contents.layers[number]
        self._decoder = LayerDecoder(self._info)
        self._how = quantization(self._info)
        self._dequantize = dequantize and self._how is not None
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

    def elements(self) -> Iterator[NDArray[Any]]:
        """Yield them in C order, as the spec says."""
        info, decoder = self._info, self._decoder
        dtype = self.spec.dtype if self._dequantize else decoder.dtype
        push = decoder.order.to_file("C", dtype)
        left = math.prod(self.spec.shape)  # without a half of a byte that fills up the last one
        for number in range(info.chunks):
            elements = self._opened.read_chunk(self._number, number, decoder)
            if self._dequantize:
                assert self._how is not None
                stretch = Stretch(decoder.order, number * info.chunk_elements)
                elements = self._how.dequantize(elements, stretch)
            for part in push(elements):
                written = self._as_written(part)[:left]
                left -= written.size
                yield written

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

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        kind = type_of(tensor.dtype, tensor.element_type)
        self.spec = TensorSpec(
            tensor.name, tensor.shape, holding_dtype(kind), kind, tensor.attributes
        )

    @property
    def nbytes(self) -> int:
        return self._tensor.nbytes

    def elements(self) -> Iterator[NDArray[Any]]:
        """Yield them in C order, as the spec says."""
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
