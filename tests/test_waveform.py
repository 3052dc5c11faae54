"""Waveforms, read back with pyvcd's reader, are the trace."""

from __future__ import annotations

import io
from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from harness import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from traces import PARAMETERS, SIDES, Session, dense, sessions
from vcd.reader import TokenKind, tokenize

from fmcompress.errors import ParameterError
from fmcompress.hardware import Decoder, Parameters, waveform
from fmcompress.hardware.decoder import Transmission
from fmcompress.hardware.scopes import scopes_of
from fmcompress.hardware.trace import Trace
from fmcompress.hardware.trace_text import trace_lines
from fmcompress.hardware.waveform import clock_period, write_vcd

# The RTL's names of ports (ebpc_encoder.sv, ebpc_decoder.sv), by the trace's columns.
WIRES = {
    "encoder": {
        "in": ("input", "vld_i", "rdy_o", "last_i", "data_i"),
        "znz": ("znz", "znz_vld_o", "znz_rdy_i", "znz_last_o", "znz_data_o"),
        "bpc": ("bpc", "bpc_vld_o", "bpc_rdy_i", "bpc_last_o", "bpc_data_o"),
    },
    "decoder": {
        "znz": ("znz", "znz_vld_i", "znz_rdy_o", "znz_last_i", "znz_i"),
        "bpc": ("bpc", "bpc_vld_i", "bpc_rdy_o", "bpc_last_i", "bpc_i"),
        "out": ("output", "vld_o", "rdy_i", "last_o", "data_o"),
    },
}
CHANGES = {
    TokenKind.CHANGE_SCALAR: "scalar_change",
    TokenKind.CHANGE_VECTOR: "vector_change",
    TokenKind.CHANGE_STRING: "string_change",
}


class Waveform:
    """A VCD file, as pyvcd reads it."""

    def __init__(self, text: str) -> None:
        self.header: dict[str, Any] = {}
        self.sizes: dict[str, int] = {}
        self.changes: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        self.times: list[int] = []
        names: dict[str, str] = {}
        scopes: list[str] = []
        for token in tokenize(io.BytesIO(text.encode())):
            if token.kind is TokenKind.SCOPE:
                scopes.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scopes.pop()
            elif token.kind is TokenKind.VAR:
                name = ".".join([*scopes, token.var.reference])
                names[token.var.id_code] = name
                self.sizes[name] = token.var.size
            elif token.kind is TokenKind.CHANGE_TIME:
                self.times.append(token.time_change)
            elif token.kind in CHANGES:
                change = getattr(token, CHANGES[token.kind])
                value = change.value
                if token.kind is TokenKind.CHANGE_SCALAR and value in "01":
                    value = int(value)
                self.changes[names[change.id_code]].append((self.times[-1], value))
            elif token.kind in (TokenKind.TIMESCALE, TokenKind.VERSION, TokenKind.DATE):
                name = token.kind.name.lower()
                self.header[name] = getattr(token, name)

    def sample(self, name: str, times: list[int]) -> list[Any]:
        """Return what a variable is at some times."""
        when = [time for time, _ in self.changes[name]]
        places = np.searchsorted(when, times, side="right") - 1
        return [self.changes[name][place][1] for place in places]


def written(trace: Trace | list[Trace], *arguments: Any, **options: Any) -> str:
    file = io.StringIO()
    write_vcd(trace, file, *arguments, **options)
    return file.getvalue()


def check(trace: Trace, period: int = 1667) -> Waveform:
    """Read a trace's waveform back; every variable in every cycle is what the trace has."""
    read = Waveform(written(trace))
    top = trace.side
    middles = [cycle * period + period // 2 for cycle in trace.cycles]
    assert read.sample(f"{top}.cycle", middles) == list(trace.cycles)
    for column, (scope, *wires) in WIRES[trace.side].items():
        for what, wire in zip(("valid", "ready", "last", "data"), wires, strict=True):
            expected = trace.column(f"{column}_{what}")
            if what == "data":
                expected = expected * trace.column(f"{column}_valid")
            name = f"{top}.{scope}.{wire}"
            assert read.sample(name, middles) == expected.tolist(), name
            assert read.sizes[name] == (trace.word_bits if what == "data" else 1)
        both = trace.column(f"{column}_valid") & trace.column(f"{column}_ready")
        shown = read.sample(f"{top}.{scope}.handshake", middles)
        assert sum(shown) == both.sum()
        words = read.sample(f"{top}.{scope}.words", middles)
        assert words == (np.cumsum(both) - both).tolist()
    for scope in scopes_of(trace).values():
        for signal in scope.signals:
            shown = read.sample(f"{top}.{scope.name}.{signal.name}", middles)
            if signal.words is None:
                assert shown == signal.values.tolist(), (scope.name, signal.name)
            else:
                unescaped = [text.replace("\\x20", " ") for text in shown]
                assert unescaped == [signal.text(row) for row in range(len(trace))]
    return read


@examples(25)
@given(sessions())
def test_every_port_and_register_in_every_cycle(session: Session) -> None:
    for side in SIDES:
        trace = session.trace(side)
        read = check(trace)
        # The streams are all there.
        if side == "encoder":
            for place, port in enumerate(("znz", "bpc")):
                size = sum(len(pair[place]) for pair in session.streams) * 8 // session.w
                middles = [cycle * 1667 + 833 for cycle in trace.cycles]
                assert sum(read.sample(f"encoder.{port}.handshake", middles)) == size


def test_both_sides_in_one_file() -> None:
    """Each a scope; the one that is through first stays as it was."""
    session = Session([[1, 2, 0, 3] * 5, [0, 7]])
    traces = [session.trace(side) for side in SIDES]
    read = Waveform(written(traces))
    most = max(map(len, traces))
    assert read.times[-1] == most * 1667
    for trace in traces:
        own = Waveform(written(trace))
        middles = [cycle * 1667 + 833 for cycle in range(most)]
        names = [name for name in read.changes if name.startswith(trace.side)]
        assert names == list(own.changes)
        for name in names:
            if name.endswith("clk_i"):
                continue
            assert read.sample(name, middles) == own.sample(name, middles), name
    late = session.trace("decoder", range(5, 9))
    with pytest.raises(ParameterError, match="traces of different cycles"):
        written([traces[0], late])
    with pytest.raises(ParameterError, match="the run was over before cycle 0"):
        written([])


def test_words_of_32_bits() -> None:
    """Shift registers have 64 bits, and use them."""
    session = Session([[0xFFFF_FFFF, 1, 0x8000_0000] * 40 + [0] * 70 + dense(80, 32)], 32, 32, 6)
    for side in SIDES:
        read = check(session.trace(side))
        register = "znz_coder" if side == "encoder" else "unpacker"
        assert read.sizes[f"{side}.{register}.shift_register"] == 64
        values = [value for _, value in read.changes[f"{side}.{register}.shift_register"]]
        assert max(values) >= 1 << 63


def test_the_number_of_words_is_one_less() -> None:
    trace = Session([[1, 2, 3], [0]]).trace("decoder")
    read = check(trace)
    middles = [cycle * 1667 + 833 for cycle in trace.cycles]
    name = "decoder.num_words."
    numbers = read.sample(f"{name}num_words_i", middles)
    shown = read.sample(f"{name}handshake", middles)
    assert [n for n, passes in zip(numbers, shown, strict=True) if passes] == [2, 0]
    assert read.sample(f"{name}num_words_vld_i", middles) == trace.column("number_valid").tolist()
    assert read.sample(f"{name}num_words_rdy_o", middles) == trace.column("number_ready").tolist()


def test_idle_and_done_of_the_encoder() -> None:
    trace = Session([[1, 2, 3], [0]], seed=5).trace("encoder")
    read = check(trace)
    middles = [cycle * 1667 + 833 for cycle in trace.cycles]
    for name in ("idle", "blk_done"):
        assert read.sample(f"encoder.{name}_o", middles) == trace.column(name).tolist()
    assert sum(trace.column("blk_done")) == 2


def test_clock_and_reset() -> None:
    trace = Session([[1, 2, 3]]).trace("encoder")
    read = Waveform(written(trace))
    cycles = len(trace)
    clock = read.changes["encoder.clk_i"]
    assert clock[::2] == [(cycle * 1667, 1) for cycle in range(cycles + 1)]
    assert clock[1::2] == [(cycle * 1667 + 833, 0) for cycle in range(cycles)]
    assert read.changes["encoder.rst_ni"] == [(0, 0), (833, 1)]
    assert "$timescale 1 ps $end" in written(trace)
    # All else changes with the clock's rising edge.
    edges = {time for time, value in clock if value}
    for name, changes in read.changes.items():
        if name not in ("encoder.clk_i", "encoder.rst_ni"):
            assert {time for time, _ in changes} <= edges, name


@pytest.mark.parametrize("side", SIDES)
def test_a_window_in_the_middle(side: str) -> None:
    session = Session([dense(100, 8)], seed=4)
    trace = session.trace(side, range(40, 90))
    assert trace.cycles == range(40, 90)
    read = check(trace)
    assert (read.times[0], read.times[-1]) == (40 * 1667, 90 * 1667)
    assert read.changes[f"{side}.rst_ni"] == [(40 * 1667, 1)]
    # As in the whole.
    whole = Waveform(written(session.trace(side)))
    middles = [cycle * 1667 + 833 for cycle in trace.cycles]
    for name in read.sizes:
        if not name.endswith(".words"):
            assert read.sample(name, middles) == whole.sample(name, middles), name


def test_only_changes_are_written_and_nothing_is_unknown() -> None:
    for side in SIDES:
        read = Waveform(written(Session([dense(60, 8)], seed=9).trace(side)))
        for name, changes in read.changes.items():
            values = [value for _, value in changes]
            assert all(a != b for a, b in pairwise(values)), name
            assert "x" not in values
        assert read.times == sorted(set(read.times))


def test_what_the_window_does_not_tell_is_unknown() -> None:
    whole = Session([[5, 7, 0, 9, 255]]).trace("encoder", range(18, 20))
    read = Waveform(written(whole))
    assert [value for _, value in read.changes["encoder.plane_coder.plane"]] == ["x"]


def test_same_trace_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Session([dense(60, 8)], seed=2).trace("encoder")
    text = written(trace)
    assert "$date" not in text
    assert text.isascii()
    for rows in (1, 7):
        monkeypatch.setattr(waveform, "ROWS", rows)
        assert written(trace) == text


def test_header() -> None:
    trace = Session([[1]], 16, 8, 5).trace("decoder")
    text = written(trace, 100, date="today", comment="layer $end\nof two lines")
    read = Waveform(text)
    assert read.header["date"] == "today"
    assert read.header["version"].startswith("fmcompress ")
    assert "decoder, w = 16, n = 8, z = 5; cycle c begins at c * 10000 ps; layer $ end" in text
    assert read.changes["decoder.clk_i"][2] == (10_000, 1)


def test_a_window_without_cycles() -> None:
    trace = Session([[1]]).trace("encoder", range(500, 600))
    file = io.StringIO()
    with pytest.raises(ParameterError, match="was over before cycle 500"):
        write_vcd(trace, file)
    assert file.getvalue() == ""


@examples(15)
@given(st.data())
def test_a_decoder_of_noise_with_the_faults_of_the_rtl(data: st.DataObject) -> None:
    """Whatever the registers hold, they have their widths, and it is put into words."""
    w, n, z = data.draw(st.sampled_from(PARAMETERS))
    stream = hnp.arrays(np.uint32, st.integers(1, 40), elements=st.integers(0, (1 << w) - 1))
    decoder = Decoder(Parameters(w, n, z), rtl_quirks=True, trace=range(150))
    words = data.draw(st.lists(st.integers(1, 60), min_size=1, max_size=3))
    given_words = [Transmission(count, data.draw(stream), data.draw(stream)) for count in words]
    trace = decoder.run_uncoupled(*given_words, cycles=150)[1].trace
    assert trace is not None
    check(trace)
    assert {line.cycle for line in trace_lines(trace)} == set(trace.cycles)


def test_more_words_than_the_hardware_can_have() -> None:
    words = 1 << 26
    streams = np.full(8, 255, np.uint32)
    decoder = Decoder(Parameters(), trace=range(20))
    trace = decoder.run_uncoupled(Transmission(words, streams, streams), cycles=20)[1].trace
    assert trace is not None
    assert check(trace).sizes["decoder.control.left"] == 26


@pytest.mark.parametrize(
    ("clock", "period"), [(600, 1667), (1, 1_000_000), (0.5, 2_000_000), (500_000, 2), (3, 333_333)]
)
def test_periods(clock: float, period: int) -> None:
    assert clock_period(clock) == period


@pytest.mark.parametrize("clock", [0, -1, 500_001, float("nan"), float("inf")])
def test_clocks_that_cannot_be_drawn(clock: float) -> None:
    file = io.StringIO()
    with pytest.raises(ParameterError, match="cannot be drawn"):
        write_vcd(Session([[1]]).trace("encoder"), file, clock)
    assert file.getvalue() == ""
