"""The fast kernels on what the harness's short transmissions do not reach; and how they are chosen.

Several transmissions go side by side, and all but their ends is done with no look at these. The
plain kernels, held against the reference elsewhere, say what is right.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import BOUNDS, JIT, USUAL
from numba import njit
from numpy.typing import NDArray

from fmcompress.codecs import ebpc_paths
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.errors import ParameterError, StreamError
from fmcompress.kernels import bits, znz_decoder, znz_encoder
from fmcompress.reference import BLOCK_SIZES, DIFFERENCES, MAX_BURSTS
from fmcompress.stream_words import word_dtype

PATHS = ebpc_paths.PATHS[1 : ebpc_paths.PATHS.index(ebpc_paths.fastest()) + 1]
Transmissions = list[tuple[bytes, bytes, int]]
# Plain Python takes a thousand times as long.
SCALE = 40 if JIT else 1

each_path = pytest.mark.parametrize("path", PATHS)


def maps(random: np.random.Generator, count: int, w: int) -> NDArray[Any]:
    """Words of maps: stretches of different sparsity and spread; long zeros, long ones."""
    words = np.zeros(count, word_dtype(w))
    at = 0
    while at < count:
        size = int(random.integers(1, 2 + count // 3))
        spread = 2.0 ** random.integers(0, w)
        piece = random.normal(0, spread, size).astype(np.int64) & (2**w - 1)
        piece[random.random(size) < random.choice([0, 0.1, 0.5, 0.9, 1])] = 0
        words[at : at + size] = piece[: count - at]
        at += size
    return words


def coded(
    path: str, codec: Ebpc, words: NDArray[Any], w: int, chunk: int, patch: pytest.MonkeyPatch
) -> Transmissions:
    """Encode by a path, in chunks."""
    patch.setenv(ebpc_paths.VARIABLE, path)
    streams = codec.encode_chunks(words, w, chunk)
    counts = [min(chunk, words.size - at) for at in range(0, words.size, chunk)]
    return [(*pair, count) for pair, count in zip(streams, counts, strict=True)]


def outcomes(
    path: str, codec: Ebpc, transmissions: Transmissions, w: int, patch: pytest.MonkeyPatch
) -> list[Any]:
    """Decode by a path: of each transmission its words, or fault and place, in comparable form."""
    patch.setenv(ebpc_paths.VARIABLE, path)
    decoded = codec.decode_chunks(transmissions, w)
    return [
        (words.fault, words.word, words.bit) if isinstance(words, StreamError) else words.tolist()
        for words in decoded
    ]


@each_path
@pytest.mark.parametrize("w", [2, 7, 8, 9, 15, 16, 17, 32])
def test_many_transmissions(path: str, w: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain kernels' streams and words, of chunks of any size, several at once."""
    random = np.random.default_rng(w)
    for number, n in enumerate(BLOCK_SIZES):
        codec = Ebpc(n, MAX_BURSTS[(number + w) % 6], DIFFERENCES[(number + w) % 3])
        for chunk in (7, 64, 65, 250) if JIT else (7, 65):
            words = maps(random, SCALE * 3 * chunk + 5, w)
            expected = coded("plain", codec, words, w, SCALE * chunk, monkeypatch)
            assert coded(path, codec, words, w, SCALE * chunk, monkeypatch) == expected
            back = outcomes(path, codec, expected, w, monkeypatch)
            assert [word for part in back for word in part] == words.tolist()


@each_path
def test_every_burst(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of every length around each burst; words between them in every pattern of eight."""
    random = np.random.default_rng(3)
    lengths = random.permutation(np.arange(1, 140))
    runs = np.concatenate([np.append(np.zeros(length), 1) for length in lengths])
    patterns = np.unpackbits(random.permutation(256).astype(np.uint8))
    words = np.concatenate([patterns, runs, patterns]).astype(np.uint8)
    for burst in MAX_BURSTS:
        codec = Ebpc(8, burst)
        expected = coded("plain", codec, words, 8, 3000, monkeypatch)
        assert coded(path, codec, words, 8, 3000, monkeypatch) == expected
        back = outcomes(path, codec, expected, 8, monkeypatch)
        assert [word for part in back for word in part] == words.tolist()


def damaged(random: np.random.Generator, stream: bytes) -> bytes:
    """Flip a bit, cut the end, add something, or replace a stretch."""
    octets = bytearray(stream)
    place = int(random.integers(0, max(len(octets), 1)))
    match int(random.integers(0, 5)):
        case 0 if octets:
            octets[place] ^= 1 << int(random.integers(0, 8))
        case 1:
            del octets[place:]
        case 2:
            octets += random.bytes(int(random.integers(1, 5)))
        case 3:
            octets[place : place + 9] = random.bytes(9)
        case _:
            octets[place : place + 40] = bytes([int(random.choice([0, 255, 0x1F, 0x3F]))]) * 40
    return bytes(octets)


@each_path
@pytest.mark.parametrize("w", [2, 8, 11, 16, 17, 32])
def test_damage_among_many(path: str, w: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of damaged transmissions the plain decoder's fault and place; the others are not touched."""
    random = np.random.default_rng(100 + w)
    for trial in range(40 if JIT else 8):
        codec = Ebpc(BLOCK_SIZES[trial % 4 if trial % 8 < 4 else 1], MAX_BURSTS[trial % 6])
        words = maps(random, int(random.integers(1, 60)) * SCALE, w)
        chunk = max(1, words.size // 7)
        transmissions = coded("plain", codec, words, w, chunk, monkeypatch)
        for _ in range(3):
            number = int(random.integers(0, len(transmissions)))
            znz, bpc, count = transmissions[number]
            match int(random.integers(0, 3)):
                case 0:
                    znz = damaged(random, znz)
                case 1:
                    bpc = damaged(random, bpc)
                case _:
                    count = max(0, count + int(random.choice([-9, -1, 1, 9, 1000])))
            transmissions[number] = (znz, bpc, count)
        expected = outcomes("plain", codec, transmissions, w, monkeypatch)
        assert outcomes(path, codec, transmissions, w, monkeypatch) == expected


@each_path
@pytest.mark.parametrize(
    "symbols",
    [
        ["00011111", "001110"],  # a single one at position 7
        ["00010110", "001110"],  # two ones at 6
        ["01", "1" * 8, "00010111", "001100"],  # at 7
        ["001110", "00011111"],  # in the last plane
        ["01", "001111"],  # nine planes, of which eight are to come
        ["1" * 8] * 8 + ["001000"],
    ],
)
def test_illegal_symbol(path: str, symbols: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in the first block, in the middle and in the last, beside transmissions that are fine."""
    fine, bad = "00000001" + "001111", "00000001" + "".join(symbols)
    blocks = 40
    streams = []
    for place in (None, 0, 20, blocks - 1, None):
        bits = "".join(bad if b == place else fine for b in range(blocks))
        bits += "0" * (-len(bits) % 8)
        streams.append(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    transmissions = [(b"\xff" * blocks, stream, 8 * blocks) for stream in streams]
    expected = outcomes("plain", Ebpc(), transmissions, 8, monkeypatch)
    assert [isinstance(outcome, tuple) for outcome in expected] == [False, True, True, True, False]
    assert outcomes(path, Ebpc(), transmissions, 8, monkeypatch) == expected


@each_path
def test_noise_is_decoded_alike(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams of no encoder: as many as are legal are decoded, the others refused in one way."""
    random = np.random.default_rng(5)
    for w, n in ((8, 8), (16, 8), (17, 8), (16, 16), (32, 32), (5, 4)):
        transmissions = [
            (
                bytes([255] * int(random.integers(1, 4))) + random.bytes(2),
                random.bytes(int(random.integers(0, 200))),
                int(random.integers(1, 60)),
            )
            for _ in range(25 * SCALE)
        ]
        codec = Ebpc(n, 16)
        expected = outcomes("plain", codec, transmissions, w, monkeypatch)
        assert outcomes(path, codec, transmissions, w, monkeypatch) == expected


@each_path
def test_any_layout_of_words(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that are read-only, wider than need be, not side by side, or not aligned."""
    words = maps(np.random.default_rng(6), 300, 16)
    codec = Ebpc()
    expected = coded("plain", codec, words, 16, 100, monkeypatch)
    read_only = np.frombuffer(words.tobytes(), np.uint16)
    odd = np.frombuffer(b"\0" + words.tobytes(), np.uint16, offset=1)
    for given in (read_only, words.astype(np.uint32), np.repeat(words, 2)[::2], odd):
        assert coded(path, codec, given, 16, 100, monkeypatch) == expected


def test_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("plain", *PATHS):
        assert coded(path, Ebpc(), np.zeros(0, np.uint8), 8, 10, monkeypatch) == []
        assert outcomes(path, Ebpc(), [], 8, monkeypatch) == []
        assert outcomes(path, Ebpc(), [(b"", b"", 0)] * 5, 8, monkeypatch) == [[]] * 5


def test_kernel_file_that_missed_a_change_is_refused() -> None:
    """Numba's cache would serve it with the old instructions in it."""
    bits.expect(bits.DIGEST)
    with pytest.raises(ImportError, match=f"{bits.DIGEST}, not 0123"):
        bits.expect("0123")


# What looks at memory, and the first index that is too large for arrays of 100.
LOOKS: dict[str, tuple[Callable[..., Any], int]] = {
    "load": (lambda octets, at: bits.load_big(octets, at), 93),
    "store": (lambda octets, at: bits.store_big(octets, at, np.uint64(0)), 93),
    "mask": (lambda octets, at: znz_encoder.nonzero_mask(octets, np.int64(at)), 37),
    "copy": (lambda octets, at: znz_decoder.copy_span(octets, at, octets, at, np.uint64(1)), 37),
    "clear": (lambda octets, at: znz_decoder.clear_span(octets, at), 37),
}


@pytest.mark.skipif(not BOUNDS, reason="bounds are not checked")
@pytest.mark.parametrize("name", LOOKS)
def test_bounds_are_checked(name: str) -> None:
    """What goes around Numba's own checks has to ask for them."""
    look, too_large = LOOKS[name]
    compiled = njit(look)
    compiled(np.zeros(100, np.uint8), np.uint64(too_large - 1))
    with pytest.raises(IndexError):
        compiled(np.zeros(100, np.uint8), np.uint64(too_large))


# --- Which path is taken ------------------------------------------------------------------


def test_unknown_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ebpc_paths.VARIABLE, "quick")
    with pytest.raises(ParameterError, match="FMC_KERNELS is 'quick'; give one of plain"):
        Ebpc().encode(np.ones(1, np.uint8), 8)


def test_path_that_the_processor_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ebpc_paths, "fastest", lambda: "portable")
    monkeypatch.setenv(ebpc_paths.VARIABLE, "fast")
    with pytest.raises(ParameterError, match="this processor cannot; give 'portable'"):
        Ebpc().decode(b"", b"", 0, 8)


@pytest.mark.skipif(not USUAL, reason="of its kernels all but the processor is tested above")
def test_a_processor_without_vector_instructions() -> None:
    """Numba compiles for what it is told; nothing is compiled that this processor has not."""
    code = """if True:
        import numpy as np
        from fmcompress.codecs import ebpc_paths
        from fmcompress.codecs.ebpc import Ebpc
        assert ebpc_paths.chosen() == "portable"
        words = np.arange(1000, dtype=np.uint8) % 7
        streams = Ebpc().encode(words, 8)
        assert (Ebpc().decode(*streams, words.size, 8) == words).all()
        import sys
        sys.stdout.buffer.write(b"".join(streams))
    """
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"".join(Ebpc().encode(np.arange(1000, dtype=np.uint8) % 7, 8))
