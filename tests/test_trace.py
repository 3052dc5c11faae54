"""Traces: states as the specification has them, planes, words for symbols, the teaching view."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from harness import examples
from hypothesis import given
from traces import PORTS, SIDES, Session, dense, recorded, sessions

from fmcompress.cli import trace_render
from fmcompress.cli.trace_render import chart, print_trace
from fmcompress.hardware import Decoder, Encoder, Parameters
from fmcompress.hardware.decoder import Transmission
from fmcompress.hardware.patterns import Random
from fmcompress.hardware.scopes import scopes_of
from fmcompress.hardware.symbols import plane_of, plane_symbol
from fmcompress.hardware.trace import UNKNOWN, Trace
from fmcompress.hardware.trace_line import KINDS, TraceLine
from fmcompress.hardware.trace_text import trace_lines

# docs/EBPC.md, section 6.
EXAMPLE = Session([[5, 7, 0, 9, 255]])
# From state to the states of the next cycle (ebpc-cycles.md, A and B).
FOLLOWING = {
    ("encoder", "control"): {
        "IDLE": "IDLE RUN",
        "RUN": "IDLE RUN WAIT FLUSH",
        "WAIT": "IDLE RUN WAIT FLUSH",
        "FLUSH": "IDLE FLUSH",
    },
    ("encoder", "znz_coder"): {
        "EMPTY": "EMPTY FILL FULL FLUSHZ FLUSH",
        "FILL": "FILL FULL FLUSHZ FLUSH",
        "FULL": "EMPTY FILL FULL FLUSHZ FLUSH",
        "FLUSHZ": "FLUSH",
        "FLUSH": "EMPTY FLUSH",
    },
    ("encoder", "difference"): {"IDLE": "IDLE FILL", "FILL": "FILL OUT", "OUT": "IDLE FILL OUT"},
    ("encoder", "plane_coder"): {"BASE": "BASE PLANES", "PLANES": "BASE PLANES"},
    ("encoder", "packer"): {
        "EMPTY": "EMPTY FILL FULL",
        "FILL": "FILL FULL FLUSH",
        "FULL": "EMPTY FILL FULL FLUSH",
        "FLUSH": "EMPTY FLUSH",
    },
    ("encoder", "buffer"): {
        "EMPTY": "EMPTY FULL LAST",
        "FULL": "EMPTY FULL LAST",
        "LAST": "EMPTY FULL LAST",
    },
    ("decoder", "control"): {"IDLE": "IDLE RUN", "RUN": "IDLE RUN"},
    ("decoder", "znz_decoder"): {
        "EMPTY": "EMPTY FULL",
        "FULL": "EMPTY FULL FILL ZRUN",
        "FILL": "EMPTY FULL FILL ZRUN",
        "ZRUN": "EMPTY FULL FILL ZRUN",
    },
    ("decoder", "unpacker"): {
        "EMPTY": "EMPTY FULL",
        "FULL": "EMPTY FULL FILL",
        "FILL": "EMPTY FULL FILL",
    },
    ("decoder", "symbol_decoder"): {
        "BASE": "BASE PLANES",
        "PLANES": "BASE PLANES ZRUN",
        "ZRUN": "BASE PLANES ZRUN",
    },
    ("decoder", "collector"): {
        "BASE": "BASE PLANES",
        "PLANES": "BASE PLANES FULL",
        "FULL": "BASE PLANES FULL",
    },
    ("decoder", "integrator"): {"BASE": "BASE STREAM", "STREAM": "BASE STREAM"},
}


def states(trace: Trace, unit: str) -> list[str]:
    state = scopes_of(trace)[unit]["state"]
    return [state.text(row) for row in range(len(trace))]


def values(trace: Trace, unit: str, signal: str) -> list[int]:
    found: list[int] = scopes_of(trace)[unit][signal].values.tolist()
    return found


def cut(trace: Trace, first: int, end: int) -> Trace:
    """Return a part of a trace."""
    return Trace(
        trace.side,
        trace.first_cycle + first,
        trace.word_bits,
        trace.block_size,
        trace.burst_bits,
        trace.columns,
        trace.rows[first:end],
    )


# --- States and registers -----------------------------------------------------------------


@examples(30)
@given(sessions())
def test_states_follow_each_other_as_the_specification_says(session: Session) -> None:
    for (side, unit), following in FOLLOWING.items():
        trace = session.trace(side)
        seen = states(trace, unit)
        assert seen[0] == next(iter(following)), "the first-listed state"
        for before, after in pairwise(seen):
            assert after in following[before].split(), (side, unit, before)


@examples(30)
@given(sessions())
def test_states_say_what_the_ports_show(session: Session) -> None:
    trace = session.trace("encoder")
    c, w = trace.column, session.w
    control, znz, buffer = (states(trace, u) for u in ("control", "znz_coder", "buffer"))
    assert (c("znz_valid") == [s in ("FULL", "FLUSH") for s in znz]).all()
    counts = values(trace, "znz_coder", "count")
    last = [s == "FLUSH" and count <= w for s, count in zip(znz, counts, strict=True)]
    assert (c("znz_last") == last).all()
    assert c("in_ready")[[s == "IDLE" for s in control]].all()
    assert not c("in_ready")[[s == "FLUSH" for s in control]].any()
    assert c("control.word")[[s == "WAIT" for s in control]].all()
    assert (c("buffer.full") == [s != "EMPTY" for s in buffer]).all()
    assert (c("bpc_valid") & c("bpc_last"))[[s == "LAST" for s in buffer]].all()
    # Full shift registers begin with the word that is put out.
    registers = scopes_of(trace)["znz_coder"]["shift_register"].values
    words = (registers >> np.uint64(w)).astype(np.int64)
    assert (words[c("znz_valid") == 1] == c("znz_data")[c("znz_valid") == 1]).all()


@examples(30)
@given(sessions())
def test_counters_stay_within_their_widths(session: Session) -> None:
    for side in SIDES:
        for scope in scopes_of(session.trace(side)).values():
            for signal in scope.signals:
                if signal.words is None:
                    assert int(signal.values.max()) < 1 << signal.bits, (scope.name, signal.name)
                    assert int(signal.values.min()) >= 0, (scope.name, signal.name)
                else:
                    assert set(signal.values.tolist()) <= set(range(len(signal.words)))


def test_the_zrle_decoder_counts_zeros_down() -> None:
    trace = Session([[0, 0, 0, 0, 9]]).trace("decoder")
    runs = [
        n
        for n, s in zip(
            values(trace, "znz_decoder", "zeros_left"), states(trace, "znz_decoder"), strict=True
        )
        if s == "ZRUN"
    ]
    assert runs == [3, 2, 1]


# --- Planes and symbols -------------------------------------------------------------------


def blocks_of(session: Session) -> Iterator[list[int]]:
    """Words of each block, filled up, as signed numbers."""
    for transmission in session.transmissions:
        words = [v - (v >> session.w - 1 << session.w) for v in transmission if v]
        words += [0] * (-len(words) % session.n)
        for first in range(0, len(words), session.n):
            yield words[first : first + session.n]


def planes_of(block: list[int], w: int) -> list[tuple[int, int]]:
    """DBP and DBX of a block."""
    below, planes = 0, []
    for j in range(w + 1):
        plane = int("".join(str(b - a >> j & 1) for a, b in pairwise(block)), 2)
        planes.append((plane, plane ^ below))
        below = plane
    return planes


def steps_of(block: list[int], w: int) -> list[tuple[int, int]]:
    """Plane and pending zero planes in each cycle of the plane coder, without back-pressure."""
    steps, pending = [(0, 0)], 0
    for j, (_, dbx) in enumerate(planes_of(block, w)):
        if dbx and pending:
            steps.append((j, pending))
            pending = 0
        steps.append((j, pending))
        pending += dbx == 0
    return steps


@examples(40)
@given(sessions())
def test_planes_are_those_of_the_blocks(session: Session) -> None:
    trace = session.trace("encoder")
    expected = [step for block in blocks_of(session) for step in steps_of(block, session.w)]
    plane = values(trace, "plane_coder", "plane")
    pending = values(trace, "plane_coder", "pending_zero_planes")
    moves = np.flatnonzero(trace.column("moves"))
    assert [(plane[row], pending[row]) for row in moves] == expected


@examples(15)
@given(sessions())
def test_planes_are_known_from_within_a_block(session: Session) -> None:
    """But where the window ends before anything tells them."""
    trace = session.trace("encoder")
    names = ("plane", "pending_zero_planes")
    whole = [values(trace, "plane_coder", name) for name in names]
    ends = trace.column("pops")
    for first in range(0, len(trace), 7):
        for last in (first + 1, first + 9, len(trace)):
            part = cut(trace, first, last)
            for name, known in zip(names, whole, strict=True):
                found = values(part, "plane_coder", name)
                pairs = list(zip(found, known[first:last], strict=True))
                assert all(a in (b, UNKNOWN) for a, b in pairs)
                if ends[first:last].any() or not trace.column("coder.full")[first]:
                    assert found == known[first:last]


def test_planes_are_unknown_where_nothing_tells_them() -> None:
    trace = EXAMPLE.trace("encoder")
    part = cut(trace, 18, 20)  # two of the zero planes at the end
    assert values(part, "plane_coder", "plane") == [UNKNOWN, UNKNOWN]
    assert values(part, "plane_coder", "pending_zero_planes") == [UNKNOWN, UNKNOWN]
    said = [line.action for line in trace_lines(part) if line.unit == "plane coder"]
    assert said == ["plane ?: DBX, nothing sent"] * 2


@pytest.mark.parametrize(("w", "n"), [(8, 8), (16, 8), (16, 16), (32, 8), (32, 32)])
def test_symbols_in_words(w: int, n: int) -> None:
    run_bits, position_bits = w.bit_length() - 1, n.bit_length() - 1
    ones = (1 << n - 1) - 1

    def named(bits: str) -> tuple[str, str]:
        return plane_symbol(int(bits, 2), len(bits), w, n)

    assert named("01") == ("1 zero plane", "01")
    for planes in range(2, w + 2):
        field = f"{planes - 2:0{run_bits}b}"
        assert named("001" + field) == (f"{planes} zero planes", f"001 {field}")
    assert named("00000") == ("all ones", "00000")
    assert named("00001") == ("plane zero", "00001")
    assert plane_of(0, 5, 5, n) == (ones, ones ^ 5)
    assert plane_of(1, 5, 5, n) == (5, 0)
    for at in range(n - 1):
        field = f"{at:0{position_bits}b}"
        assert named("00011" + field) == (f"single one at {at}", f"00011 {field}")
        one = 1 << n - 2 - at
        assert plane_of(int("00011" + field, 2), 5 + position_bits, ones, n) == (one, one ^ ones)
        if at < n - 2:
            assert named("00010" + field) == (f"two ones at {at}", f"00010 {field}")
            two = one | one >> 1
            assert plane_of(int("00010" + field, 2), 5 + position_bits, 0, n) == (two, two)
    raw = f"{5:0{n - 1}b}"
    assert named("1" + raw) == (f"raw {raw}", f"1 {raw}")
    assert plane_of(1 << n - 1 | 5, n, 1, n) == (5, 4)


@examples(30)
@given(sessions())
def test_symbols_are_those_of_the_planes(session: Session) -> None:
    """What both sides say of a plane is what the block's words make it."""
    planes = [plane for block in blocks_of(session) for plane in planes_of(block, session.w)]
    for side, unit in (("encoder", "plane coder"), ("decoder", "symbol decoder")):
        said = [
            line.action
            for line in trace_lines(session.trace(side))
            if line.unit == unit
            and line.kind == "works"
            and line.action.startswith("plane ")
            # said again in the next cycle
            and "is not zero, first sends" not in line.action
        ]
        assert len(said) == len(planes)
        for j, (text, (dbp, dbx)) in enumerate(zip(said, planes, strict=True)):
            assert text.startswith(f"plane {j % (session.w + 1)}")
            bits = f"{dbx:0{session.n - 1}b}"
            if side == "encoder" or (dbx and "zero plane" not in text):
                assert f"DBX {bits}" in text, text
            if dbx and not dbp:
                assert "plane zero" in text or "all ones" in text, text


# --- The teaching view --------------------------------------------------------------------


def told(trace: Trace, cycle: int) -> list[str]:
    return [str(line) for line in trace_lines(trace) if line.cycle == cycle and line.kind != "idle"]


def test_the_worked_example_in_the_encoder() -> None:
    trace = EXAMPLE.trace("encoder")
    assert told(trace, 0) == ["c0 input word 0: 05 comes in"]
    assert told(trace, 4) == [
        "c4 input word 4: ff comes in, marked last",
        "c4 control RUN 09: flag 1 to ZNZ coder, word to difference",
        "c4 ZNZ coder FILL appends 0 0000 1 for 1 zero and a word; 8 held, a word is complete",
        "c4 difference FILL word 3 of 8: 09 - 07 = 2",
    ]
    assert told(trace, 10)[-1] == "c10 slice EMPTY takes a block: 05 07 09 ff 00 00 00 00"
    coder = [line.action for line in trace_lines(trace) if line.unit == "plane coder"]
    assert coder[11:21] == [  # docs/EBPC.md, section 6
        "sends the base 00000101",
        "plane 0: DBX 0001000, sends 00011 011, single one at 3",
        "plane 1: DBX 1111000, sends 1 1111000, raw",
        "plane 2: DBX 1100000, sends 00010 000, two ones at 0",
        "plane 3: DBX 0010000, DBP 0000000, sends 00001, plane zero",
        "plane 4: DBX 0010000, sends 00011 010, single one at 2",
        "plane 5: DBX 0000000, nothing sent, 1 zero plane pending",
        "plane 6: DBX 0000000, nothing sent, 2 zero planes pending",
        "plane 7: DBX 0000000, nothing sent, 3 zero planes pending",
        "plane 8 (sign): DBX 0000000 is zero, sends 001 010, 4 zero planes; the block took 10 cycles",
    ]
    assert told(trace, 23) == [
        "c23 control FLUSH the BPC side is empty",
        "c23 buffer LAST gives 40",
        "c23 BPC port word 6: 40 leaves, marked last",
        "c23 blk_done_o the transmission is out",
    ]


def test_the_worked_example_in_the_decoder() -> None:
    trace = EXAMPLE.trace("decoder")
    assert told(trace, 0) == ["c0 num_words 4 comes in: 5 words"]
    symbols = [line.action for line in trace_lines(trace) if line.unit == "symbol decoder"]
    assert symbols[2:12] == [
        "the base 00000101",
        "plane 0: 00011 011, single one at 3: DBX 0001000, DBP 0001000",
        "plane 1: 1 1111000, raw: DBX 1111000, DBP 1110000",
        "plane 2: 00010 000, two ones at 0: DBX 1100000, DBP 0010000",
        "plane 3: 00001, plane zero: DBX 0010000, DBP 0000000",
        "plane 4: 00011 010, single one at 2: DBX 0010000, DBP 0010000",
        "plane 5: 001 010, 4 zero planes, this is the first",
        "plane 6: DBX is zero, 2 more of the run",
        "plane 7: DBX is zero, 1 more of the run",
        "plane 8 (sign): DBX is zero, the run's last; the block took 10 cycles",
    ]
    assert told(trace, 15)[:2] == [
        "c15 ZNZ decoder FULL 0 0000: 1 zero, flag 0; 9 bits left",
        "c15 control RUN flag 0: a zero; 2 left",
    ]
    assert told(trace, 17)[-1] == "c17 output word 4: ff leaves, marked last"


@pytest.mark.parametrize(("w", "n", "cycle"), [(8, 8, 12), (16, 8, 13), (16, 16, 20)])
def test_the_first_bpc_word_of_dense_words(w: int, n: int, cycle: int) -> None:
    """ebpc-cycles.md, A10."""
    words = dense(4 * n, w)
    lines = list(trace_lines(Session([words], w, n).trace("encoder")))
    first = {line.unit: line.cycle for line in reversed(lines) if line.kind == "handshake"}
    assert first["BPC port"] == cycle
    assert first["ZNZ port"] == w + 1
    complete = next(line for line in lines if line.action.endswith("the block is complete"))
    assert complete.cycle == n
    taken = next(line for line in lines if line.unit == "slice" and line.kind == "works")
    digits = w // 4
    assert taken.cycle == n + 1
    assert taken.action == "takes a block: " + " ".join(f"{x:0{digits}x}" for x in words[:n])


def test_everyone_waits_for_the_bpc_port() -> None:
    """Up to the producer, each unit names the one that it waits for."""
    encoder = Encoder(Parameters(), stalls={"bpc": Random(12, 5)}, trace=range(2000))
    encoder.feed(np.array(dense(45, 8), np.uint32), np.array([1], np.uint32))
    trace = encoder.finish()[1].trace
    assert trace is not None
    waits = {(x.unit, x.action) for x in trace_lines(trace) if x.kind == "waits"}
    said = {unit: [text for name, text in waits if name == unit] for unit, _ in waits}
    assert all(text.partition(",")[0].endswith("is offered") for text in said["input"])
    assert any(text.endswith("waits for the difference block") for text in said["control"])
    assert "waits until the BPC side is empty" in said["control"]
    assert said["difference"] == ["a block waits for the slice"]
    assert "the base waits for the packer" in said["plane coder"]
    assert "plane 1: its code waits for the packer" in said["plane coder"]
    assert said["packer"] == ["a word waits for the buffer"]
    assert all(text.endswith("waits for the BPC port") for text in said["buffer"])
    assert all("waits for the consumer" in text for text in said["BPC port"])


def test_everyone_waits_for_the_consumer() -> None:
    words = dense(30, 8)
    decoder = Decoder(
        Parameters(), stalls={"out": Random(25, 5), "number": Random(40, 2)}, trace=range(2000)
    )
    decoder.feed(*(Transmission.of(np.array(w, np.uint32), Parameters()) for w in (words, [1, 2])))
    trace = decoder.finish()[1].trace
    assert trace is not None
    lines = list(trace_lines(trace))
    waits = {(x.unit, x.action) for x in lines if x.kind == "waits"}
    assert ("control", "flag 1: the integrator's word, waits for the consumer") in waits
    assert ("ZNZ decoder", "flag 1 waits for the consumer") in waits
    assert ("collector", "a block waits for the slice") in waits
    assert ("symbol decoder", "the base waits for the collector") in waits
    assert ("control", "waits for a flag") in waits
    idle = {x.action for x in lines if x.kind == "idle" and x.unit == "control"}
    assert idle == {"waits for a number of words"}


@examples(30)
@given(sessions())
def test_lines_say_what_the_ports_do(session: Session) -> None:
    names = {"in": "input", "znz": "ZNZ port", "bpc": "BPC port", "out": "output"}
    names["number"] = "num_words"
    for side in SIDES:
        trace = session.trace(side)
        lines = list(trace_lines(trace))
        assert {line.kind for line in lines} <= set(KINDS)
        assert sorted({line.cycle for line in lines}) == list(trace.cycles)
        for port in PORTS[side]:
            valid, ready = trace.column(f"{port}_valid"), trace.column(f"{port}_ready")
            kinds = [line.kind for line in lines if line.unit == names[port]]
            expected = np.where(valid == 0, "idle", np.where(ready == 1, "handshake", "waits"))
            assert kinds == expected.tolist()
        if side == "encoder":
            done = [line for line in lines if line.unit == "blk_done_o"]
            assert len(done) == len(session.transmissions)


@pytest.mark.parametrize("side", SIDES)
def test_words_are_not_numbered_in_the_middle(side: str) -> None:
    trace = Session([dense(40, 8)]).trace(side, range(30, 50))
    assert (trace.first_cycle, len(trace)) == (30, 20)
    said = [line.action for line in trace_lines(trace) if line.kind == "handshake"]
    assert said
    assert not [text for text in said if text.startswith("word ") and ":" in text]


def test_every_recorded_session_is_put_into_words() -> None:
    for session in recorded():
        for side in SIDES:
            lines = list(trace_lines(session._replace(seed=7).trace(side)))
            assert all(line.action for line in lines)


# --- In a terminal ------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(lines: Any, width: int | None = None, **options: Any) -> str:
    file = io.StringIO()
    print_trace(lines, file, width, **options)
    return file.getvalue()


def test_chart_and_lines() -> None:
    text = printed(trace_lines(EXAMPLE.trace("encoder")))
    assert "\x1b" not in text
    lines = text.splitlines()
    assert lines[:3] == [
        "cycle          0         10        20",
        "input          *****...................",
        "control        .=========!!!!!!!!!!!!!=",
    ]
    assert "buffer         ............====-=---===" in lines
    assert "BPC port       .............***.*...***" in lines
    assert "     0  input                  * word 0: 05 comes in" in lines
    assert "        plane coder    BASE      sends the base 00000101" in lines
    assert "        buffer         FULL    - keeps 08, which may be the last word" in lines


def test_idle_units_are_left_out_unless_wanted() -> None:
    lines = list(trace_lines(EXAMPLE.trace("encoder")))
    assert "no block" not in printed(lines)
    assert printed(lines, idle=True).count("no block") == sum("no block" in str(x) for x in lines)


def test_cycles_that_bring_nothing_new_get_one_line() -> None:
    def lines(*said: str) -> list[TraceLine]:
        kinds = {"w": "waits", "i": "idle", "d": "works"}
        return [
            TraceLine(cycle, "packer", "FULL", f"does {kind}", kinds[kind])
            for cycle, kind in enumerate("".join(said), 95)
        ]

    details = printed(lines("ddwwwwiid")).split("\n\n")[-1].splitlines()
    assert details == [
        "     95  packer         FULL      does d",
        "     96  packer         FULL      does d",
        "     97  packer         FULL    ! does w",
        " 98-100  as before",
        "101-102  nothing to do",
        "    103  packer         FULL      does d",
    ]
    assert printed(lines("iiw")).splitlines()[-2:] == [
        " 95-96  nothing to do",
        "    97  packer         FULL    ! does w",
    ]
    assert printed(lines("dww")).splitlines()[-1] == "    97  as before"
    assert printed([]) == ""


def test_many_cycles_are_printed_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = list(trace_lines(Session([dense(60, 8)]).trace("encoder")))
    whole = printed(lines)
    monkeypatch.setattr(trace_render, "PIECE", 30)
    text = printed(iter(lines))
    assert text.count("a word passes") == 1
    assert [row.split()[1] for row in text.splitlines() if row.startswith("cycle")][:2] == [
        "0",
        "30",
    ]
    for line in lines:
        assert text.count(line.action) >= whole.count(line.action)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("side", SIDES)
def test_nothing_is_wider_than_the_terminal(side: str, width: int) -> None:
    session = Session([dense(30, 16), [0] * 40], 16, 16, seed=3)
    trace = session.trace(side)
    text = printed(trace_lines(trace), width)
    legend = next(line for line in text.splitlines() if "a word passes" in line)
    assert max(len(line) for line in text.splitlines() if line != legend) <= width
    words = text.replace("\n", " ").split()
    assert words.count("leaves") + words.count("leaves,") == sum(
        "leaves" in line.action for line in trace_lines(trace)
    )


def test_the_chart_goes_on_below() -> None:
    trace = Session([dense(80, 8)]).trace("encoder")
    cycles = [[line for line in trace_lines(trace) if line.cycle == c] for c in trace.cycles]
    rows = [str(text) for text in chart(cycles, 60)]
    drawn = "".join(row[15:] for row in rows if row.startswith("BPC port"))
    assert drawn == "".join({0: ".", 1: "*"}[int(both)] for both in trace.column("bpc_valid"))
    assert [row.split()[1] for row in rows if row.startswith("cycle")] == ["0", "40", "80", "120"][
        : len(trace) // 40 + 1
    ]


def test_colours_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = Terminal()
    print_trace(trace_lines(EXAMPLE.trace("encoder")), file, 100)
    assert "\x1b[1;32m* word 0: 05 comes in\x1b[0m" in file.getvalue()
    assert "\x1b[33m! waits until the BPC side is empty\x1b[0m" in file.getvalue()
    assert "\x1b[90m! waits until the BPC side is empty\x1b[0m" in file.getvalue(), "again"
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal()
    print_trace(trace_lines(EXAMPLE.trace("encoder")), file, 100)
    assert "\x1b[3" not in file.getvalue()
