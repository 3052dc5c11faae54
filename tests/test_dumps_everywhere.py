"""Real dumps, this project's and others': every bit comes back, and the counts are right."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from same_dump import assert_same_dump, packed_path, round_trip

import fmcompress
from fmcompress import reference
from fmcompress.statistics import Sizes, Stats

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "dumps"
SUFFIXES = (".h5", ".npy", ".npz")


def dumps_in(folder: Path) -> list[str]:
    """List the dumps in a folder, by their paths in it; none where there is no such folder."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in SUFFIXES
    )


OURS = dumps_in(ROOT / "samples")
OTHERS = dumps_in(SHARED)

pytestmark = pytest.mark.compiled


@pytest.fixture
def sample(request: pytest.FixtureRequest, samples: Path, tmp_path: Path) -> Path:
    return copied(samples / request.param, tmp_path)


@pytest.fixture
def other(request: pytest.FixtureRequest, shared_dumps: Path, tmp_path: Path) -> Path:
    return copied(shared_dumps / request.param, tmp_path)


def copied(path: Path, folder: Path) -> Path:
    """Copy a dump to where files may be written beside it."""
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    return copy


def test_the_samples_are_there() -> None:
    assert {Path(name).suffix for name in OURS} == set(SUFFIXES)


# --- There and back -----------------------------------------------------------------------


def assert_comes_back(path: Path, most_bytes: float = 0) -> None:
    """Check all that there is; `most_bytes` may be spent on top of 0.5 %."""
    restored = round_trip(path)
    assert path.read_bytes() == restored.read_bytes()
    assert_same_dump(path, restored)
    assert_layers_are_the_dumps(path)
    assert overhead(path) < 0.005 * path.stat().st_size + most_bytes


def arrays_of(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a dump without the product, by layer name; strings apart."""
    if path.suffix != ".h5":
        loaded = np.load(path)
        return {"arr_0": loaded} if path.suffix == ".npy" else dict(loaded)
    found: dict[str, NDArray[Any]] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return {name: value for name, value in found.items() if np.asarray(value).dtype.kind != "O"}


def assert_layers_are_the_dumps(path: Path) -> None:
    with fmcompress.open(packed_path(path)) as file:
        for name, array in arrays_of(path).items():
            assert file[name].dtype == array.dtype
            np.testing.assert_array_equal(file[name], array)


def overhead(path: Path) -> int:
    """Count the container's bytes that are neither streams nor template."""
    stats = fmcompress.stats(packed_path(path))
    with fmcompress.open(packed_path(path)) as file:
        streams = sum(layer.compressed_nbytes for layer in file.values() if not layer.carried)
    assert streams * 8 == stats.total.compressed_bits
    assert stats.compressed_bytes == packed_path(path).stat().st_size
    return stats.compressed_bytes - streams - stats.template_bytes


@pytest.mark.parametrize("sample", OURS, indirect=True)
def test_samples_come_back(sample: Path) -> None:
    # These are small: what any container takes, header, index and trailer, is too much for 0.5 %.
    assert_comes_back(sample, most_bytes=512)


@pytest.mark.parametrize("other", OTHERS, indirect=True)
def test_other_dumps_come_back(other: Path) -> None:
    assert_comes_back(other)


# --- Same bytes, always -------------------------------------------------------------------


def assert_same_bytes_whatever_the_source(path: Path) -> None:
    """The container depends on the dump's bytes alone."""
    packed = path.with_name("packed")
    stats = fmcompress.compress(path, packed)
    expected = packed.read_bytes()
    assert stats.compressed_bytes == len(expected)
    renamed = path.rename(path.with_name("another name"))
    fmcompress.compress(str(renamed), packed)
    assert packed.read_bytes() == expected
    streams = io.BytesIO(renamed.read_bytes()), io.BytesIO()
    fmcompress.compress(*streams)
    assert streams[1].getvalue() == expected
    restored = io.BytesIO()
    fmcompress.decompress(io.BytesIO(expected), restored)
    assert restored.getvalue() == renamed.read_bytes()


@pytest.mark.parametrize("sample", OURS, indirect=True)
def test_samples_give_the_same_bytes(sample: Path) -> None:
    assert_same_bytes_whatever_the_source(sample)


@pytest.mark.parametrize("other", [name for name in OTHERS if "/" in name], indirect=True)
def test_other_dumps_give_the_same_bytes(other: Path) -> None:
    assert_same_bytes_whatever_the_source(other)


# --- The reference codec's own count ------------------------------------------------------

CHUNK_WORDS = 1 << 16


def counted(values: NDArray[Any], zero_point: int) -> Sizes:
    """Count a layer as the documents say, with the reference codec and plain arithmetic."""
    bits = values.dtype.itemsize * 8
    words = [(value - zero_point) % 2**bits for value in values.ravel().tolist()]
    difference = "signed" if values.dtype.kind == "i" else "unsigned"
    total = Sizes()
    for start in range(0, len(words), CHUNK_WORDS):
        chunk = words[start : start + CHUNK_WORDS]
        znz, bpc = (8 * len(s) for s in reference.encode(chunk, bits, difference=difference))
        zeros = chunk.count(0)
        stored = znz + bpc > bits * len(chunk)
        total += Sizes(
            words=len(chunk),
            zero_words=zeros,
            word_bits=bits * len(chunk),
            original_bits=bits * len(chunk),
            znz_bits=0 if stored else znz,
            bpc_bits=0 if stored else bpc,
            stored_bits=bits * len(chunk) if stored else 0,
            chunks=1,
            stored_chunks=int(stored),
            coded_words=0 if stored else len(chunk),
            coded_nonzero_words=0 if stored else len(chunk) - zeros,
        )
    return total


def assert_counts(path: Path, stats: Stats) -> None:
    arrays = arrays_of(path)
    total = Sizes()
    for layer in stats.layers:
        if layer.carried:
            assert layer.sizes == Sizes()
            continue
        expected = counted(arrays[layer.name], layer.words["zero_point"])
        assert layer.sizes == expected, layer.name
        total += expected
    assert total.words > 0
    assert stats.total == total
    bits = total.znz_bits + total.bpc_bits + total.stored_bits
    assert stats.total.ratio == total.word_bits / bits
    assert stats.total.sparsity == total.zero_words / total.words
    assert stats.file_ratio == path.stat().st_size / stats.compressed_bytes


def test_counts_of_a_sample(samples: Path, tmp_path: Path) -> None:
    """Of the dump, of the container, and as compressing tells: one and the same."""
    path = copied(samples / "digits_int8.h5", tmp_path)
    stats = fmcompress.compress(path, packed_path(path))
    assert_counts(path, stats)
    assert fmcompress.stats(path) == stats
    of_container = fmcompress.stats(packed_path(path))
    assert (of_container.layers, of_container.total) == (stats.layers, stats.total)
    assert of_container.compressed_bytes == stats.compressed_bytes


@pytest.mark.parametrize(
    "name", ["small/mlperftiny_resnet8_int8.h5", "small/mobilenetv2_ptq_int8.h5"]
)
def test_counts_of_other_dumps(name: str, shared_dumps: Path) -> None:
    assert_counts(shared_dumps / name, fmcompress.stats(shared_dumps / name))


def test_counts_where_chunks_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "maps.h5"
    noise = np.random.default_rng(5).integers(0, 256, (3, 30000), "u1")
    noise[1] = 7
    with h5py.File(path, "w") as file:
        file["noise"] = noise
        file["shorts"] = noise.reshape(-1)[:1001].astype(">i2") * 113
    stats = fmcompress.stats(path, zero_point=0)
    assert_counts(path, stats)
    assert stats.total.stored_chunks > 0


# --- What the zero point is worth ---------------------------------------------------------


def test_zero_point_pays(shared_dumps: Path) -> None:
    path = shared_dumps / "mobilenetv2_ptq_int8.h5"
    without, noted = fmcompress.stats(path, zero_point=0), fmcompress.stats(path)
    assert {layer.words["zero_point_from"] for layer in noted.layers} == {"attribute"}
    assert without.total.ratio == pytest.approx(1.088, abs=0.005)
    assert (noted.total.ratio or 0) > 1.33
