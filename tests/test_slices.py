"""A slice of a layer reads the chunks that it touches, and nothing else: bytes are counted."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import fmcompress
from fmcompress.records import HEAD_BYTES


class Counting(io.BytesIO):
    """A file that counts the bytes read from it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


MAPS = np.random.default_rng(2).integers(0, 9, (40, 8, 16, 16)).astype(np.int16)
CHUNK_WORDS = 2048  # a frame, whatever the order of its axes


def container(array: Any, **options: Any) -> Counting:
    dump, target = io.BytesIO(), io.BytesIO()
    np.save(dump, array)
    fmcompress.compress(io.BytesIO(dump.getvalue()), target, chunk_words=CHUNK_WORDS, **options)
    return Counting(target.getvalue())


@pytest.mark.parametrize(
    ("options", "chunk_words"),
    [
        ({}, CHUNK_WORDS),
        ({"order": (0, 2, 3, 1)}, CHUNK_WORDS),
        ({"order": "nchw:nhwc", "serpentine": True}, CHUNK_WORDS),
        ({"serpentine": True}, CHUNK_WORDS),
        ({"word_bits": 5}, CHUNK_WORDS),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("key", "frames"), [(7, [7]), (slice(3, 6), [3, 4, 5]), ((39, 2, 3), [39])]
)
def test_bytes_read(options: dict[str, Any], chunk_words: int, key: Any, frames: list[int]) -> None:
    file = container(MAPS, **options)
    with fmcompress.open(file) as opened:
        layer = opened["arr_0"]
        chunks = layer.chunks
        assert len(chunks) == MAPS.size // chunk_words
        file.count = 0
        np.testing.assert_array_equal(layer[key], MAPS[key])
        # The sizes at the start of a record, and its head, go with the streams.
        expected = sum(
            HEAD_BYTES + 12 + chunks[n].first_bytes + chunks[n].second_bytes for n in frames
        )
        assert file.count == expected
        assert file.count < len(file.getvalue()) / 10


def test_packed_elements_and_fortran_order() -> None:
    codes = np.random.default_rng(3).integers(0, 4, (20, 1024)).astype(np.uint8)
    file = container(codes, dtype="uint4", packed=True)  # a row of bytes is a chunk of words
    with fmcompress.open(file) as opened:
        file.count = 0
        np.testing.assert_array_equal(opened["arr_0"][5], codes[5])
        assert file.count < len(file.getvalue()) / 15
    columns = np.asfortranarray(MAPS.reshape(2048, 40) % 5)
    file = container(columns)
    with fmcompress.open(file) as opened:
        file.count = 0
        np.testing.assert_array_equal(opened["arr_0"][:, 11], columns[:, 11])
        assert file.count < len(file.getvalue()) / 30
