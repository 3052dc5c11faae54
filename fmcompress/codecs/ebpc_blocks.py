"""EBPC through the fast kernels, many words at a time: the streams of `ebpc_plain`, bit for bit.

What these kernels do not read as the streams of an encoder is given to the plain ones, which say
what is wrong and where; so there is one strict decoder, and here is how to be faster.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from fmcompress.codecs import ebpc_plain
from fmcompress.codecs.ebpc_plain import Parameters
from fmcompress.errors import StreamError
from fmcompress.kernel_loading import kernel, kernel_words
from fmcompress.stream_words import stream_unit_bits, word_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

# Between the values of two transmissions, and behind the last: kernels move so many at once.
_GAP = 64
# Bytes behind streams: a block's longest symbols are looked for there before it is known that they
# are missing.
_BEHIND = 512
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


_scratch = _Scratch()


def encode(
    words: NDArray[Any], word_bits: int, chunk_words: int, parameters: Parameters, vector: bool
) -> list[tuple[bytes, bytes]]:
    """Encode words as transmissions of `chunk_words` words, as `Ebpc.encode_chunks` does.

    Parameters
    ----------
    words, word_bits, chunk_words, parameters
        As of `ebpc_plain.encode`.
    vector : bool
        Whether the processor has what `ebpc_paths.FAST` needs.
    """
    import numpy as np

    given = kernel_words(words, word_dtype(word_bits))
    count, n, z = given.size, parameters.block_size, parameters.run_bits
    chunks = -(-count // chunk_words)
    values = _scratch.take("values", count + (chunks + 2) * _GAP, given.dtype)
    znz = _scratch.take("znz", count * (1 + z) // 64 + 3 * chunks + 2, np.uint64)
    sizes = np.empty((chunks, 2), np.int64)
    bits = np.zeros(chunks, np.int64)
    with np.errstate(over="ignore"):  # of kernels as plain Python
        kernel("znz_encoder", "encode")(
            given, chunk_words, z, _zero_codes(z), True if vector else None, values, znz, sizes
        )
        blocks = int((-(-sizes[:, 0] // n)).sum())
        most_bits = blocks * ebpc_plain.block_bits(word_bits, n)
        bpc = _scratch.take("bpc", most_bits // 64 + 4 * chunks + 2, np.uint64)
        rest = (parameters.difference_number, *_lanes(n, given.itemsize), bpc, bits)
        if vector and word_bits == n == 8:
            kernel("bpc_encoder_octets", "encode")(
                values, sizes, parameters.difference_number, bpc, bits
            )
        elif word_bits == n == 8:
            kernel("bpc_encoder", "encode_eight")(values, sizes, *rest)
        elif word_bits > 1:
            kernel("bpc_encoder", "encode")(values, sizes, word_bits, n, *rest)
    unit = stream_unit_bits(word_bits)
    return list(zip(_cut(znz, sizes[:, 1], unit), _cut(bpc, bits, unit), strict=True))


@cache
def _zero_codes(run_bits: int) -> NDArray[np.uint64]:
    import numpy as np

    codes = np.empty(256 << run_bits, np.uint64)
    kernel("znz_encoder", "fill_zero_codes")(run_bits, codes)
    return codes


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


def _cut(stream: NDArray[np.uint64], bits: NDArray[np.int64], unit: int) -> list[bytes]:
    """Cut a buffer to streams of whole stream words, each of which begins with a new word."""
    octets = memoryview(stream.view("u1"))  # type: ignore[arg-type]
    streams = []
    at = 0
    for size in bits.tolist():
        streams.append(bytes(octets[at : at + -(-size // unit) * unit // 8]))
        at += -(-size // 64) * 8
    return streams


def decode(
    transmissions: Sequence[tuple[bytes, bytes, int]],
    word_bits: int,
    parameters: Parameters,
    vector: bool,
) -> list[NDArray[Any] | StreamError]:
    """Decode transmissions (znz, bpc, count), as `Ebpc.decode_chunks` does.

    Parameters
    ----------
    transmissions, word_bits, parameters
        As of `ebpc_plain.decode`.
    vector : bool
        As of `encode`.
    """
    unit, z = stream_unit_bits(word_bits), parameters.run_bits
    # For what cannot be whole nothing is allocated.
    likely = [
        number
        for number, (znz, bpc, count) in enumerate(transmissions)
        if count <= ebpc_plain.most_words(len(znz), z)
        and len(znz) * 8 % unit == len(bpc) * 8 % unit == 0
    ]
    decoded = _decode([transmissions[number] for number in likely], word_bits, parameters, vector)
    found = dict(zip(likely, decoded, strict=True))
    results: list[NDArray[Any] | StreamError] = []
    for number, transmission in enumerate(transmissions):
        words = found.get(number)
        results += (
            ebpc_plain.decode([transmission], word_bits, parameters) if words is None else [words]
        )
    return results


def _decode(
    transmissions: Sequence[tuple[bytes, bytes, int]],
    word_bits: int,
    parameters: Parameters,
    vector: bool,
) -> list[NDArray[Any] | None]:
    """Decode transmissions; give None for those whose streams are not valid."""
    import numpy as np

    if not transmissions:
        return []
    n, z, unit = parameters.block_size, parameters.run_bits, stream_unit_bits(word_bits)
    vector = vector and len(transmissions) >= LEAST_IN_VECTORS
    counts = np.array([count for *_, count in transmissions], np.int64)
    znz, znz_places, znz_sizes = _gathered("znz", [znz for znz, *_ in transmissions])
    step_places = _places(np.minimum(counts, 8 * znz_sizes))
    steps = _scratch.take("steps", int(step_places[-1]), np.uint16)
    results = np.empty((counts.size, 2), np.int64)
    valid = np.ones(counts.size, np.bool_)
    with np.errstate(over="ignore"):  # of kernels as plain Python
        order = np.argsort(-znz_sizes)
        state = kernel("znz_decoder", "begin")(znz_places, znz_sizes, counts, step_places)
        if vector:
            kernel("znz_decoder_sixteen", "read")(znz, order, z, steps, state)
        kernel("znz_decoder", "read")(znz, order, unit, z, steps, state, results)
        bpc, bpc_places, bpc_sizes = _gathered("bpc", [bpc for _, bpc, _ in transmissions])
        blocks = np.where(results[:, 0] < 0, 0, -(-results[:, 1] // n))
        if word_bits > 1:  # a block takes no less than its base and one symbol
            blocks[blocks * (word_bits + 4) > 8 * bpc_sizes] = 0
        value_places = _places(-(-(blocks * n) // _GAP) * _GAP + _GAP)
        values = _scratch.take("values", int(value_places[-1]), word_dtype(word_bits))
        streams = (bpc, bpc_places, bpc_sizes, blocks)
        if word_bits == 1:
            values[:] = 1
            valid = bpc_sizes == 0
        elif vector and word_bits == n == 8:
            kernel("bpc_decoder_octets", "decode")(
                *streams, np.argsort(-bpc_sizes), value_places, values, valid
            )
        elif n == 8:
            kernel("bpc_decoder_eight", "decode")(
                *streams, np.argsort(-blocks), word_bits, unit, value_places, values, valid
            )
        else:
            kernel("bpc_decoder", "decode")(
                *streams, word_bits, n, unit, value_places, values, valid
            )
        valid &= (results[:, 0] >= 0) & (blocks * n >= results[:, 1])
        results[~valid, 0] = -1
        words = np.empty(counts.sum() + 2 * _GAP, values.dtype)
        kernel("znz_decoder", "spread")(
            values, value_places, step_places, steps, results, counts, z, words
        )
    ends = np.cumsum(counts).tolist()
    return [
        words[end - count : end] if fine else None
        for end, count, fine in zip(ends, counts.tolist(), valid.tolist(), strict=True)
    ]


def _gathered(
    name: str, streams: Sequence[bytes]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return streams one behind the other, where each is, and its bytes."""
    import numpy as np

    sizes = np.array([len(stream) for stream in streams], np.int64)
    places = _places(sizes)
    buffer = _scratch.take(name, int(places[-1]) + _BEHIND, np.uint8)
    octets = memoryview(buffer)  # type: ignore[arg-type]
    for stream, place in zip(streams, places.tolist(), strict=False):
        octets[place : place + len(stream)] = stream
    return buffer, places, sizes


def _places(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of several pieces begins, and where the last one ends."""
    import numpy as np

    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
