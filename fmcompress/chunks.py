"""One chunk: from words to streams and back, and what a layer's description says of its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fmcompress import records
from fmcompress.codecs import CODEC_NAMES, Codec, codec_from_description
from fmcompress.codecs.auto import Auto
from fmcompress.codecs.stored import Stored, stored_bytes
from fmcompress.contents import ChunkInfo, LayerInfo
from fmcompress.errors import DamagedError, FmcError, UnsupportedError, error_context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmcompress.ordering import WordOrder
    from fmcompress.quantizing import Quantization
    from fmcompress.words import WordFormat


class CodedChunk(NamedTuple):
    """One chunk, coded.

    Attributes
    ----------
    codec, words, zeros : int
        Number of the codec used, number of words and of zero words.
    first, second : bytes
        Both streams: of EBPC, ZNZ and BPC.
    """

    codec: int
    words: int
    zeros: int
    first: bytes
    second: bytes


def code_chunks(
    words: NDArray[Any], word_bits: int, codec: Codec, chunk_words: int
) -> list[CodedChunk]:
    """Code words in chunks of `chunk_words`, each by the best of the codec's parts; store each that would grow."""
    import numpy as np

    tried = [part.encode_chunks(words, word_bits, chunk_words) for part in codec.parts]
    coded = []
    for number, results in enumerate(zip(*tried, strict=True)):
        chunk = words[number * chunk_words : (number + 1) * chunk_words]
        sizes = [len(first) + len(second) for first, second in results]
        best = sizes.index(min(sizes))
        used, (first, second) = codec.parts[best], results[best]
        if sizes[best] > stored_bytes(chunk.size, word_bits):
            used = Stored()
            first, second = used.encode(chunk, word_bits)
        zeros = chunk.size - int(np.count_nonzero(chunk))
        coded.append(CodedChunk(used.number, chunk.size, zeros, first, second))
    return coded


def auto_bits(words: NDArray[Any], word_bits: int, auto: Auto, chunk_words: int) -> dict[str, int]:
    """Return the bits of words cut to chunks, by each part of `auto`, stored, and by `auto` itself.

    As in a file, a chunk that would grow is stored.
    """
    import numpy as np

    raw = Stored().chunk_bytes(words, word_bits, chunk_words)
    sizes = {Stored.name: raw}
    for part in auto.parts:
        sizes[part.name] = np.minimum(part.chunk_bytes(words, word_bits, chunk_words), raw)
    sizes[auto.name] = np.min([*sizes.values()], axis=0)
    return {name: 8 * int(each.sum()) for name, each in sizes.items()}


class LayerDecoder:
    """Decode the chunks of one coded layer.

    Parameters
    ----------
    info : LayerInfo
        Its description, checked here: dtype, word format, quantisation and codec are known, in
        range, and fit each other.

    Attributes
    ----------
    dtype : dtype
        Of its elements: of the quantised ones, where it is quantised.
    order : WordOrder
        The order of its words.

    Raises
    ------
    DamagedError, UnsupportedError
        If they do not, or are not.
    """

    def __init__(self, info: LayerInfo) -> None:
        from fmcompress.ordering import WordOrder

        with error_context(layer=info.name):
            self.info = info
            self.dtype = element_dtype(info)
            self.words = word_format(info)
            self.order: WordOrder = WordOrder(info.shape, info.word_axes, info.serpentine)
            parts = (Stored(), *codec_from_description(info.codec).parts)
            self._codecs: dict[int, Codec] = {part.number: part for part in parts}

    def decode(self, sizes: ChunkInfo, payload: bytes) -> NDArray[Any]:
        """Decode one CHUNK record's payload to words.

        Raises
        ------
        DamagedError, UnsupportedError
            What `decode_chunks` returns.
        """
        (words,) = self.decode_chunks([(sizes, payload)])
        if isinstance(words, FmcError):
            raise words
        return words

    def decode_chunks(
        self, chunks: Sequence[tuple[ChunkInfo, bytes]]
    ) -> list[NDArray[Any] | FmcError]:
        """Decode the payloads of CHUNK records to words.

        Parameters
        ----------
        chunks : sequence of (sizes, payload)

        Returns
        -------
        list of ndarray or FmcError
            Of each chunk its words; or DamagedError, if the streams are invalid or the number of
            zero words or the codec is another; or UnsupportedError, if the codec is unknown.
        """
        found: dict[int, NDArray[Any] | FmcError] = {}
        waiting: dict[int, dict[int, tuple[bytes, bytes, int]]] = {}
        for place, (sizes, payload) in enumerate(chunks):
            try:
                self._codec_of(sizes.codec)
                streams = records.chunk_streams(sizes, payload)
            except FmcError as error:
                found[place] = error
            else:
                waiting.setdefault(sizes.codec, {})[place] = (*streams, sizes.words)
        for number, transmissions in waiting.items():
            codec = self._codec_of(number)
            decoded = codec.decode_chunks([*transmissions.values()], self.words.bits)
            for place, words in zip(transmissions, decoded, strict=True):
                found[place] = _counted(words, chunks[place][0].zeros)
        return [found[place] for place in range(len(chunks))]

    def _codec_of(self, number: int) -> Codec:
        codec = self._codecs.get(number)
        if codec is not None:
            return codec
        if number not in CODEC_NAMES:
            raise UnsupportedError(f"unknown codec number {number}", hint="upgrade fmcompress")
        raise DamagedError(f"{CODEC_NAMES[number]} is not how its layer is coded")

    def elements(self, number: int, words: NDArray[Any]) -> NDArray[Any]:
        """Turn the words of chunk `number` to elements, in word order."""
        from fmcompress.ordering import Stretch

        start = number * self.info.chunk_elements
        return self.words.to_elements(words, self.dtype, Stretch(self.order, start))


def _counted(words: NDArray[Any] | FmcError, zeros: int) -> NDArray[Any] | FmcError:
    """Return words, or an error, where the number of zero words is another."""
    import numpy as np

    if isinstance(words, FmcError) or words.size - np.count_nonzero(words) == zeros:
        return words
    return DamagedError("the number of zero words is not that of the index")


class LayerDecoders:
    """Decoders of layers that come one after another; the last one is kept."""

    def __init__(self) -> None:
        self._last: LayerDecoder | None = None

    def of(self, info: LayerInfo) -> LayerDecoder:
        """Return the decoder of a layer."""
        if self._last is None or self._last.info is not info:
            self._last = LayerDecoder(info)
        return self._last


def check_description(info: LayerInfo) -> None:
    """Check that a coded layer's description is known and fits, as `LayerDecoder` does.

    Raises
    ------
    DamagedError, UnsupportedError
        If it does not, or is not.
    """
    LayerDecoder(info)


def word_format(info: LayerInfo) -> WordFormat:
    """Return the word format of a coded layer."""
    from fmcompress.words import format_from_description

    return format_from_description(info.words)


def quantization(info: LayerInfo) -> Quantization | None:
    """Return how a layer was quantised; None where it was not."""
    from fmcompress.quantizing import quantization_from_description

    return quantization_from_description(info.quantized) if info.quantized else None


def item_bytes(info: LayerInfo) -> int:
    """Return the bytes of an element of a coded layer, known without NumPy.

    Raises
    ------
    DamagedError
        If its dtype is none that can be coded.
    """
    return _item_bytes(info, info.dtype)


def dump_item_bytes(info: LayerInfo) -> int:
    """Return the bytes of an element of a coded layer as it lay in its dump, before quantising.

    Raises
    ------
    DamagedError
        If its dtype is none that can be coded.
    """
    return _item_bytes(info, str(info.quantized.get("source_dtype", info.dtype)))


def _item_bytes(info: LayerInfo, dtype: str) -> int:
    most = "[1248]" if dtype != info.dtype else "[124]"
    if re.fullmatch(f"[<>|=][iufbV]{most}", dtype) is None:
        raise DamagedError(f"the dtype {dtype!r} is not valid", layer=info.name)
    return int(dtype[2])


def element_dtype(info: LayerInfo) -> np.dtype[Any]:
    """Return the dtype of a coded layer's elements.

    Raises
    ------
    DamagedError
        If it does not fit the word format or the quantisation.
    """
    import numpy as np

    item_bytes(info)
    try:
        dtype = np.dtype(info.dtype)
    except TypeError as error:
        raise DamagedError(f"the dtype {info.dtype!r} is not valid", layer=info.name) from error
    words = word_format(info)
    if not words.holds(dtype, info.shape):
        raise DamagedError("dtype and word format do not fit", layer=info.name)
    how = quantization(info)
    if how is not None and not (
        how.dtype == dtype
        and (how.element_type, how.bits) == (info.words["format"], words.bits)
        and (how.axis is None or _fits(how, info))
    ):
        raise DamagedError("quantisation and word format do not fit", layer=info.name)
    return dtype


def _fits(how: Quantization, info: LayerInfo) -> bool:
    assert how.axis is not None
    assert isinstance(how.scale, tuple)
    return how.axis < len(info.shape) and info.shape[how.axis] == len(how.scale)


class chunk_context:
    """Name the chunk in any `FmcError` that passes."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, FmcError):
            error.cause = f"chunk {self._number}: {error.cause}"
