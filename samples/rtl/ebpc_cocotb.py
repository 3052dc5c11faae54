"""cocotb test bench of ebpc_encoder and ebpc_decoder: words, last flags and handshake cycles.

Every case of a vectors.jsonl is run in every mode, ideal and with stalls, and compared with what
it says. In the environment: VECTORS, the path of the file.
"""

import json
import os
from itertools import accumulate

import cocotb
from cocotb.triggers import ReadOnly, Timer

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
QUIET = 1000  # so many cycles without a handshake end a run


def load():
    """Read all cases."""
    with open(os.environ["VECTORS"], encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


def words_of(case, name, lengths):
    """Words of all transmissions, each with its last flag."""
    digits = case["w"] // 4
    text = case[name]
    words = [int(text[i : i + digits], 16) for i in range(0, len(text), digits)]
    ends = set(accumulate(n for n in case[lengths] if n))
    return [(word, int(place + 1 in ends)) for place, word in enumerate(words)]


def cycles_of(text):
    """Decode handshake cycles: distances, as one character each or as (decimal)."""
    cycles, now, at = [], 0, 0
    while at < len(text):
        if text[at] == "(":
            end = text.index(")", at)
            now += int(text[at + 1 : end])
        else:
            end = at
            now += DIGITS.index(text[at])
        cycles.append(now)
        at = end + 1
    return cycles


class Gate:
    """Open in some cycles, at random: stepped once a cycle."""

    def __init__(self, seed, threshold):
        self.state, self.threshold = seed, threshold

    def step(self):
        """Tell whether it is open in the next cycle."""
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return self.state >> 24 < self.threshold


class Producer:
    """Offers words at a port; a word that was offered stays until it is taken."""

    def __init__(self, words, gate, valid, ready, data, last=None):
        self.words, self.gate = words, Gate(*gate)
        self.valid, self.ready, self.data, self.last = valid, ready, data, last
        self.at, self.offers = 0, False
        self.cycles = []

    def drive(self, allowed=True):
        """Apply the inputs of a cycle."""
        is_open = self.gate.step()
        self.offers = self.offers or (is_open and allowed and self.at < len(self.words))
        word, last = self.words[self.at] if self.offers else (0, 0)
        self.valid.value = int(self.offers)
        self.data.value = word
        if self.last is not None:
            self.last.value = last

    def sample(self, cycle):
        """Look at the port just before the clock edge; tell whether there is a handshake."""
        if not (self.offers and self.ready.value == 1):
            return False
        self.at, self.offers = self.at + 1, False
        self.cycles.append(cycle)
        return True


class Consumer:
    """Takes words at a port."""

    def __init__(self, gate, valid, ready, data, last):
        self.gate = Gate(*gate)
        self.valid, self.ready, self.data, self.last = valid, ready, data, last
        self.is_ready = False
        self.words, self.cycles = [], []

    def drive(self):
        """Apply the inputs of a cycle."""
        self.is_ready = self.gate.step()
        self.ready.value = int(self.is_ready)

    def sample(self, cycle):
        """Look at the port just before the clock edge; tell whether there is a handshake."""
        if not (self.is_ready and self.valid.value == 1):
            return False
        # A value with x or z in it has no number: it stays text, and equals none.
        values = [self.data.value, self.last.value]
        found = [int(v) if v.is_resolvable else str(v) for v in values]
        self.words.append(tuple(found))
        self.cycles.append(cycle)
        return True

    def check(self, expected, cycles, what):
        """Compare words and cycles; say where they first differ."""
        for place, (word, wanted) in enumerate(zip(self.words, expected, strict=False)):
            assert word == wanted, f"{what}: word {place} is {word}, not {wanted}"
        assert len(self.words) == len(expected), (
            f"{what}: {len(self.words)} words, not {len(expected)}"
        )
        check_cycles(self.cycles, cycles, what)


def check_cycles(found, text, what):
    """Compare handshake cycles; COMPARE_CYCLES=0 leaves that out."""
    if os.environ.get("COMPARE_CYCLES", "1") == "0":
        return
    for place, (cycle, wanted) in enumerate(zip(found, cycles_of(text), strict=False)):
        assert cycle == wanted, f"{what}: handshake {place} in cycle {cycle}, not {wanted}"


async def reset(dut, ports):
    """Hold the reset for four cycles, with all inputs 0; release it while the clock is low."""
    dut.rst_ni.value = 0
    dut.clk_i.value = 0
    for port in ports:
        port.value = 0
    for _ in range(4):
        for level in (1, 0):
            await Timer(5, "ns")
            dut.clk_i.value = level
    await Timer(1, "ns")
    dut.rst_ni.value = 1


async def run(dut, drive, sample):
    """Clock the design until nothing happens any more."""
    cycle = quiet = 0
    while quiet < QUIET:
        drive()
        await Timer(4, "ns")
        await ReadOnly()
        quiet = 0 if sample(cycle) else quiet + 1
        await Timer(1, "ns")
        dut.clk_i.value = 1
        await Timer(5, "ns")
        dut.clk_i.value = 0
        cycle += 1


@cocotb.test(skip=os.environ.get("TOPLEVEL") == "ebpc_decoder")
async def encoder(dut):
    """Words in; both streams, their last flags and all cycles as expected."""
    for case in load():
        for mode, expected in case["enc"].items():
            if expected["wait_idle"] or expected["status"] != "ok":
                continue
            what = f"{case['id']}, encoder, {mode}"
            gates = expected["gates"]
            words = words_of(case, "words", "tx_lens")
            given = Producer(words, gates["in"], dut.vld_i, dut.rdy_o, dut.data_i, dut.last_i)
            znz, bpc = (
                Consumer(gates[port], *(getattr(dut, f"{port}_{name}") for name in names))
                for port, names in (
                    ("znz", ("vld_o", "rdy_i", "data_o", "last_o")),
                    ("bpc", ("vld_o", "rdy_i", "data_o", "last_o")),
                )
            )
            await reset(dut, (dut.vld_i, dut.data_i, dut.last_i, dut.znz_rdy_i, dut.bpc_rdy_i))
            ports = (given, znz, bpc)
            await run(
                dut,
                lambda ports=ports: [port.drive() for port in ports],
                lambda cycle, ports=ports: sum(port.sample(cycle) for port in ports) > 0,
            )
            znz.check(words_of(case, "znz", "znz_lens"), expected["znz"], f"{what}, znz")
            bpc.check(words_of(case, "bpc", "bpc_lens"), expected["bpc"], f"{what}, bpc")
            assert given.at == len(words), f"{what}: only {given.at} words were accepted"
            check_cycles(given.cycles, expected["in"], f"{what}, in")


@cocotb.test(skip=os.environ.get("TOPLEVEL") != "ebpc_decoder")
async def decoder(dut):
    """Streams in; the words, their last flags and all cycles as expected."""
    for case in load():
        for mode, expected in case["dec"].items():
            what = f"{case['id']}, decoder, {mode}"
            gates = expected["gates"]
            counts = [(count - 1, 0) for count in case["tx_lens"]]
            number = Producer(
                *(counts, gates["nw"]),
                *(dut.num_words_vld_i, dut.num_words_rdy_o, dut.num_words_i),
            )
            znz, bpc = (
                Producer(
                    words_of(case, port, f"{port}_lens"),
                    gates[port],
                    *(getattr(dut, f"{port}_{name}") for name in ("vld_i", "rdy_o", "i", "last_i")),
                )
                for port in ("znz", "bpc")
            )
            out = Consumer(gates["out"], dut.vld_o, dut.rdy_i, dut.data_o, dut.last_o)
            inputs = (number, znz, bpc)
            await reset(dut, [dut.rdy_i, *(p.valid for p in inputs), *(p.data for p in inputs)])
            # Words of a transmission are offered only behind its number of words; else the RTL
            # takes the last flags of those that come before for nothing.
            free = {port: [0, *accumulate(case[f"{port}_lens"])] for port in ("znz", "bpc")}

            def drive(number=number, znz=znz, bpc=bpc, out=out, free=free, expected=expected):
                coupled = expected["coupled"]
                started = number.at
                number.drive()
                znz.drive(not coupled or znz.at < free["znz"][started])
                bpc.drive(not coupled or bpc.at < free["bpc"][started])
                out.drive()

            ports = (number, znz, bpc, out)
            await run(
                dut, drive, lambda cycle, ports=ports: sum(p.sample(cycle) for p in ports) > 0
            )
            out.check(words_of(case, "words", "tx_lens"), expected["out"], f"{what}, out")
            for name, port in (("nw", number), ("znz", znz), ("bpc", bpc)):
                assert port.at == len(port.words), f"{what}, {name}: {port.at} words were accepted"
                check_cycles(port.cycles, expected[name], f"{what}, {name}")
