"""What the encoder's units do, in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import pairwise

from fmcompress.hardware.symbols import plane_symbol, zero_run
from fmcompress.hardware.trace import UNKNOWN, Trace
from fmcompress.hardware.trace_line import (
    HANDSHAKE,
    HOLDS,
    IDLE,
    WAITS,
    WORKS,
    Row,
    Said,
    TraceLine,
    TraceText,
    bits_count,
    port_line,
)


class EncoderText(TraceText):
    """Puts the rows of an encoder's trace into words, in their order.

    Parameters
    ----------
    trace : Trace
    """

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        # Words that the difference block took, as far back as the window goes.
        self.taken: deque[int] = deque(maxlen=trace.block_size)
        # DBP and DBX of the block in the slice, if all of its words are known.
        self.planes: list[tuple[str, str]] = []
        self.block: list[int] = []

    def lines(self, row: int) -> Iterator[TraceLine]:
        """Give the lines of a row; the next call is for the row behind it."""
        r = self._row(row)
        cycle = self.trace.cycles[row]
        # Said first: in its last cycle with a block, the slice takes the next one.
        plane_coder = self._plane_coder(r, row)
        for name, state, (action, kind) in (
            ("input", "", port_line(r, "in", self._number_of("input", row), self.digits, True)),
            ("control", self._state("control", row), self._control(r)),
            ("ZNZ coder", self._state("znz_coder", row), self._znz_coder(r)),
            ("ZNZ port", "", port_line(r, "znz", self._number_of("znz", row), self.digits, False)),
            ("difference", self._state("difference", row), self._difference(r)),
            ("slice", self._state("slice", row), self._slice(r)),
            ("plane coder", self._state("plane_coder", row), plane_coder),
            ("packer", self._state("packer", row), self._packer(r)),
            ("buffer", self._state("buffer", row), self._buffer(r)),
            ("BPC port", "", port_line(r, "bpc", self._number_of("bpc", row), self.digits, False)),
        ):
            yield TraceLine(cycle, name, state, action, kind)
        if r["blk_done"]:
            yield TraceLine(cycle, "blk_done_o", "", "the transmission is out", HANDSHAKE)

    def _signed(self, word: int) -> int:
        return word - (word >> self.trace.word_bits - 1 << self.trace.word_bits)

    # --- Units ------------------------------------------------------------------------------

    def _control(self, r: Row) -> Said:
        if r["control.flushing"]:
            return self._flush(r)
        if not r["control.busy"]:
            return "no word", IDLE
        word = f"{self._hex(r['control.word'])}{', the last' if r['control.last'] else ''}"
        to_znz, to_bpc = r["control.owes_znz"], r["control.owes_bpc"]
        gives_znz, gives_bpc = r["znz_takes"], r["difference_takes"]
        if r["control.word"] == 0:
            if not gives_znz:
                return f"{word}: waits for the ZNZ coder", WAITS
            return f"{word}: flag 0 to ZNZ coder, nothing to code{self._end(r)}", WORKS
        given = ["flag 1 to ZNZ coder"] if gives_znz else []
        given += ["word to difference"] if gives_bpc else []
        missing = ["the ZNZ coder"] if to_znz > gives_znz else []
        missing += ["the difference block"] if to_bpc > gives_bpc else []
        waits = [f"waits for {' and '.join(missing)}"] if missing else []
        return f"{word}: {', '.join([*given, *waits])}", WAITS if missing else WORKS

    def _flush(self, r: Row) -> Said:
        if r["pads"]:  # the difference block takes it: only a full block can wait for the slice
            place = f"word {r['difference.taken'] + 1} of {self.trace.block_size}"
            return f"fills up the block: a zero as {place}", WORKS
        if r["bpc_idle"]:
            return f"the BPC side is empty{self._end(r)}", WORKS
        return "waits until the BPC side is empty", WAITS

    def _end(self, r: Row) -> str:
        """Say what the control tells the buffer, if it does not know it yet."""
        news = r["was_last"] and r["buffer.full"] and not r["buffer.last"]
        return "; tells the buffer that its word is the last" if news else ""

    def _znz_coder(self, r: Row) -> Said:
        w, zeros, held = self.trace.word_bits, r["znz.zeros"], r["znz.held"]
        said = []
        if r["znz_gives"]:
            padding = w - held if r["znz.closing"] else 0
            end = f", its last {bits_count(padding)} padding" if padding > 0 else ""
            said.append(f"gives {'the last' if r['znz_last'] else 'a'} word{end}")
            held = max(held - w, 0)
        elif r["znz.valid"]:
            return "a word waits for the ZNZ port", WAITS
        if r["znz.closing"] and not r["znz.valid"]:
            code, of = zero_run(zeros, self.trace.burst_bits), f" for the {_zeros(zeros)} left"
        elif r["znz_takes"]:
            code, of = self._flag(r)
        else:
            end = f"{bits_count(held)} held" if held else "empty"
            pending = f", {_zeros(zeros)} counted" if zeros else ""
            return "; ".join(said) or f"{end}{pending}", WORKS if said else IDLE
        held += len(code.replace(" ", ""))
        said.append(f"appends {code}{of}" if code else of)
        if code:
            said.append(f"{held} held{', a word is complete' if held >= w else ''}")
        return "; ".join(said), WORKS

    def _flag(self, r: Row) -> tuple[str, str]:
        """Return what a flag adds to the ZNZ stream, and why."""
        zeros, most = r["znz.zeros"], 1 << self.trace.burst_bits
        if r["control.word"]:
            if zeros:
                return (
                    f"{zero_run(zeros, self.trace.burst_bits)} 1",
                    f" for {_zeros(zeros)} and a word",
                )
            return "1", ""
        if zeros + 1 == most:
            return zero_run(most, self.trace.burst_bits), f" for {most} zeros, the longest run"
        return "", f"counts a zero: {zeros + 1}"

    def _difference(self, r: Row) -> Said:
        taken, n = r["difference.taken"], self.trace.block_size
        said = ["hands the block to the slice"] if r["loads"] else []
        if r["loads"]:
            self._keep_planes()
        if r["difference_takes"]:
            word = 0 if r["control.flushing"] else r["control.word"]
            self.taken.append(word)
            place = f"word {taken + 1} of {n}"
            if taken == 0:
                said.append(f"{place}, the base: {self._hex(word)}")
            else:
                before = r["previous"]
                change = self._signed(word) - self._signed(before)
                said.append(f"{place}: {self._hex(word)} - {self._hex(before)} = {change}")
            if taken + 1 == n:
                said.append("the block is complete")
        elif r["difference.out"] and not said:
            return "a block waits for the slice", WAITS
        held = f"{taken} of {n} words" if taken else "empty"
        return "; ".join(said) or held, WORKS if said else IDLE

    def _keep_planes(self) -> None:
        """Work out the planes of the block that goes into the slice."""
        self.planes, words = [], list(self.taken)
        self.block = words if len(words) == self.trace.block_size else []
        if not self.block:
            return
        differences = [self._signed(b) - self._signed(a) for a, b in pairwise(words)]
        before = 0
        for j in range(self.trace.word_bits + 1):
            plane = int("".join(str(d >> j & 1) for d in differences), 2)
            shown = (f"{bits:0{len(differences)}b}" for bits in (plane, plane ^ before))
            self.planes.append((next(shown), next(shown)))
            before = plane

    def _slice(self, r: Row) -> Said:
        if r["loads"]:
            words = f": {' '.join(map(self._hex, self.block))}" if self.block else ""
            away = "lets a block go, " if r["pops"] else ""
            return f"{away}takes a block{words}", WORKS
        if r["pops"]:
            return "lets the block go", WORKS
        return ("holds a block" if r["coder.full"] else "empty"), IDLE

    def _plane_coder(self, r: Row, row: int) -> Said:
        if not r["coder.full"]:
            return "no block", IDLE
        w, n = self.trace.word_bits, self.trace.block_size
        j = int(self.scopes["plane_coder"]["plane"].values[row])
        pending = int(self.scopes["plane_coder"]["pending_zero_planes"].values[row])
        if r["coder.step"] == 0:
            if not r["moves"]:
                return "the base waits for the packer", WAITS
            return f"sends the base {r['code']:0{w}b}", WORKS
        plane = f"plane {'?' if j == UNKNOWN else j}{' (sign)' if j == w else ''}"
        if not r["moves"]:
            return f"{plane}: its code waits for the packer", WAITS
        known = self.planes[j] if self.planes and j != UNKNOWN else ("", "")
        dbp, dbx = (f" {bits}".rstrip() for bits in known)
        if not r["code_bits"]:
            so_far = "" if pending == UNKNOWN else f", {_planes(pending + 1)} pending"
            return f"{plane}: DBX{dbx}, nothing sent{so_far}", WORKS
        name, bits = plane_symbol(r["code"], r["code_bits"], w, n)
        end = ""
        if r["pops"]:
            end = f"; the block took {r['bench.cycle'] - r['coder.loaded_in']} cycles"
        if bits.startswith(("01", "001")):
            if r["pops"]:
                return f"{plane}: DBX{dbx} is zero, sends {bits}, {name}{end}", WORKS
            return f"{plane}: DBX{dbx} is not zero, first sends {bits}, {name}", WORKS
        if name == "plane zero":
            dbx = f"{dbx}, DBP{dbp}"
        name = "raw" if bits.startswith("1") else name
        return f"{plane}: DBX{dbx}, sends {bits}, {name}{end}", WORKS

    def _packer(self, r: Row) -> Said:
        w, held = self.trace.word_bits, r["packer.held"]
        said = []
        if r["packer_gives"]:
            padding = w - held if r["packer.closing"] else 0
            end = f", its last {bits_count(padding)} padding" if padding > 0 else ""
            said.append(f"gives {'the last' if r['packer_last'] else 'a'} word{end}")
            held = max(held - w, 0)
        elif r["packer.valid"]:
            return "a word waits for the buffer", WAITS
        if r["sent"]:
            held += r["code_bits"]
            complete = ", a word is complete" if held >= w else ""
            said.append(f"takes {bits_count(r['code_bits'])}; {held} held{complete}")
        elif r["flush"] and 0 < held < w and not r["packer.closing"]:
            said.append(f"no more codes: {bits_count(held)} will be the last word")
        return "; ".join(said) or (f"{bits_count(held)} held" if held else "empty"), (
            WORKS if said else IDLE
        )

    def _buffer(self, r: Row) -> Said:
        word = self._hex(r["buffer.word"])
        said = [f"gives {word}"] if r["bpc_gives"] else []
        if r["packer_gives"]:
            said.append(f"takes {self._hex(self._oldest(r))}")
        if said:
            return ", ".join(said), WORKS
        if r["bpc_valid"]:
            return f"{word} waits for the BPC port", WAITS
        if r["buffer.full"]:
            return f"keeps {word}, which may be the last word", HOLDS
        return "empty", IDLE

    def _oldest(self, r: Row) -> int:
        """Return the packer's word."""
        spare = r["packer.held"] - self.trace.word_bits
        return r["packer.bits"] >> spare if spare >= 0 else r["packer.bits"] << -spare


def _zeros(zeros: int) -> str:
    return "1 zero" if zeros == 1 else f"{zeros} zeros"


def _planes(planes: int) -> str:
    return "1 zero plane" if planes == 1 else f"{planes} zero planes"
