"""Traces of encoder and decoder, and sessions of transmissions, for tests."""

from __future__ import annotations

from typing import NamedTuple

import harness
import numpy as np
from hypothesis import strategies as st
from vectors import load

from fmcompress import reference
from fmcompress.hardware import Decoder, Encoder, Parameters
from fmcompress.hardware.decoder import Transmission
from fmcompress.hardware.patterns import Random
from fmcompress.hardware.trace import Trace

SIDES = ("encoder", "decoder")
PORTS = {"encoder": ("in", "znz", "bpc"), "decoder": ("number", "bpc", "znz", "out")}
# w, n and z that the hardware can have.
PARAMETERS = [(8, 8, 4), (8, 8, 2), (16, 8, 4), (16, 16, 4), (32, 16, 5), (32, 32, 6)]
ALL_CYCLES = range(1 << 16)


class Session(NamedTuple):
    """Transmissions, parameters, and how often each port goes, of 256 times; 0: always."""

    transmissions: list[list[int]]
    w: int = 8
    n: int = 8
    z: int = 4
    seed: int = 0

    @property
    def streams(self) -> list[tuple[bytes, bytes]]:
        """Both streams of each transmission, as the reference has them."""
        numbers = (self.w, self.n, 1 << self.z)
        return [reference.encode(t, *numbers, "signed") for t in self.transmissions]

    def trace(self, side: str, cycles: range = ALL_CYCLES) -> Trace:
        """Run encoder or decoder until all is out."""
        thresholds = np.random.default_rng(self.seed).integers(40, 256, len(PORTS[side]))
        stalls = {
            port: Random(int(threshold), self.seed + place)
            for place, (port, threshold) in enumerate(zip(PORTS[side], thresholds, strict=True))
        }
        parameters = Parameters(self.w, self.n, self.z)
        common = {"stalls": stalls if self.seed else {}, "trace": cycles}
        dtype = f">u{self.w // 8}"
        if side == "encoder":
            encoder = Encoder(parameters, **common)
            encoder.feed(*(np.array(t, np.uint32) for t in self.transmissions))
            trace = encoder.finish()[1].trace
        else:
            decoder = Decoder(parameters, **common)
            for words, pair in zip(self.transmissions, self.streams, strict=True):
                parts = (np.frombuffer(stream, dtype).astype(np.uint32) for stream in pair)
                decoder.feed(Transmission(len(words), *parts))
            trace = decoder.finish()[1].trace
        assert trace is not None
        return trace


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    """Choose transmissions, parameters and stalls."""
    w, n, z = draw(st.sampled_from(PARAMETERS))
    words = harness.words(w, n, 1 << z).filter(bool)
    return Session(draw(st.lists(words, min_size=1, max_size=3)), w, n, z, draw(st.integers(0, 99)))


def recorded() -> list[Session]:
    """Return the short sessions of the recorded vectors."""
    return [
        Session(case.words, case.word_bits, case.block_size, case.max_burst.bit_length() - 1)
        for case in load()
        if sum(map(len, case.words)) < 120
    ]


def dense(words: int, w: int) -> list[int]:
    """Return words of noise, none of them zero."""
    noise: list[int] = np.random.default_rng(1).integers(1, 1 << w, words).tolist()
    return noise
