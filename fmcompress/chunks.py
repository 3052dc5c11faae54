"""One chunk: from words to streams and back, and what a layer's description says of its words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fmcompress import records
from fmcompress.codecs import CODEC_NAMES, CODECS, Codec, codec_from_description
from fmcompress.codecs.stored import Stored, stored_bytes
from fmcompress.contents import ChunkInfo, LayerInfo
from fmcompress.errors import DamagedError, UnsupportedError, error_context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmcompress.words import WordFormat


def code_chunk(
    words: NDArray[np.uint32], word_bits: int, codec: Codec
) -> tuple[int, int, int, bytes, bytes]:
    """Code a chunk, or store it where that is smaller.

    Returns
    -------
    codec, words, zeros : int
        Number of the codec used, number of words and of zero words.
    znz, bpc : bytes
        Both streams.
    """
    import numpy as np

    zeros = words.size - int(np.count_nonzero(words))
    znz, bpc = codec.encode(words, word_bits)
    if len(znz) + len(bpc) > stored_bytes(words.size, word_bits):
        codec = Stored()
        znz, bpc = codec.encode(words, word_bits)
    return codec.number, words.size, zeros, znz, bpc


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


def check_description(info: LayerInfo) -> None:
    """Check that a coded layer's dtype, word format and codec are known and fit.

    Raises
    ------
    DamagedError, UnsupportedError
        If they do not, or are not.
    """
    with error_context(layer=info.name):
        element_dtype(info)
        word_format(info)
        codec_from_description(info.codec)


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
