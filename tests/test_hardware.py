"""The hardware's models: every recorded handshake, every case of the codec, and what stalls do."""

from __future__ import annotations

from functools import partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import (
    Transmission,
    check_round_trip,
    edge_words,
    examples,
    golden,
    transmissions,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from vectors import Case, load_runs
from vectors import Run as Recorded

from fmcompress.codecs.ebpc import Ebpc
from fmcompress.errors import ParameterError
from fmcompress.hardware import (
    DeadlockError,
    Decoder,
    Encoder,
    Parameters,
    Pattern,
    pattern,
    session,
)
from fmcompress.hardware import decoder as decoder_module
from fmcompress.hardware.patterns import Random
from fmcompress.hardware.ports import PORTS, SEEDS, port_patterns
from fmcompress.hardware.run import Run
from fmcompress.kernels import hardware_done as done_kernel

RUNS = load_runs()
each_run = pytest.mark.parametrize(
    ("case", "recorded"), RUNS, ids=[f"{run.id}-{run.side}-{run.mode}" for _, run in RUNS]
)
# What the RTL gets wrong (docs/HARDWARE.md, "Faults of the RTL"): blk_done_o never comes for the
# transmission [0]; a last word stays in the output buffer.
NO_DONE, LOST_WORD = "public-000", "public-033"


def handshakes(trace: Any, port: str) -> list[int]:
    both = trace.column(f"{port}_valid") & trace.column(f"{port}_ready")
    return (np.flatnonzero(both) + trace.first_cycle).tolist()


def at_handshakes(trace: Any, port: str, what: str) -> list[int]:
    return trace.column(f"{port}_{what}")[handshakes(trace, port)].tolist()


def ends_of(lengths: list[int]) -> list[int]:
    """Places of last words, one behind the other; streams without words have none."""
    return [int(end) - 1 for end, n in zip(np.cumsum(lengths), lengths, strict=True) if n]


def check_units(run: Run) -> None:
    """What units and reasons are said to have taken adds up to the total."""
    assert run.works + sum(run.waits.values()) == run.cycles
    assert min(run.waits.values()) >= 0
    for unit in run.units:
        parts = (unit.works, unit.waits_for_input, unit.waits_for_output)
        assert sum(parts) == run.cycles, unit
        assert min(parts) >= 0, unit


def parameters_of(case: Case) -> Parameters:
    return Parameters(case.word_bits, case.block_size, case.max_burst.bit_length() - 1)


def stream_words(stream: bytes, word_bits: int) -> NDArray[np.uint32]:
    return np.frombuffer(stream, f">u{word_bits // 8}").astype(np.uint32)


def gates_of(recorded: Recorded) -> dict[str, Pattern]:
    return {port: Random(threshold, seed) for port, (seed, threshold) in recorded.gates.items()}


# --- Recorded runs ------------------------------------------------------------------------------


def test_runs_are_there() -> None:
    assert len(RUNS) == 61 * 6


@each_run
@pytest.mark.parametrize("quirks", [False, True], ids=["intended", "rtl"])
def test_recorded_run(case: Case, recorded: Recorded, quirks: bool) -> None:
    """Every handshake in its cycle, every word and last flag."""
    check = check_encoder if recorded.side == "enc" else check_decoder
    check(case, recorded, quirks)


def check_encoder(case: Case, recorded: Recorded, quirks: bool) -> None:
    encoder = Encoder(
        parameters_of(case),
        stalls=gates_of(recorded),
        wait_idle=recorded.together,
        rtl_quirks=quirks,
        keep_streams=True,
        trace=range(recorded.total + 40),
    )
    encoder.feed(*(np.array(words, np.uint32) for words in case.words))
    run, output = encoder.finish()
    trace = output.trace
    assert trace is not None
    check_units(run)
    lost = case.id == LOST_WORD and recorded.mode == "ideal"
    for port, streams in (("znz", case.znz), ("bpc", case.bpc)):
        cycles = handshakes(trace, port)
        words = np.concatenate([stream_words(stream, case.word_bits) for stream in streams])
        ends = ends_of([8 * len(stream) // case.word_bits for stream in streams])
        if lost and port == "bpc":
            if quirks:  # the word stays, and none is last
                assert cycles == recorded.handshakes[port]
                assert output.streams[port].tolist() == words[:-1].tolist()
                continue
            assert cycles[:-1] == recorded.handshakes[port]
        else:
            assert cycles == recorded.handshakes[port]
        assert output.streams[port].tolist() == words.tolist()
        assert at_handshakes(trace, port, "data") == words.tolist()
        assert np.flatnonzero(at_handshakes(trace, port, "last")).tolist() == ends
        assert run.last_handshakes[port] == cycles[-1] if cycles else -1
    assert handshakes(trace, "in") == recorded.handshakes["in"]
    assert run.last_handshakes["in"] == recorded.handshakes["in"][-1]
    check_idle_and_done(trace, case, recorded, quirks, lost)


def check_idle_and_done(
    trace: Any, case: Case, recorded: Recorded, quirks: bool, lost: bool
) -> None:
    """Check idle_o's edges, as far as was stepped, and the pulses of blk_done_o."""
    idle = trace.column("idle")
    edges = np.diff(idle, prepend=0)
    found = [int((cycle + 1) * edges[cycle]) for cycle in np.flatnonzero(edges)]
    expected = [edge for edge in recorded.idle if abs(edge) <= len(trace)]
    assert found == expected or lost
    assert len(recorded.idle) - len(expected) <= 1  # when all is out, it goes up
    pulses = np.flatnonzero(trace.column("blk_done")).tolist()
    if (case.id == NO_DONE or lost) and not quirks:
        assert len(pulses) == len(case.words)
    else:
        assert pulses == recorded.done


def check_decoder(case: Case, recorded: Recorded, quirks: bool) -> None:
    decoder = Decoder(
        parameters_of(case),
        stalls=gates_of(recorded),
        rtl_quirks=quirks,
        keep_words=True,
        trace=range(recorded.total + 40),
    )
    given = given_of(case.words, case.znz, case.bpc, case.word_bits)
    if recorded.together:
        decoder.feed(*given)
        run, output = decoder.finish()
    else:
        run, output = decoder.run_uncoupled(*given, cycles=recorded.total + 40)
    check_units(run)
    assert output.trace is not None
    for port, expected in recorded.handshakes.items():
        assert handshakes(output.trace, port) == expected
        assert run.last_handshakes[port] == (expected[-1] if expected else -1)
    words = [word for transmission in case.words for word in transmission]
    assert output.streams["out"].tolist() == words
    lasts = at_handshakes(output.trace, "out", "last")
    assert np.flatnonzero(lasts).tolist() == ends_of([len(words) for words in case.words])
    assert (run.words, run.cycles) == (len(words), recorded.total)


def given_of(
    words: list[list[int]], znz: list[bytes], bpc: list[bytes], word_bits: int
) -> list[decoder_module.Transmission]:
    return [
        decoder_module.Transmission(
            len(part), stream_words(flags, word_bits), stream_words(planes, word_bits)
        )
        for part, flags, planes in zip(words, znz, bpc, strict=True)
    ]


# --- The codec's cases --------------------------------------------------------------------------


class HardwarePath:
    """The models, with stalls: what goes through comes out the same."""

    def __init__(self, *seeds: int) -> None:
        self._seeds = seeds

    def _stalls(self, ports: Any) -> dict[str, Pattern]:
        return {
            port: Random(64 + seed % 193, seed)
            for port, seed in zip(ports, self._seeds, strict=False)
        }

    def encode(
        self, words: Any, word_bits: int, block_size: int, max_burst: int, difference: str
    ) -> tuple[bytes, bytes]:
        assert difference == "signed"
        parameters = Parameters(word_bits, block_size, max_burst.bit_length() - 1)
        stalls = self._stalls(("in", "znz", "bpc"))
        encoder = Encoder(parameters, stalls=stalls, keep_streams=True)
        encoder.feed(np.array(words, np.uint32))
        run, output = encoder.finish()
        check_units(run)
        form = f">u{word_bits // 8}"
        znz, bpc = (output.streams[port].astype(form).tobytes() for port in ("znz", "bpc"))
        return znz, bpc

    def decode(
        self, znz: bytes, bpc: bytes, count: int, word_bits: int, block_size: int, max_burst: int
    ) -> list[int]:
        if count == 0:  # the hardware has no empty transmission
            return []
        parameters = Parameters(word_bits, block_size, max_burst.bit_length() - 1)
        stalls = self._stalls(("out", "bpc", "znz", "number"))
        decoder = Decoder(parameters, stalls=stalls, keep_words=True)
        decoder.feed(
            decoder_module.Transmission(
                count, stream_words(znz, word_bits), stream_words(bpc, word_bits)
            )
        )
        run, output = decoder.finish()
        check_units(run)
        return output.streams["out"].tolist()


def fits(case: Transmission) -> bool:
    return case.max_burst.bit_length() + 1 <= case.word_bits and case.block_size <= case.word_bits


hardware_cases = transmissions((8, 16, 32), (8, 16, 32), differences=("signed",)).filter(fits)


@pytest.mark.parametrize(("w", "n"), [(8, 8), (16, 8), (16, 16), (32, 32)])
@pytest.mark.parametrize("burst", [2, 16, 64])
def test_edges(w: int, n: int, burst: int) -> None:
    for words in edge_words(w, n, burst).values():
        check_round_trip(words, w, n, burst, paths=[HardwarePath()])


@pytest.mark.parametrize("number", range(71))
def test_golden_with_stalls(number: int) -> None:
    case, znz, bpc = golden()[number]
    path = HardwarePath(number, number + 1, number + 2, number + 3)
    assert path.encode(*case) == (znz, bpc)
    assert path.decode(znz, bpc, len(case.words), *case[1:4]) == case.words


@examples(150)
@given(hardware_cases, st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=4))
def test_stalls_change_cycles_and_never_bits(case: Transmission, seeds: list[int]) -> None:
    check_round_trip(*case, paths=[HardwarePath(*seeds)])


# --- Chunk by chunk -----------------------------------------------------------------------------


@examples(40)
@given(
    hardware_cases,
    st.lists(st.integers(1, 9), max_size=3),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_fed_one_by_one_or_together(
    case: Transmission, cuts: list[int], seed: int, wait_idle: bool
) -> None:
    """Transmissions that come one after another take the same cycles as those known at once."""
    places = [0, *(cut for cut in accumulate(cuts) if cut < len(case.words)), len(case.words)]
    parts = [case.words[low:high] for low, high in pairwise(places) if high > low]
    parameters = Parameters(case.word_bits, case.block_size, case.max_burst.bit_length() - 1)
    codec = Ebpc(case.block_size, case.max_burst)
    streams = [codec.encode(np.array(part, np.uint32), case.word_bits) for part in parts]
    given_ = (
        given_of(parts, *map(list, zip(*streams, strict=True)), case.word_bits) if parts else []
    )
    runs = []
    for together in (True, False):
        stalls = {port: Random(150, seed ^ at) for at, port in enumerate(("in", "znz", "bpc"))}
        encoder = Encoder(parameters, stalls=stalls, wait_idle=wait_idle)
        stalls = {"number": stalls["in"], "znz": stalls["znz"], "out": stalls["bpc"]}
        decoder = Decoder(parameters, stalls=stalls)
        arrays = [np.array(part, np.uint32) for part in parts]
        for group in [arrays] if together else [[array] for array in arrays]:
            encoder.feed(*group)
        for one in [given_] if together else [[one] for one in given_]:
            decoder.feed(*one)
        runs.append((encoder.finish()[0], decoder.finish()[0]))
    assert runs[0] == runs[1]


# --- What the RTL gets wrong --------------------------------------------------------------------


def decoded_uncoupled(words: list[list[int]], quirks: bool) -> list[int]:
    codec = Ebpc()
    streams = [codec.encode(np.array(part, np.uint32), 8) for part in words]
    decoder = Decoder(Parameters(), rtl_quirks=quirks, keep_words=True)
    given_ = given_of(words, *map(list, zip(*streams, strict=True)), 8)
    return decoder.run_uncoupled(*given_, cycles=1000)[1].streams["out"].tolist()


@pytest.mark.parametrize("words", [[[1, 2], [3]], [[0], [73]]], ids=["D1", "D2"])
def test_words_that_come_too_early(words: list[list[int]]) -> None:
    wanted = [word for part in words for word in part]
    assert decoded_uncoupled(words, quirks=False) == wanted
    assert decoded_uncoupled(words, quirks=True) != wanted


@pytest.mark.parametrize("words", [[0], [9]], ids=["E2", "E3"])
def test_done_that_never_comes(words: list[int]) -> None:
    """E3 needs a ZNZ word that waits until the BPC side is through."""
    for quirks in (False, True):
        late = pattern("periodic:1/1:60")
        encoder = Encoder(Parameters(), stalls={"znz": late}, rtl_quirks=quirks, trace=range(100))
        encoder.feed(np.array(words, np.uint32))
        trace = encoder.finish()[1].trace
        assert trace is not None
        assert trace.column("blk_done").sum() == (0 if quirks else 1)


@pytest.mark.parametrize(
    ("given_", "of_rtl"),
    [([[0, 0]], 1), ([[0], [5, 6]], 1), ([[0], [0]], 1), ([[0], [0, 0], [7]], 2)],
    ids=str,
)
def test_done_behind_one_that_never_came(given_: list[list[int]], of_rtl: int) -> None:
    """What the RTL is left in by the transmission [0] shows in the next one (section A8)."""
    for quirks in (False, True):
        encoder = Encoder(Parameters(), rtl_quirks=quirks, wait_idle=True, trace=range(200))
        encoder.feed(*(np.array(words, np.uint32) for words in given_))
        trace = encoder.finish()[1].trace
        assert trace is not None
        assert trace.column("blk_done").sum() == (of_rtl if quirks else len(given_))


def test_done_of_both_ends_at_once() -> None:
    """Last words of both streams in one cycle, as section A8 has it: done, and back to I."""
    ends = {"znz_gives", "znz_last", "bpc_gives", "bpc_last"}
    row = np.array([[name in ends for name in done_kernel.COLUMNS]], np.int64)
    registers = np.zeros(len(done_kernel.Done._fields), np.int64)
    registers[0] = done_kernel.BOTH
    pulses = np.zeros(1, np.int64)
    done_kernel.blk_done(row, registers, np.int64(1), pulses)
    assert (registers[0], pulses.tolist()) == (done_kernel.IDLE, [1])


# --- Deadlocks and bad input --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "who"),
    [
        ("in", "the control waits for the port in"),
        ("znz", "the ZNZ coder, and that for the port znz"),
        ("bpc", "output buffer, and that for the port bpc"),
    ],
)
def test_encoder_deadlock(port: str, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "DEADLOCK_CYCLES", 1000)
    monkeypatch.setattr(session, "GATE_CYCLES", 256)
    encoder = Encoder(Parameters(), stalls={port: pattern("random:0")})
    with pytest.raises(DeadlockError, match=who):
        encoder.feed(np.arange(1, 200, dtype=np.uint32))


class Until(NamedTuple):
    """A gate that is open before a cycle, and never again."""

    cycle: int

    @classmethod
    def parse(cls, text: str) -> Until:
        raise NotImplementedError

    @property
    def longest_closed(self) -> None:
        return None

    def gates(self, first: int, count: int) -> NDArray[np.uint8]:
        return (np.arange(first, first + count) < self.cycle).astype(np.uint8)


def test_deadlock_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The BPC words would leave in the cycles 13, 20 and 21."""
    monkeypatch.setattr(session, "DEADLOCK_CYCLES", 1000)
    monkeypatch.setattr(session, "GATE_CYCLES", 256)
    for last, who in ((21, "the output buffer waits"), (14, "the output buffer, and that")):
        encoder = Encoder(Parameters(), stalls={"bpc": Until(last)})
        encoder.feed(np.arange(1, 9, dtype=np.uint32))
        with pytest.raises(DeadlockError, match=f"{who} for the port bpc"):
            encoder.finish()


@pytest.mark.parametrize(
    ("port", "who"),
    [
        ("number", "the control waits for the port number"),
        ("znz", "the ZNZ decoder, and that for the port znz"),
        ("bpc", "the symbol decoder, and that for the port bpc"),
        ("out", "the control waits for the port out"),
    ],
)
def test_decoder_deadlock(port: str, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "DEADLOCK_CYCLES", 1000)
    monkeypatch.setattr(session, "GATE_CYCLES", 256)
    words = list(range(1, 200))
    znz, bpc = Ebpc().encode(np.array(words, np.uint32), 8)
    decoder = Decoder(Parameters(), stalls={port: pattern("periodic:0/3")})
    decoder.feed(*given_of([words], [znz], [bpc], 8))
    with pytest.raises(DeadlockError, match=who):
        decoder.finish()


@pytest.mark.compiled
@pytest.mark.parametrize(
    "text", ["periodic:1/1500:3000", "dram:2/9:1500/1510", "periodic:1/1:4000"]
)
@pytest.mark.parametrize("port", ["in", "number", "znz", "bpc", "out"])
def test_a_port_that_goes_seldom_is_no_deadlock(
    port: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "DEADLOCK_CYCLES", 300)
    monkeypatch.setattr(session, "GATE_CYCLES", 256)
    words = np.array([3, 0, 5, 7] * 4, np.uint32)
    models: list[Encoder | Decoder] = []
    if port in PORTS["encoder"]:
        models.append(Encoder(Parameters(), stalls={port: text}))
    if port in PORTS["decoder"]:
        models.append(Decoder(Parameters(), stalls={port: text}))
    for model in models:
        (model.feed if isinstance(model, Encoder) else model.feed_words)(words)
        assert model.finish()[0].cycles > 1500


def test_a_slow_memory_is_no_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "DEADLOCK_CYCLES", 300)
    monkeypatch.setattr(session, "GATE_CYCLES", 256)
    words = np.array([3, 0, 5, 7] * 4, np.uint32)
    stalls = {"znz": "periodic:3/900", "bpc": "periodic:1/1500"}
    for model in (Encoder, Decoder):
        made = model(Parameters(), rate=1 / 1200, stalls=stalls)
        (made.feed if isinstance(made, Encoder) else made.feed_words)(words)
        run, _ = made.finish()
        assert run.cycles > 1200 * (run.znz_words + run.bpc_words - 1)


def test_a_port_that_never_goes_beside_one_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "DEADLOCK_CYCLES", 300)
    monkeypatch.setattr(session, "GATE_CYCLES", 256)
    encoder = Encoder(Parameters(), stalls={"in": "periodic:1/1500", "bpc": "random:0"})
    with pytest.raises(DeadlockError, match="for the port bpc"):
        encoder.feed(np.arange(1, 200, dtype=np.uint32))


# --- Seeds --------------------------------------------------------------------------------------


def test_every_port_has_its_own_seed() -> None:
    assert SEEDS == {
        "encoder.in": 1,
        "encoder.znz": 2,
        "encoder.bpc": 3,
        "decoder.number": 4,
        "decoder.bpc": 5,
        "decoder.znz": 6,
        "decoder.out": 7,
    }
    for side, ports in PORTS.items():
        given_ = port_patterns(side, dict.fromkeys(ports, "random:0.5"))
        assert given_ == tuple(Random(128, SEEDS[f"{side}.{port}"]) for port in ports)
        assert set(port_patterns(side, dict.fromkeys(ports, Random(128, 9)))) == {Random(128, 9)}


def test_ports_do_not_go_at_the_same_times() -> None:
    gates = [Random(128, seed).gates(0, 100_000).astype(float) for seed in SEEDS.values()]
    correlated = np.corrcoef(gates) - np.eye(len(gates))
    assert np.abs(correlated).max() < 0.02


def test_texts_are_patterns() -> None:
    runs = []
    for stalls in (
        {"in": "random:0.5", "bpc": "random:0.5"},
        {"in": Random(128, 1), "bpc": Random(128, 3)},
    ):
        encoder = Encoder(Parameters(), stalls=stalls)
        encoder.feed(np.arange(1, 200))
        runs.append(encoder.finish()[0])
    assert runs[0] == runs[1]


# --- What cannot be given -----------------------------------------------------------------------


def test_no_such_port() -> None:
    with pytest.raises(ParameterError, match=r"no port 'out'.*in, znz, bpc"):
        Encoder(Parameters(), stalls={"out": pattern("always")})


def test_trace_too_long() -> None:
    with pytest.raises(ParameterError, match="at most 1,048,576"):
        Decoder(Parameters(), trace=range(1 << 21))


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ((4, 4, 2), "no words of 4 bits"),
        ((12, 8, 4), "no words of 12 bits"),
        ((8, 4, 4), "no blocks of 4 words"),
        ((8, 16, 4), "no blocks of 16 words of 8 bits"),
        ((8, 8, 7), "runs of up to 128 zeros"),
        ((8, 8, 0), "runs of up to 1 zeros"),
        ((8, 8, -1), "a field of -1 bits"),
        ((8, 8, 10**9), "a field of 1000000000 bits"),
        ((8.0, 8, 4), "word_bits is 8.0; give a whole number"),
        ((8, "8", 4), "block_size is '8'"),
        ((8, 8, True), "burst_bits is True"),
    ],
)
def test_hardware_that_cannot_be(numbers: tuple[Any, ...], why: str) -> None:
    with pytest.raises(ParameterError, match=why):
        Parameters(*numbers)


def test_numpy_numbers_are_numbers() -> None:
    found = Parameters(np.uint8(16), np.int64(8), np.int8(4))  # type: ignore[arg-type]
    assert found == Parameters(16, 8, 4)
    assert type(found.word_bits) is int


@pytest.mark.parametrize("model", [Encoder, Decoder])
@pytest.mark.parametrize("given_", [None, 5, {"word_bits": 8}, Parameters])
def test_parameters_that_are_none(model: Any, given_: Any) -> None:
    with pytest.raises(ParameterError, match=r"parameters is .*; give Parameters"):
        model(given_)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        *((Encoder, name) for name in ("rtl_quirks", "wait_idle", "keep_streams")),
        *((Decoder, name) for name in ("rtl_quirks", "keep_words")),
    ],
)
def test_switches_are_true_or_false(model: Any, name: str) -> None:
    for value in ("no", 1, None):
        with pytest.raises(ParameterError, match=f"{name} is {value!r}; give True or False"):
            model(Parameters(), **{name: value})
    model(Parameters(), **{name: np.bool_(True)})


@pytest.mark.parametrize("rate", [-1, float("nan"), float("inf"), "1", None, True, 2**-29, 1e-300])
def test_rate_that_cannot_be(rate: Any) -> None:
    for model in (Encoder, Decoder):
        with pytest.raises(ParameterError, match="rate is "):
            model(Parameters(), rate=rate)


@pytest.mark.parametrize(
    ("stalls", "why"),
    [
        ("bpc=always", "stalls is 'bpc=always'"),
        ([], r"stalls is \[\]; give a dictionary"),
        ({"bpc": 5}, "what stalls bpc is 5"),
        ({"bpc": Random}, "what stalls bpc is <class"),
        ({"bpc": "never"}, "no stall pattern 'never'"),
        ({"encoder.bpc": "always"}, "no port 'encoder.bpc'"),
    ],
)
def test_stalls_that_cannot_be(stalls: Any, why: str) -> None:
    for model in (Encoder, Decoder):
        with pytest.raises(ParameterError, match=why):
            model(Parameters(), stalls=stalls)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([1, 256], "256 is no word of 8 bits.*from 0 to 255"),
        (np.array([1, 256], np.uint32), "256 is no word of 8 bits"),
        (np.array([-1], np.int8), "-1 is no word of 8 bits"),
        ([[1, 2], [3, 4]], "words have 2 axes"),
        ([[1, 2], [3]], "words have 2 axes"),
        (np.uint32(5), "words have 0 axes"),
        ([1.0], "words are float64, no integers"),
        ([True], "words are bool"),
        (["1"], "words are <U1"),
        ([2**70], "words are object"),
    ],
    ids=str,
)
def test_words_that_cannot_be(words: Any, why: str) -> None:
    """Nothing of what is given is taken, and the session goes on."""
    good = np.arange(20, dtype=np.uint32)
    for stalls in ({}, {"bpc": "random:0.5"}):
        encoder, decoder = (
            Encoder(Parameters(), stalls=stalls),
            Decoder(Parameters(), stalls=stalls),
        )
        for feed in (encoder.feed, decoder.feed_words):
            with pytest.raises(ParameterError, match=why):
                feed(good, words)
            feed(good)
        assert encoder.finish()[0].words == decoder.finish()[0].words == 20
    with pytest.raises(ParameterError, match=why):
        decoder_module.Transmission.of(words, Parameters())


@pytest.mark.parametrize("kind", [list, tuple, np.int64, np.uint8, ">u4"])
def test_words_of_every_kind(kind: Any) -> None:
    words = np.arange(1, 40)
    given_ = kind(words.tolist()) if kind in (list, tuple) else words.astype(kind)
    encoder, decoder = (
        Encoder(Parameters(), keep_streams=True),
        Decoder(Parameters(), keep_words=True),
    )
    encoder.feed(given_, [])
    decoder.feed_words([], given_)
    znz, bpc = Ebpc().encode(words.astype(np.uint32), 8)
    streams = encoder.finish()[1].streams
    assert streams["znz"].tolist() == list(znz)
    assert streams["bpc"].tolist() == list(bpc)
    assert decoder.finish()[1].streams["out"].tolist() == words.tolist()


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ((0, [], []), "the number of words is 0"),
        ((1.5, [0], []), "the number of words is 1.5"),
        ((1, [256], []), "256 is no word of 8 bits: it is among the ZNZ words"),
        ((1, [128], [[1]]), "BPC words have 2 axes"),
        ((8, [], [1, 2]), "a ZNZ stream of 0 words for 8 words; it has 1 to 3"),
        ((8, [255] * 4, [1, 2]), "a ZNZ stream of 4 words for 8 words"),
        ((8, [255], [1]), "a BPC stream of 1 words for 8 words; it has 2 to "),
        ((8, [255], [1] * 20), "a BPC stream of 20 words"),
        ((8, [255] * 3, []), "a ZNZ stream of 3 words for 8 words that are all zero; it has 1:"),
    ],
)
def test_transmissions_that_cannot_be(numbers: tuple[Any, Any, Any], why: str) -> None:
    decoder = Decoder(Parameters())
    with pytest.raises(ParameterError, match=why):
        decoder.feed(decoder_module.Transmission(*numbers))
    decoder.feed(decoder_module.Transmission.of([1, 2, 3], Parameters()))
    assert decoder.finish()[0].words == 3


def test_words_are_no_transmissions() -> None:
    with pytest.raises(ParameterError, match="ndarray is no Transmission"):
        Decoder(Parameters()).feed(np.arange(3))  # type: ignore[arg-type]


@pytest.mark.parametrize(("w", "n", "z"), [(8, 8, 4), (16, 8, 1), (32, 32, 6)])
def test_streams_of_every_size_that_there_is(w: int, n: int, z: int) -> None:
    """Shortest and longest ones are taken."""
    parameters = Parameters(w, n, z)
    noise = np.random.default_rng(1).integers(1, 1 << w, 96)
    for count in (*range(1, 40), 96):
        flat, zeros = np.ones(count, int), np.zeros(count, int)
        thin = np.where(np.arange(count) % 2, noise[:count], 0)
        for words in (flat, zeros, thin, noise[:count], noise[:count] * (np.arange(count) == 0)):
            decoder = Decoder(parameters)
            decoder.feed(decoder_module.Transmission.of(words, parameters))


@pytest.mark.parametrize(
    "cycles", [range(0, 10, 2), range(-1, 5), range(9, 0, -1), slice(0, 9), 5, (0, 9)], ids=str
)
def test_trace_that_cannot_be(cycles: Any) -> None:
    for model in (Encoder, Decoder):
        with pytest.raises(ParameterError, match=r"trace is .*; give a range of cycles from 0 on"):
            model(Parameters(), trace=cycles)


@pytest.mark.parametrize("stalls", [{}, {"bpc": "random:0.5"}], ids=["timed", "stepped"])
def test_nothing_behind_the_end(stalls: dict[str, str]) -> None:
    words = np.arange(1, 20, dtype=np.uint32)
    given_ = decoder_module.Transmission.of(words, Parameters())
    encoder, decoder = Encoder(Parameters(), stalls=stalls), Decoder(Parameters(), stalls=stalls)
    encoder.feed(words)
    decoder.feed_words(words)
    with pytest.raises(ParameterError, match="has been fed before"):
        decoder.run_uncoupled(given_, cycles=9)
    encoder.finish()
    decoder.finish()
    for late in (partial(encoder.feed, words), encoder.finish):
        with pytest.raises(ParameterError, match="the encoder has finished; make another one"):
            late()
    for late in (
        partial(decoder.feed_words, words),
        partial(decoder.feed, given_),
        partial(decoder.run_uncoupled, given_, cycles=9),
        decoder.finish,
    ):
        with pytest.raises(ParameterError, match="the decoder has finished; make another one"):
            late()


# --- Credit -------------------------------------------------------------------------------------


def test_rate_is_what_both_streams_take() -> None:
    """With half a word a cycle, a run takes twice as many cycles as it has stream words."""
    words = np.random.default_rng(1).integers(1, 256, 4000).astype(np.uint32)
    encoder = Encoder(Parameters(), rate=0.5)
    encoder.feed(words)
    run, _ = encoder.finish()
    streams = run.znz_words + run.bpc_words
    assert run.cycles == pytest.approx(2 * streams, abs=40)
    check_units(run)
    znz, bpc = Ebpc().encode(words, 8)
    decoder = Decoder(Parameters(), rate=0.5)
    decoder.feed(decoder_module.Transmission(4000, stream_words(znz, 8), stream_words(bpc, 8)))
    run, _ = decoder.finish()
    assert run.cycles == pytest.approx(2 * streams, abs=80)
    check_units(run)


@pytest.mark.compiled
def test_small_rates_are_exact() -> None:
    """A word in 30,000 cycles, not in 32,768."""
    encoder = Encoder(Parameters(), rate=1 / 30_000)
    encoder.feed(np.array([1, 2, 3], np.uint32))
    run, _ = encoder.finish()
    assert run.cycles == pytest.approx(30_000 * (run.znz_words + run.bpc_words), abs=40)


@pytest.mark.parametrize("rate", [16, 1e300, np.float32(20)])
def test_large_rates_stall_nothing(rate: float) -> None:
    words = np.random.default_rng(1).integers(0, 9, 400).astype(np.uint32)
    free, limited = Encoder(Parameters()), Encoder(Parameters(), rate=rate)
    free.feed(words)
    limited.feed(words)
    assert free.finish()[0] == limited.finish()[0]
