"""Dumps of any size and chunk layout: bounded memory, and no chunk decoded twice.

The sizes at which data goes through files, or is cut, are made tiny here; benchmarks of real
gigabytes are none of the tests' business.
"""

from __future__ import annotations

import itertools
import math
import os
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import hostile
import numpy as np
import pytest
from harness import examples
from hostile import assert_refused, chunk, container, dump, layers, row, template
from hypothesis import given
from hypothesis import strategies as st
from same_dump import assert_same_hdf5, round_trip

import fmcompress
from fmcompress import spool
from fmcompress.dumps import hdf5, hdf5_chunks, hdf5_restoring, npz, open_dump, stored_array
from fmcompress.dumps.hdf5_chunks import AllocatedChunks, bricks, rows, stretches
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.spool import Spool, extents, pieces

Shape = tuple[int, ...]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let blocks have 64 bytes, rows in memory 256, boxes 5 chunks."""
    make_tiny(monkeypatch)


def make_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hdf5, hdf5_chunks, npz, stored_array):
        monkeypatch.setattr(module, "BLOCK_BYTES", 64)
    monkeypatch.setattr(hdf5_chunks, "ROW_BYTES", 256)
    monkeypatch.setattr(hdf5_chunks, "BRICK_CHUNKS", 5)
    monkeypatch.setattr(spool, "PIECE_BYTES", 64)


def values(shape: Shape, dtype: str = "<i2") -> Any:
    return np.random.default_rng(1).poisson(2, shape).astype(dtype)


# --- Geometry -----------------------------------------------------------------------------------


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Shape, Shape]:
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=5)))
    return shape, tuple(draw(st.integers(1, length + 2)) for length in shape)


@given(layouts(), st.sampled_from([1, 2, 8]))
@examples(150)
def test_rows_and_bricks_of_any_layout(layout: tuple[Shape, Shape], itemsize: int) -> None:
    """Rows follow each other in C order; bricks cover each; all are of whole chunks."""
    shape, sides = layout
    with pytest.MonkeyPatch.context() as monkeypatch:
        make_tiny(monkeypatch)
        numbers = np.arange(math.prod(shape)).reshape(shape)
        at = 0
        for line in rows(shape, sides, itemsize):
            found = numbers[line].reshape(-1)
            np.testing.assert_array_equal(found, np.arange(at, at + found.size))
            at += found.size
            seen = np.zeros(shape, int)
            for box in bricks(line, sides, itemsize):
                seen[box] += 1
                assert whole_chunks(box, shape, sides)
                chunks = math.prod(-(-n // c) for n, c in zip(extents(box), sides, strict=True))
                assert chunks <= 5
                assert math.prod(extents(box)) * itemsize <= 64 or chunks == 1
            assert (seen[line] == 1).all()
            assert seen.sum() == found.size
        assert at == numbers.size


def whole_chunks(box: tuple[slice, ...], shape: Shape, sides: Shape) -> bool:
    return all(
        part.start % side == 0 and (part.stop % side == 0 or part.stop == length)
        for part, length, side in zip(box, shape, sides, strict=True)
    )


def test_rows_of_people() -> None:
    """One row, one image, one row of images; leading ones are gone through."""
    sizes = [extents(line) for line in rows((3, 1, 4, 1 << 22), (1, 1, 2, 1 << 20), 2)]
    assert sizes == [(1, 1, 2, 1 << 22)] * 6
    assert len([*rows((1000, 100), (10, 100), 1)]) == 1
    assert [extents(line) for line in rows((4, 1 << 30), (4, 1 << 10), 1)] == [(4, 1 << 30)]
    endless = rows((1, 2**60), (1, 4), 1)
    assert [extents(next(endless)) for _ in range(3)] == [(1, 1 << 24)] * 3


@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=4), st.data(), st.sampled_from([1, 64, 1000])
)
@examples(100)
def test_a_spool_is_an_array(shape: list[int], data: st.DataObject, piece: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch, Spool(shape, np.dtype("<u2")) as spooled:
        monkeypatch.setattr(spool, "PIECE_BYTES", piece)
        monkeypatch.setattr(spool, "_AROUND_BYTES", 8)
        expected = np.zeros(shape, "<u2")
        for number in range(1, 6):
            ends = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in shape]
            box = tuple(slice(start, stop) for start, stop in ends)
            new = np.arange(expected[box].size, dtype="<u2").reshape(expected[box].shape) + number
            expected[box] = new
            spooled[box] = new
            np.testing.assert_array_equal(spooled[box], expected[box])
        whole = np.concatenate([*spooled.blocks()])
        np.testing.assert_array_equal(whole, expected.reshape(-1))


def test_a_spool_touches_little_of_its_file_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are mapped are resident: a thin box must not make all of them so."""
    monkeypatch.setattr(spool, "PIECE_BYTES", 1 << 20)
    with Spool((1, 64, 1 << 20), np.dtype("u1")) as spooled:
        thin = (slice(0, 1), slice(0, 64), slice(7, 9))
        touched = [math.prod(extents(part)) for part in spooled._parts(thin)]
        assert touched == [8] * 16  # two bytes of each of four rows
        long = (slice(0, 1), slice(0, 4), slice(0, 1 << 20))
        assert [math.prod(extents(part)) for part in spooled._parts(long)] == [1 << 20] * 4


# --- HDF5, both ways -----------------------------------------------------------------------------

LAYOUTS: dict[str, tuple[Shape, Shape]] = {
    "one flat axis": ((1001,), (100,)),
    "chunks of one": ((60,), (1,)),
    "a line": ((1, 1000), (1, 30)),
    "rows too large": ((40, 50), (16, 7)),
    "one row": ((16, 300), (16, 7)),
    "cubes": ((9, 10, 11, 12), (4, 4, 4, 4)),
    "leading ones": ((3, 1, 8, 100), (1, 1, 5, 9)),
    "one chunk": ((30, 40), (30, 40)),
}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("dtype", ["i1", ">u2", "<i4"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_goes_both_ways(layout: str, dtype: str, tmp_path: Path) -> None:
    shape, sides = LAYOUTS[layout]
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        more: dict[str, Any] = {"chunks": sides, "compression": "gzip", "fillvalue": 3}
        file.create_dataset("maps", data=values(shape, dtype), **more)
        file.create_dataset("sparse", shape, dtype, **more)[..., :2] = 1
        file["flat"] = values(shape, dtype)
    restored = round_trip(path, chunk_words=100)
    assert_same_hdf5(path, restored)
    assert path.read_bytes() == restored.read_bytes()


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[slice, ...]]]:
    """Give the boxes that are read of datasets."""
    found: list[tuple[slice, ...]] = []
    original = hdf5.read_box

    def noting(dataset: Any, box: Any, dtype: Any) -> Any:
        found.append(box)
        return original(dataset, box, dtype)

    monkeypatch.setattr(hdf5, "read_box", noting)
    return iter([found])


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_chunk_is_decoded_twice(layout: str, boxes: Any, tmp_path: Path) -> None:
    shape, sides = LAYOUTS[layout]
    with h5py.File(tmp_path / "dump.h5", "w") as file:
        file.create_dataset("maps", data=values(shape), chunks=sides, compression="lzf")
    (found,) = boxes
    with open_dump(tmp_path / "dump.h5") as opened:
        (tensor,) = opened.tensors
        blocks = [block.copy() for block in tensor.blocks()]
    np.testing.assert_array_equal(np.concatenate(blocks), values(shape).reshape(-1))
    decoded: Counter[Shape] = Counter()
    for box in found:
        ranges = [
            range(part.start // side, -(-part.stop // side))
            for part, side in zip(box, sides, strict=True)
        ]
        decoded.update(itertools.product(*ranges))
    counts = [range(-(-length // side)) for length, side in zip(shape, sides, strict=True)]
    assert decoded == Counter(itertools.product(*counts))
    # A block is a row that fits, or a piece of a spooled one.
    assert max(block.nbytes for block in blocks) <= 256


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("shape", [(1, 1000), (1000,), (3, 1, 500), (40, 50), (2, 2, 2, 90)])
def test_contiguous_blocks_are_small_whatever_the_shape(shape: Shape, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "dump.h5", "w") as file:
        file["maps"] = values(shape)
    with open_dump(tmp_path / "dump.h5") as opened:
        blocks = [*opened.tensors[0].blocks()]
    assert max(block.nbytes for block in blocks) <= 64
    np.testing.assert_array_equal(np.concatenate(blocks), values(shape).reshape(-1))


def test_pieces_need_no_memory_for_what_is_outside() -> None:
    tracemalloc.start()
    try:
        boxes_ = pieces((1, 1, 4_000_000_000), 1 << 24)
        assert extents(next(boxes_)) == (1, 1, 1 << 24)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("tiny")
def test_temporary_files_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system can, they never have a name: a kill leaves nothing behind, either."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(spool.tempfile, "tempdir", str(folder))
    with h5py.File(tmp_path / "dump.h5", "w") as file:
        file.create_dataset("maps", data=values((40, 50)), chunks=(16, 7))
    with open_dump(tmp_path / "dump.h5") as opened:
        blocks = iter(opened.tensors[0].blocks())
        next(blocks)
        assert [*folder.iterdir()] == [] or os.name != "posix"
        blocks.close()  # type: ignore[attr-defined]
        assert [*folder.iterdir()] == []
    fmcompress.compress(tmp_path / "dump.h5", tmp_path / "packed", chunk_words=100)
    data = bytearray((tmp_path / "packed").read_bytes())
    (_, start, _) = [span for span in hostile.record_spans(bytes(data)) if span[0] == 4][9]
    data[start + 20] ^= 1
    (tmp_path / "packed").write_bytes(data)
    with pytest.raises(DamagedError):
        fmcompress.decompress(tmp_path / "packed", tmp_path / "back")
    assert [*folder.iterdir()] == []


def test_many_chunks_are_few_objects(tmp_path: Path) -> None:
    """50,000 chunks lie side by side: few stretches of the file, and arrays of their numbers."""
    count = 50_000
    with h5py.File(tmp_path / "dump.h5", "w", libver="latest") as file:
        dataset = file.create_dataset("maps", (count, 2), "i1", chunks=(1, 2))
        dataset[...] = 1
        every = [dataset.id.get_chunk_info(number) for number in range(0, count, 5000)]
        tracemalloc.start()
        try:
            found = stretches(dataset)
            chunks = AllocatedChunks(dataset)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 100 * count
        assert sum(size for _, size in found) == 2 * count
        assert len(found) < count // 10
        for info in every:
            assert any(at <= info.byte_offset < at + size for at, size in found)
        middle = (slice(count // 2, count // 2 + 3), slice(0, 2))
        assert [*chunks.within(middle)] == [((count // 2 + n, 0), 0) for n in range(3)]


def test_chunks_that_are_not_there_are_not_looked_for(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "dump.h5", "w") as file:
        dataset = file.create_dataset("maps", (1 << 40, 7), "i1", chunks=(1, 4))
        dataset[5, 5] = dataset[1 << 39, 1] = dataset[1 << 39, 6] = 1
        chunks = AllocatedChunks(dataset)
        everything = (slice(0, 1 << 40), slice(0, 7))
        expected = [(5, 4), (1 << 39, 0), (1 << 39, 4)]
        assert [*chunks.within(everything)] == [(place, 0) for place in expected]
        assert [*chunks.within((slice(6, 1 << 39), slice(0, 7)))] == []


def test_a_chunk_too_large_to_be_held_is_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_restoring, "MAX_CHUNK_BYTES", 1000)
    path = tmp_path / "dump.h5"
    with h5py.File(path, "w") as file:
        options = {"compression": "gzip"}
        file.create_dataset("one", data=values((40, 50)), chunks=(40, 50), **options)
        file.create_dataset("some", data=values((40, 50)), chunks=(10, 50), **options)
    assert path.read_bytes() == round_trip(path).read_bytes()
    with fmcompress.open(tmp_path / "dump.h5.bin") as packed:
        assert packed["one"].carried == "its HDF5 chunks are larger than 1000 bytes"
        assert not packed["some"].carried


@pytest.mark.parametrize("sides", [(2, 4), (1, 4)])
def test_a_hostile_row_is_no_reason_for_a_file(sides: Shape, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset("a", (2, 2**58), np.int8, chunks=sides)
    text = (tmp_path / "t.h5").read_bytes()
    (tmp_path / "t.h5").unlink()
    about = row("a", [2, 2**58], place={"chunks": list(sides), "bytes": 0})
    data = container(
        dump(len(text), "hdf5"), template((0, text)), layers(about), chunk([0] * (1 << 16))
    )
    assert_refused(data, tmp_path, (3,))


# --- NPY and NPZ ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
@pytest.mark.parametrize("shape", [(1, 1000), (1000,), (40, 50)])
def test_arrays_come_in_small_blocks(save: Any, shape: Shape, tmp_path: Path) -> None:
    path = tmp_path / "dump.npy"
    with path.open("wb") as file:
        save(file, values(shape))
    with open_dump(path) as opened:
        blocks = [*opened.tensors[0].blocks()]
    assert max(block.nbytes for block in blocks) <= 64
    np.testing.assert_array_equal(np.concatenate(blocks), values(shape).reshape(-1))


def test_a_member_is_read_as_it_comes(tmp_path: Path) -> None:
    """Not by what the archive promises: of 1 MB, which says it has 8 GB."""
    path = tmp_path / "dump.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = hostile.npy_head(8 << 30)
        archive.writestr("a.npy", header + bytes(1 << 20))
    data = path.read_bytes()
    small, large = (len(header) + (1 << 20)), len(header) + (8 << 30)
    at = data.rindex(small.to_bytes(4, "little"))
    extra = b"\x01\x00\x08\x00" + large.to_bytes(8, "little")
    central = data.index(b"PK\x01\x02")
    name_end = central + 46 + len("a.npy")
    end = data.index(b"PK\x05\x06")
    patched = bytearray(data[:name_end] + extra + data[name_end:])
    patched[at : at + 4] = b"\xff" * 4
    patched[central + 30 : central + 32] = len(extra).to_bytes(2, "little")
    size = end - central + len(extra)
    patched[end + len(extra) + 12 : end + len(extra) + 16] = size.to_bytes(4, "little")
    path.write_bytes(patched)
    tracemalloc.start()
    try:
        with open_dump(path) as opened:
            (tensor,) = opened.tensors
            assert tensor.nbytes == 8 << 30
            with pytest.raises(DamagedError):
                tensor.read()
            with pytest.raises(DamagedError):
                list(tensor.blocks())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20


def test_what_cannot_be_filtered_here_is_not_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container of a version that takes larger chunks."""
    with h5py.File(tmp_path / "dump.h5", "w") as file:
        file.create_dataset("one", data=values((40, 50)), chunks=(40, 50), compression="gzip")
    fmcompress.compress(tmp_path / "dump.h5", tmp_path / "packed")
    monkeypatch.setattr(hdf5_restoring, "MAX_CHUNK_BYTES", 1000)
    with pytest.raises(UnsupportedError, match="larger than 1000 bytes") as caught:
        fmcompress.decompress(tmp_path / "packed", tmp_path / "back")
    assert caught.value.layer == "one"
    assert not (tmp_path / "back").exists()
