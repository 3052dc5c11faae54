"""BPC streams through the fast kernels, many blocks at a time; of EBPC, and of BPC by itself.

What these kernels do not read as the stream of an encoder, they only say is not valid.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from fmcompress.codecs import ebpc_plain
from fmcompress.codecs.choices import difference_number
from fmcompress.codecs.ebpc_plain import BlockParameters
from fmcompress.kernel_loading import kernel
from fmcompress.stream_words import stream_unit_bits, word_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

# Between the values of two transmissions, and behind the last: kernels move so many at once.
GAP = 64
# Bytes behind streams: a block's longest symbols are looked for there before it is known that they
# are missing.
BEHIND = 512
# Fewer transmissions are decoded faster by the portable kernels: one alone, in half the time.
LEAST_IN_VECTORS = 5
# Longer arrays are not kept.
_MOST_KEPT_BYTES = 1 << 24


class _Scratch(threading.local):
    """Arrays that calls of one thread use one after another: memory that is new is slow."""

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.uint8]] = {}

    def take(self, name: str, size: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return an array with anything in it, until the same name is taken again."""
        import numpy as np

        needed = size * np.dtype(dtype).itemsize
        kept = self._kept.get(name)
        if kept is None or kept.size < needed:
            kept = np.empty(needed + needed // 4, np.uint8)
            if kept.size <= _MOST_KEPT_BYTES:
                self._kept[name] = kept
        return kept[:needed].view(dtype)


scratch = _Scratch()


def encode(
    values: NDArray[Any],
    sizes: NDArray[np.int64],
    word_bits: int,
    parameters: BlockParameters,
    vector: bool,
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Write the BPC streams of transmissions.

    Parameters
    ----------
    values : ndarray of `word_dtype`
        Their words, `GAP` words of room behind each, and behind the last; written to.
    sizes : ndarray of int64, shape (transmissions, 2)
        Of each transmission the number of these words, and something else.
    word_bits : int
        w, 2 to 32.
    parameters : BlockParameters
    vector : bool
        Whether the processor has what `ebpc_paths.FAST` needs.

    Returns
    -------
    bpc : ndarray of uint64
        The streams, to be `cut`.
    bits : ndarray of int64, shape (transmissions,)
        Of each, before padding.
    """
    import numpy as np

    n, chunks = parameters.block_size, len(sizes)
    blocks = int((-(-sizes[:, 0] // n)).sum())
    most_bits = blocks * ebpc_plain.block_bits(word_bits, n)
    bpc = scratch.take("bpc", most_bits // 64 + 4 * chunks + 2, np.uint64)
    bits = np.zeros(chunks, np.int64)
    difference = difference_number(parameters.difference)
    rest = (difference, *_lanes(n, values.itemsize), bpc, bits)
    if vector and word_bits == n == 8:
        kernel("bpc_encoder_octets", "encode")(values, sizes, difference, bpc, bits)
    elif word_bits == n == 8:
        kernel("bpc_encoder", "encode_eight")(values, sizes, *rest)
    else:
        kernel("bpc_encoder", "encode")(values, sizes, word_bits, n, *rest)
    return bpc, bits


@cache
def _lanes(block_size: int, word_bytes: int) -> tuple[NDArray[Any] | bool | None, ...]:
    """Return what gives types to kernels/bpc_encoder.py."""
    import numpy as np

    lane_bytes = max(1, block_size // 8)
    return (
        np.empty(0, f"u{lane_bytes}"),
        True if lane_bytes < 2 else None,
        True if lane_bytes < 4 else None,
        np.empty(0, f"u{2 * word_bytes}"),
    )


def cut(stream: NDArray[np.uint64], bits: NDArray[np.int64], word_bits: int) -> list[bytes]:
    """Cut a buffer to streams of whole stream words, each of which begins with a new word."""
    octets = memoryview(stream.view("u1"))  # type: ignore[arg-type]
    streams = []
    at = 0
    for size, padded in zip(bits.tolist(), padded_bytes(bits, word_bits), strict=True):
        streams.append(bytes(octets[at : at + padded]))
        at += -(-size // 64) * 8
    return streams


def padded_bytes(bits: NDArray[np.int64], word_bits: int) -> list[int]:
    """Return the bytes of streams of so many bits, in whole stream words."""
    unit = stream_unit_bits(word_bits)
    sizes: list[int] = (-(-bits // unit) * (unit // 8)).tolist()
    return sizes


def decode(
    streams: Sequence[bytes],
    blocks: NDArray[np.int64],
    word_bits: int,
    block_size: int,
    vector: bool,
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.bool_]]:
    """Read the blocks of BPC streams.

    Parameters
    ----------
    streams : sequence of bytes
    blocks : ndarray of int64, shape (transmissions,)
        How many each holds; no more than its bytes can.
    word_bits, block_size : int
        w, 2 to 32; n.
    vector : bool
        As of `encode`.

    Returns
    -------
    values : ndarray of `word_dtype`
        The words of whole blocks.
    places : ndarray of int64, shape (transmissions + 1,)
        Where those of each begin; and an end.
    valid : ndarray of bool, shape (transmissions,)
    """
    import numpy as np

    n = block_size
    bpc, bpc_places, bpc_sizes = gathered("bpc", streams)
    places = starts_of(-(-(blocks * n) // GAP) * GAP + GAP)
    values = scratch.take("values", int(places[-1]), word_dtype(word_bits))
    valid = np.ones(blocks.size, np.bool_)
    given = (bpc, bpc_places, bpc_sizes, blocks)
    unit = stream_unit_bits(word_bits)
    if vector and word_bits == n == 8:
        order = np.argsort(-bpc_sizes)
        kernel("bpc_decoder_octets", "decode")(*given, order, places, values, valid)
    elif n == 8:
        order = np.argsort(-blocks)
        kernel("bpc_decoder_eight", "decode")(*given, order, word_bits, unit, places, values, valid)
    else:
        kernel("bpc_decoder", "decode")(*given, word_bits, n, unit, places, values, valid)
    return values, places, valid


def likely_blocks(
    blocks: NDArray[np.int64], streams: Sequence[bytes], word_bits: int
) -> NDArray[np.int64]:
    """Return the numbers of blocks; 0 where a stream is too short to hold so many.

    A block takes no less than its base and one symbol.
    """
    import numpy as np

    bits = np.array([8 * len(stream) for stream in streams], np.int64)
    return np.where(blocks * (word_bits + 4) > bits, 0, blocks)


def gathered(
    name: str, streams: Sequence[bytes]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return streams one behind the other, where each is, and its bytes."""
    import numpy as np

    sizes = np.array([len(stream) for stream in streams], np.int64)
    places = starts_of(sizes)
    buffer = scratch.take(name, int(places[-1]) + BEHIND, np.uint8)
    octets = memoryview(buffer)  # type: ignore[arg-type]
    for stream, place in zip(streams, places.tolist(), strict=False):
        octets[place : place + len(stream)] = stream
    return buffer, places, sizes


def starts_of(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of several pieces begins, and where the last one ends."""
    import numpy as np

    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
