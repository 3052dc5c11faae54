"""EBPC through the fast kernels, many words at a time: the streams of `ebpc_plain`, bit for bit.

What these kernels do not read as the streams of an encoder is given to the plain ones, which say
what is wrong and where; so there is one strict decoder, and here is how to be faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from fmcompress.codecs import ebpc_plain, plane_blocks
from fmcompress.codecs.ebpc_plain import Parameters
from fmcompress.codecs.plane_blocks import GAP, scratch
from fmcompress.errors import DamagedError
from fmcompress.kernel_loading import kernel, kernel_words
from fmcompress.stream_words import stream_unit_bits, word_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    znz, znz_bits, bpc, bpc_bits = _encode(words, word_bits, chunk_words, parameters, vector)
    znz_streams = plane_blocks.cut(znz, znz_bits, word_bits)
    return list(zip(znz_streams, plane_blocks.cut(bpc, bpc_bits, word_bits), strict=True))


def measure(
    words: NDArray[Any], word_bits: int, chunk_words: int, parameters: Parameters, vector: bool
) -> list[tuple[int, int]]:
    """Return the bytes of both streams of each transmission that `encode` would return."""
    _, znz_bits, _, bpc_bits = _encode(words, word_bits, chunk_words, parameters, vector)
    sizes = (plane_blocks.padded_bytes(bits, word_bits) for bits in (znz_bits, bpc_bits))
    return list(zip(*sizes, strict=True))


def _encode(
    words: NDArray[Any], word_bits: int, chunk_words: int, parameters: Parameters, vector: bool
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Return both kinds of streams in memory that is used again, and the bits of each."""
    import numpy as np

    given = kernel_words(words, word_dtype(word_bits))
    count, z = given.size, parameters.run_bits
    chunks = -(-count // chunk_words)
    values = scratch.take("values", count + (chunks + 2) * GAP, given.dtype)
    znz = scratch.take("znz", count * (1 + z) // 64 + 3 * chunks + 2, np.uint64)
    sizes = np.empty((chunks, 2), np.int64)
    with np.errstate(over="ignore"):  # of kernels as plain Python
        kernel("znz_encoder", "encode")(
            given, chunk_words, z, _zero_codes(z), True if vector else None, values, znz, sizes
        )
        if word_bits == 1:  # the flags say it all
            bpc, bits = znz, np.zeros(chunks, np.int64)
        else:
            bpc, bits = plane_blocks.encode(values, sizes, word_bits, parameters, vector)
    return znz, sizes[:, 1], bpc, bits


@cache
def _zero_codes(run_bits: int) -> NDArray[np.uint64]:
    import numpy as np

    codes = np.empty(256 << run_bits, np.uint64)
    kernel("znz_encoder", "fill_zero_codes")(run_bits, codes)
    return codes


def decode(
    transmissions: Sequence[tuple[bytes, bytes, int]],
    word_bits: int,
    parameters: Parameters,
    vector: bool,
) -> list[NDArray[Any] | DamagedError]:
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
    results: list[NDArray[Any] | DamagedError] = []
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
    vector = vector and len(transmissions) >= plane_blocks.LEAST_IN_VECTORS
    counts = np.array([count for *_, count in transmissions], np.int64)
    znz, znz_places, znz_sizes = plane_blocks.gathered("znz", [znz for znz, *_ in transmissions])
    step_places = plane_blocks.starts_of(np.minimum(counts, 8 * znz_sizes))
    steps = scratch.take("steps", int(step_places[-1]), np.uint16)
    results = np.empty((counts.size, 2), np.int64)
    with np.errstate(over="ignore"):  # of kernels as plain Python
        order = np.argsort(-znz_sizes)
        state = kernel("znz_decoder", "begin")(znz_places, znz_sizes, counts, step_places)
        if vector:
            kernel("znz_decoder_sixteen", "read")(znz, order, z, steps, state)
        kernel("znz_decoder", "read")(znz, order, unit, z, steps, state, results)
        bpc = [bpc for _, bpc, _ in transmissions]
        blocks = np.where(results[:, 0] < 0, 0, -(-results[:, 1] // n))
        if word_bits == 1:
            value_places = plane_blocks.starts_of(-(-(blocks * n) // GAP) * GAP + GAP)
            values = np.ones(int(value_places[-1]), word_dtype(word_bits))
            valid = np.array([not stream for stream in bpc])
        else:
            blocks = plane_blocks.likely_blocks(blocks, bpc, word_bits)
            values, value_places, valid = plane_blocks.decode(bpc, blocks, word_bits, n, vector)
        valid &= (results[:, 0] >= 0) & (blocks * n >= results[:, 1])
        results[~valid, 0] = -1
        words = np.empty(counts.sum() + 2 * GAP, values.dtype)
        kernel("znz_decoder", "spread")(
            values, value_places, step_places, steps, results, counts, z, words
        )
    ends = np.cumsum(counts).tolist()
    return [
        words[end - count : end] if fine else None
        for end, count, fine in zip(ends, counts.tolist(), valid.tolist(), strict=True)
    ]
