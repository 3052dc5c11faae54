"""The timing by blocks holds what stepping counts, what the RTL did, and what can be had by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import examples, words
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from vectors import load_runs

from fmcompress.hardware import Decoder, Encoder, Parameters
from fmcompress.hardware.decoder import Transmission
from fmcompress.kernels import hardware_blocks, hardware_timing
from fmcompress.kernels import hardware_decoder as decoder_kernel
from fmcompress.kernels import hardware_encoder as encoder_kernel

P = Parameters
BLOCKS = ("blocks", "worst block", "worst block's cycles")
ENCODER_COUNTS = (
    *("znz end", "bpc end", "waits_end", "end at port", "coder_full", "coder_works"),
    *BLOCKS,
)
DECODER_COUNTS = ("number end", "znz end", "bpc end", "out end", *BLOCKS)
Numbers = dict[str, int]
Session = Sequence[Sequence[int]]


# --- Both ways ------------------------------------------------------------------------------------


def arrays(session: Session) -> list[NDArray[np.uint32]]:
    return [np.array(transmission, np.uint32) for transmission in session]


def held(names: Sequence[str], profile: NDArray[np.int64]) -> Numbers:
    """In how many cycles each of the names held."""
    rows = np.arange(profile.size)
    return {name: int(profile[rows >> bit & 1 == 1].sum()) for bit, name in enumerate(names)}


def ints(names: Sequence[str], values: Any) -> Numbers:
    return dict(zip(names, map(int, values), strict=True))


def step_encoder(session: Session, p: P, wait_idle: bool = False, quirks: bool = False) -> Numbers:
    encoder = Encoder(p, wait_idle=wait_idle, rtl_quirks=quirks, keep_streams=True)  # so it steps
    encoder.feed(*arrays(session))
    run, _ = encoder.finish()
    return {
        "cycle": run.cycles,
        "at": run.words,
        "znz_words": run.znz_words,
        "bpc_words": run.bpc_words,
        "in_end": run.last_handshakes["in"] + 1,
        **ints(ENCODER_COUNTS, encoder._counts),
        **held(encoder_kernel.PROFILE, encoder._profile),
    }


def step_decoder(session: Session, p: P, quirks: bool = False) -> Numbers:
    decoder = Decoder(p, rtl_quirks=quirks, keep_words=True)
    for part in arrays(session):
        encoder = Encoder(p, keep_streams=True)  # the codec has shorter runs of zeros only
        encoder.feed(part)
        streams = encoder.finish()[1].streams
        decoder.feed(Transmission(part.size, streams["znz"], streams["bpc"]))
    run, _ = decoder.finish()
    return {
        "cycle": run.cycles,
        "number_at": len(session),
        "znz_at": run.znz_words,
        "bpc_at": run.bpc_words,
        "out_words": run.words,
        **ints(DECODER_COUNTS, decoder._counts),
        **held(decoder_kernel.PROFILE, decoder._profile),
    }


class Blocks(NamedTuple):
    rows: NDArray[np.int64]
    firsts: NDArray[np.int32]
    lasts: NDArray[np.int32]
    extra: NDArray[np.int32]


def measure(session: Session, p: P) -> Blocks:
    together = np.concatenate([np.zeros(0, np.uint32), *arrays(session)])
    ends = np.cumsum([len(part) for part in session], dtype=np.int64)
    most = together.size // p.block_size + len(session)
    blocks = Blocks(
        np.zeros((len(session), len(hardware_blocks.Row._fields)), np.int64),
        *(np.zeros(most, np.int32) for _ in range(3)),
    )
    sizes = (np.int64(p.word_bits), np.int64(p.block_size), np.int64(p.burst_bits))
    found = hardware_blocks.measure(together, ends, *sizes, *blocks)
    assert found == blocks.rows[:, hardware_blocks.Row._fields.index("blocks")].sum()
    return blocks


def cut(session: Session, cuts: Sequence[int]) -> Iterator[Session]:
    places = sorted({0, len(session), *(min(place, len(session)) for place in cuts)})
    for first, last in pairwise(places):
        yield session[first:last]


def time_encoder(
    session: Session,
    p: P,
    wait_idle: bool = False,
    quirks: bool = False,
    cuts: Sequence[int] = (),
) -> Numbers:
    fields = (p.word_bits, p.block_size, p.burst_bits, 0, 0, wait_idle, quirks)
    setup = encoder_kernel.Setup(*map(np.int64, fields))
    registers = np.zeros(len(hardware_timing.Encoder._fields), np.int64)
    profile, counts = np.zeros(10, np.int64), np.zeros(9, np.int64)
    for part in cut(session, cuts):
        blocks = measure(part, p)
        hardware_timing.time_encoder(*blocks, setup, registers, profile, counts)
    state = hardware_timing.Encoder._make(registers)._asdict()
    return {
        **{name: int(state[name]) for name in ("cycle", "at", "znz_words", "bpc_words", "in_end")},
        **ints(ENCODER_COUNTS, counts),
        **ints(encoder_kernel.PROFILE, profile),
    }


def time_decoder(session: Session, p: P, cuts: Sequence[int] = ()) -> Numbers:
    fields = (p.word_bits, p.block_size, p.burst_bits, 0, 0, 0)
    setup = decoder_kernel.Setup(*map(np.int64, fields))
    registers = np.zeros(len(hardware_timing.Decoder._fields), np.int64)
    profile, counts = np.zeros(10, np.int64), np.zeros(7, np.int64)
    for part in cut(session, cuts):
        rows, firsts, lasts, _ = measure(part, p)
        hardware_timing.time_decoder(rows, firsts, lasts, setup, registers, profile, counts)
    return {
        **ints(hardware_timing.Decoder._fields, registers),
        **ints(DECODER_COUNTS, counts),
        **ints(decoder_kernel.PROFILE, profile),
    }


# --- Timing and stepping agree --------------------------------------------------------------------


@st.composite
def parameters(draw: st.DrawFn) -> P:
    word_bits = draw(st.sampled_from([8, 16, 32]))
    block_size = draw(st.sampled_from([n for n in (8, 16, 32) if n <= word_bits]))
    return P(word_bits, block_size, draw(st.integers(1, 6) | st.just(word_bits - 2)))


@st.composite
def ending_blocks(draw: st.DrawFn, p: P) -> list[int]:
    """Whole blocks, then zeros until about when the plane coder is through with the last one."""
    value = st.integers(1, 2**p.word_bits - 1)
    count = p.block_size * draw(st.integers(1, 2))
    coded = draw(st.lists(value, min_size=count, max_size=count))
    return [*coded, *[0] * draw(st.integers(p.word_bits, 2 * p.word_bits + 8))]


@st.composite
def sessions(draw: st.DrawFn) -> tuple[P, list[list[int]]]:
    p = draw(parameters())
    # With very long runs, words about as long would take too long.
    any_words = words(p.word_bits, p.block_size, min(p.max_burst, 16)).filter(bool)
    part = any_words | ending_blocks(p) | st.sampled_from([[0], [1], [0, 0, 5]])
    return p, draw(st.lists(part, min_size=1, max_size=4))


@given(sessions(), st.booleans(), st.booleans(), st.lists(st.integers(0, 4), max_size=2))
@examples(60)
def test_encoder_as_stepping(
    drawn: tuple[P, Session], wait_idle: bool, quirks: bool, cuts: list[int]
) -> None:
    p, session = drawn
    timed = time_encoder(session, p, wait_idle, quirks, cuts)
    assert timed == step_encoder(session, p, wait_idle, quirks)


@given(sessions(), st.booleans(), st.lists(st.integers(0, 4), max_size=2))
@examples(60)
def test_decoder_as_stepping(drawn: tuple[P, Session], quirks: bool, cuts: list[int]) -> None:
    p, session = drawn
    assert time_decoder(session, p, cuts) == step_decoder(session, p, quirks)


def random_words(rng: np.random.Generator, p: P, count: int) -> NDArray[np.int64]:
    """Noise, or a walk, of any width; zeros scattered, clustered, or at the end."""
    top = 2 ** int(rng.integers(1, p.word_bits + 1))
    drawn = rng.integers(0, top, count)
    if rng.random() < 0.7:
        steps = rng.integers(-2, 3, count) * (rng.random(count) < rng.choice([0.1, 1]))
        drawn = np.abs(np.cumsum(steps)) % top
    if rng.random() < 0.3:
        drawn |= 1
    share = rng.choice([0, 0.1, 0.5, 0.9, 1])
    zero = rng.random(count) < share
    if rng.random() < 0.3:  # clustered
        zero = np.repeat(rng.random(count // 30 + 1) < share, 30)[:count]
    drawn[zero] = 0
    if rng.random() < 0.3:
        drawn[-int(rng.integers(1, 40)) :] = 0
    return drawn


@pytest.mark.compiled
@pytest.mark.parametrize("seed", range(400))
def test_random_sessions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    word_bits = int(rng.choice([8, 16, 32]))
    block_size = int(rng.choice([n for n in (8, 16, 32) if n <= word_bits]))
    p = P(word_bits, block_size, int(rng.integers(1, 7)))
    lengths = rng.integers(1, rng.choice([4, 20, 100, 1000]), int(rng.integers(1, 8)))
    session = [random_words(rng, p, int(length)).tolist() for length in lengths]
    wait_idle, quirks = bool(seed & 1), bool(seed & 2)
    cuts = rng.integers(0, 8, 2).tolist()
    timed = time_encoder(session, p, wait_idle, quirks, cuts)
    assert timed == step_encoder(session, p, wait_idle, quirks)
    assert time_decoder(session, p, cuts) == step_decoder(session, p)


@pytest.mark.compiled
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("p", [P(8, 8, 4), P(16, 8, 1), P(16, 16, 6), P(32, 32, 30)], ids=str)
def test_long_transmissions(p: P, seed: int) -> None:
    """Of many pieces, some of them without any block."""
    rng = np.random.default_rng(seed)
    session = [
        np.concatenate([random_words(rng, p, int(n)) for n in rng.integers(1, 12_000, 6)]).tolist()
        for _ in range(2)
    ]
    assert time_encoder(session, p, cuts=[1]) == step_encoder(session, p)
    assert time_decoder(session, p, cuts=[1]) == step_decoder(session, p)


@pytest.mark.parametrize("end", [0, 1, hardware_blocks.PIECE - 1, hardware_blocks.PIECE, 2])
def test_ends_of_pieces(end: int) -> None:
    """A transmission that ends with a piece or about there; blocks lie across its end."""
    p = P(8, 8, 4)
    sparse = [int(i % 97 == 0) * (i % 255) for i in range(hardware_blocks.PIECE - 20)]
    session = [[*sparse, *range(1, 21), *[1, 0, 7][:end], *[9] * (end > 2)], [0] * (end + 1)]
    assert time_encoder(session, p) == step_encoder(session, p)
    assert time_decoder(session, p) == step_decoder(session, p)


# --- The word that the RTL loses ------------------------------------------------------------------

LOST = [5, 3, 1, 5, 5, 3, 1, 3]


@pytest.mark.parametrize("following", [[], [[0]], [[0, 0]], [[9]], [[9, 0]], [[*LOST, *[0] * 13]]])
@pytest.mark.parametrize("zeros_behind", [0, 11, 12, 13, 14, 15])
def test_lost_word(zeros_behind: int, following: Session) -> None:
    session = [[*LOST, *[0] * zeros_behind], *following]
    for quirks in (False, True):
        for wait_idle in (False, True):
            timed = time_encoder(session, P(), wait_idle, quirks, range(len(session)))
            assert timed == step_encoder(session, P(), wait_idle, quirks)


def test_a_word_is_lost() -> None:
    session = [[*LOST, *[0] * 13]]
    assert time_encoder(session, P(), quirks=False)["bpc_words"] == 5
    assert time_encoder(session, P(), quirks=True)["bpc_words"] == 4
    assert time_encoder([*session, [0]], P(), quirks=True)["bpc_words"] == 5


# --- Recorded from the RTL ------------------------------------------------------------------------

IDEAL = [(case, run) for case, run in load_runs() if run.mode == "ideal"]


def ends_of(numbers: Numbers, ports: dict[str, str]) -> dict[str, int]:
    return {port: numbers[name] - 1 for port, name in ports.items()}


@pytest.mark.parametrize(
    ("case", "run"),
    [
        pytest.param(case, run, id=f"{case.id}-{run.side}")
        for case, run in IDEAL
        if run.side == "enc" or run.together
    ],
)
def test_last_handshakes_of_the_rtl(case: Any, run: Any) -> None:
    p = P(case.word_bits, case.block_size, case.max_burst.bit_length() - 1)
    if run.side == "enc":
        timed = time_encoder(case.words, p, run.together, quirks=True)
        ports = {"in": "in_end", "znz": "znz end", "bpc": "bpc end"}
    else:
        timed = time_decoder(case.words, p)
        ports = {"number": "number end", "znz": "znz end", "bpc": "bpc end", "out": "out end"}
        assert timed["cycle"] == run.total
    last = {port: cycles[-1] if cycles else -1 for port, cycles in run.handshakes.items()}
    assert ends_of(timed, ports) == last


# --- By hand --------------------------------------------------------------------------------------


def test_encoder_by_hand() -> None:
    """Differences of 1: base, 7 ones, a plane of zeros, 7 zero planes: 8 + 5 + 5 + 6 bits.

    Words pass in cycles 1 to 8; the block is complete in 9, and loaded; codes from 10 on, one of 10
    cycles each but for zero planes, in 19 the last. The control has padded nothing, and sees that
    all is through in 20; the packer gives its last word then, the buffer in 21.
    """
    timed = time_encoder([[*range(1, 9)]], P())
    assert timed["cycle"] == timed["bpc end"] == 22
    assert timed["bpc_words"] == 3
    assert timed["packer_takes"] == 4
    assert timed["waits_producer"] == 1
    assert timed["waits_end"] == 22 - 9
    assert timed["worst block's cycles"] == timed["coder_full"] == 10
    # A dense ZNZ stream: 8 flags are a word, the control ends with it (section A2).
    assert (timed["znz_words"], timed["znz end"]) == (1, 10)


def test_run_of_zero_planes_by_hand() -> None:
    """Differences of 2: the lowest plane is zero, its code takes a cycle more."""
    timed = time_encoder([[*range(2, 18, 2)]], P())
    assert timed["coder_full"] == 11
    assert timed["packer_takes"] == 5
    assert timed["bpc_words"] == 4  # 8 + 2 + 5 + 5 + 6 bits
    assert timed["bpc end"] == 22 + 1 + 1  # and the packer has to close


def test_one_zero_by_hand() -> None:
    """Taken in cycle 0, it passes in 1; the ZNZ coder puts out the run in 2, and the word in 3."""
    timed = time_encoder([[0]], P())
    assert (timed["cycle"], timed["znz end"], timed["bpc_words"]) == (4, 4, 0)
    assert time_decoder([[0]], P())["out end"] == 3


@pytest.mark.parametrize("word_bits", [8, 16, 32])
def test_first_word_of_the_decoder_by_hand(word_bits: int) -> None:
    """Section B9, but for a cycle: the words come behind the number.

    Number in cycle 0, words in 1, base in 2, w + 1 planes, then the slice, then the word.
    """
    timed = time_decoder([[9]], P(word_bits))
    assert timed["out end"] - 1 == {8: 12, 16: 20, 32: 36}[word_bits] + 1
    assert (timed["number end"], timed["znz end"]) == (1, 2)
    assert timed["waits_word"] == word_bits + 3


@pytest.mark.parametrize(
    ("word_bits", "block_size", "cycles"), [(8, 8, 15), (16, 8, 24), (16, 16, 23)]
)
def test_turn_around(word_bits: int, block_size: int, cycles: int) -> None:
    """Section A10, for blocks of which each plane has a symbol of n bits."""
    p = P(word_bits, block_size)
    rng = np.random.default_rng(1)
    while True:
        block = rng.integers(1, 2**word_bits, block_size).tolist()
        row = hardware_blocks.Row(*measure([block], p).rows[0])
        bits = word_bits + (word_bits + 1) * block_size
        in_stream = (row.bpc_words, row.bpc_rest)
        if row.codes == word_bits + 2 and in_stream == (-(-bits // word_bits), bits % word_bits):
            break
    dense = [block, block]
    once = time_encoder(dense[:1], p)["in_end"]
    assert time_encoder(dense, p)["in_end"] == once + cycles + block_size - 1
    assert time_encoder(dense, p, wait_idle=True)["in_end"] == once + cycles + block_size


# Section D of the cycle specification: share of zeros, then words per cycle of encoder and decoder
# at (8, 8), (16, 8), (16, 16).
THROUGHPUT = {
    0.0: (0.797, 0.800, 0.442, 0.444, 0.889, 0.889),
    0.1: (0.878, 0.881, 0.490, 0.493, 0.964, 0.964),
    0.3: (0.983, 0.984, 0.633, 0.637, 0.999, 0.999),
    0.5: (0.999, 0.999, 0.854, 0.858, 0.999, 1.000),
    0.7: (1.000, 1.000, 0.992, 0.993, 0.999, 1.000),
    0.9: (1.000, 1.000, 0.999, 1.000, 0.999, 1.000),
}


@pytest.mark.compiled
@pytest.mark.parametrize("sparsity", THROUGHPUT)
def test_throughput(sparsity: float) -> None:
    rng = np.random.default_rng(4)
    found = []
    for word_bits, block_size in ((8, 8), (16, 8), (16, 16)):
        walk = np.abs(np.cumsum(rng.integers(-3, 4, 40_000)))
        walk = walk % (2**word_bits - 1) + 1
        walk[rng.permutation(walk.size)[: round(sparsity * walk.size)]] = 0
        session, p = [walk.tolist()], P(word_bits, block_size)
        for timed in (time_encoder(session, p), time_decoder(session, p)):
            found.append(walk.size / timed["cycle"])
    assert found == pytest.approx(THROUGHPUT[sparsity], abs=0.006)


# --- The models take it by themselves -------------------------------------------------------------


@examples(40)
@given(sessions(), st.booleans(), st.booleans())
def test_models_time_where_no_port_stalls(
    drawn: tuple[P, Session], wait_idle: bool, quirks: bool
) -> None:
    """The same run, whether its words are wanted, which takes stepping, or not."""
    p, session = drawn
    p = replace(p, burst_bits=min(p.burst_bits, 6))  # streams to step with are the codec's
    runs = []
    for stepped in (True, False):
        encoder = Encoder(p, wait_idle=wait_idle, rtl_quirks=quirks, keep_streams=stepped)
        decoder = Decoder(p, rtl_quirks=quirks, keep_words=stepped)
        for part in arrays(session):
            encoder.feed(part)
            decoder.feed_words(part)
        runs.append((encoder.cycle, decoder.cycle, encoder.finish()[0], decoder.finish()[0]))
    assert runs[0] == runs[1]
