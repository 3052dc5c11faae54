"""What the decoder's units do, in words."""

from __future__ import annotations

from collections.abc import Iterator

from fmcompress.hardware.symbols import plane_of, plane_symbol, zero_run
from fmcompress.hardware.trace_line import (
    HANDSHAKE,
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


class DecoderText(TraceText):
    """Puts the rows of a decoder's trace into words.

    Parameters
    ----------
    trace : Trace
    """

    def lines(self, row: int) -> Iterator[TraceLine]:
        """Give the lines of a row."""
        r = self._row(row)
        cycle = self.trace.cycles[row]
        for name, state, (action, kind) in (
            ("num_words", "", self._number(r)),
            ("ZNZ port", "", port_line(r, "znz", self._number_of("znz", row), self.digits, True)),
            ("ZNZ decoder", self._state("znz_decoder", row), self._znz_decoder(r)),
            ("BPC port", "", port_line(r, "bpc", self._number_of("bpc", row), self.digits, True)),
            ("unpacker", self._state("unpacker", row), self._unpacker(r)),
            ("symbol decoder", self._state("symbol_decoder", row), self._symbol_decoder(r)),
            ("collector", self._state("collector", row), self._collector(r)),
            ("slice", self._state("slice", row), self._slice(r)),
            ("integrator", self._state("integrator", row), self._integrator(r)),
            ("control", self._state("control", row), self._control(r)),
            ("output", "", port_line(r, "out", self._number_of("output", row), self.digits, False)),
        ):
            yield TraceLine(cycle, name, state, action, kind)

    # --- Units ------------------------------------------------------------------------------

    def _number(self, r: Row) -> Said:
        if not r["number_valid"]:
            return ("ready, no number" if r["number_ready"] else "no number"), IDLE
        number, words = r["number_data"] - 1, f"{r['number_data']} words"
        if r["number_ready"]:
            return f"{number} comes in: {words}", HANDSHAKE
        return f"{number} is offered: {words}", WAITS

    def _znz_decoder(self, r: Row) -> Said:
        w, z, held = self.trace.word_bits, self.trace.burst_bits, r["znz.held"]
        said, kind = [], WORKS
        if r["given"] and r["znz.run"]:
            left = r["znz.run"] - 1
            said.append(f"flag 0, {left} more of the run" if left else "flag 0, the run's last")
        elif r["given"] and r["flag"]:
            said.append("1: flag 1")
            held -= 1
        elif r["given"]:
            held -= 1 + z
            zeros = (r["znz.bits"] >> held & (1 << z) - 1) + 1
            what = f"a run of {zeros} zeros, flag 0" if zeros > 1 else "1 zero, flag 0"
            said.append(f"{zero_run(zeros, z)}: {what}")
        elif r["flag_valid"]:
            said.append(f"flag {r['flag']} waits for {self._blocker(r)}")
            kind = WAITS if r["control.running"] else IDLE
        elif r["control.running"] and not r["znz_taken"]:
            said.append(f"{bits_count(held)}, too few for a flag: waits for the ZNZ port")
            kind = WAITS
        if r["znz_taken"]:
            held += w
            said.append("takes a word")
            kind = WORKS
        if r["finish"]:
            return f"{'; '.join(said)}; cleared", kind
        if said and kind == WORKS:
            said.append(f"{bits_count(held)} left")
        return "; ".join(said) or (f"{bits_count(held)} held" if held else "empty"), (
            kind if said else IDLE
        )

    def _blocker(self, r: Row) -> str:
        """Name what a flag waits for."""
        if not r["control.running"]:
            return "a number of words"
        return "the consumer" if r["out_valid"] else "its word"

    def _unpacker(self, r: Row) -> Said:
        held, said = r["unpacker.held"], []
        if r["consumes"]:
            held -= r["code_bits"]
            said.append(f"lets {bits_count(r['code_bits'])} go")
        if r["bpc_taken"]:
            held += self.trace.word_bits
            said.append("takes a word")
        if r["clear"] and r["unpacker.held"]:
            return "cleared", WORKS
        if said:
            return f"{', '.join(said)}; {bits_count(held)} left", WORKS
        return (f"{bits_count(held)} held" if held else "empty"), IDLE

    def _symbol_decoder(self, r: Row) -> Said:
        w, j = self.trace.word_bits, r["symbol.number"] - 1
        what = "the base" if j < 0 else f"plane {j}{' (sign)' if j == w else ''}"
        if r["symbol_blocked"]:
            return f"{what} waits for the collector", WAITS
        if not r["pushes"]:
            if j < 0 and not r["unpacker.held"]:
                return "no bits", IDLE
            held = bits_count(r["unpacker.held"])
            if r["control.bpc_ended"]:
                return f"no more words: {held} of padding", IDLE
            return f"{what}: {held} are too few", WAITS
        if j < 0:
            return f"{what} {r['code']:0{w}b}", WORKS
        end = ""
        if r["ends_block"]:
            end = f"; the block took {r['bench.cycle'] + 1 - r['symbol.began_in']} cycles"
        if r["symbol.run"]:
            left = r["symbol.run"] - 1
            more = f"{left} more of the run" if left else "the run's last"
            return f"{what}: DBX is zero, {more}{end}", WORKS
        n = self.trace.block_size
        name, bits = plane_symbol(r["code"], r["code_bits"], w, n)
        if bits.startswith(("01", "001")):
            more = "" if r["consumes"] else ", this is the first"
            return f"{what}: {bits}, {name}{more}{end}", WORKS
        dbx, dbp = plane_of(r["code"], r["code_bits"], r["symbol.previous"], n)
        name = "raw" if bits.startswith("1") else name
        return f"{what}: {bits}, {name}: DBX {dbx:0{n - 1}b}, DBP {dbp:0{n - 1}b}{end}", WORKS

    def _collector(self, r: Row) -> Said:
        said = ["hands its block to the slice"] if r["loads"] else []
        if r["collector.full"] and not said:
            return "a block waits for the slice", WAITS
        if r["pushes"]:
            j = r["symbol.number"] - 1
            said.append("takes the base" if j < 0 else f"takes plane {j}")
            said += ["the block is complete"] if r["ends_block"] else []
        return "; ".join(said) or "nothing new", WORKS if said else IDLE

    def _slice(self, r: Row) -> Said:
        said = ["lets its block go"] if r["pop"] else []
        said += ["cleared"] if r["clear"] and r["slice.full"] and not r["pop"] else []
        said += ["takes a block"] if r["loads"] else []
        return ", ".join(said) or ("holds a block" if r["slice.full"] else "empty"), (
            WORKS if said else IDLE
        )

    def _integrator(self, r: Row) -> Said:
        place = f"word {r['slice.place'] + 1} of {self.trace.block_size}"
        if r["given"] and r["flag"]:
            return f"{place}: {self._hex(r['out_data'])}", WORKS
        if not r["slice.full"]:
            return "no block", IDLE
        return f"{place} is ready", IDLE

    def _control(self, r: Row) -> Said:
        if not r["control.running"]:
            return "waits for a number of words", IDLE
        left = r["control.left"]
        if not r["flag_valid"]:
            return "waits for a flag", WAITS
        if not r["out_valid"]:
            return "flag 1: waits for the word", WAITS
        what = "flag 1: the integrator's word" if r["flag"] else "flag 0: a zero"
        if not r["given"]:
            return f"{what}, waits for the consumer", WAITS
        return f"{what}; {f'{left} left' if left else 'the last, all is cleared'}", WORKS
