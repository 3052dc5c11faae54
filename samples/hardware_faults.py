"""Show what is wrong in the RTL of the EBPC hardware, and what the model does there.

``python samples/hardware_faults.py`` prints a line for every fault of docs/HARDWARE.md, section 9,
that can be seen: with the RTL's faults, and, behind the bar, without.
"""

from __future__ import annotations

import numpy as np

from fmcompress.hardware import Decoder, Encoder, Parameters, Pattern, pattern
from fmcompress.hardware.decoder import Transmission

PARAMETERS = Parameters(word_bits=8, block_size=8, burst_bits=4)
# Words, and what stalls which port.
ENCODER: dict[str, tuple[list[int], dict[str, Pattern]]] = {
    "E1": ([5, 3, 1, 5, 5, 3, 1, 3, *[0] * 13], {}),
    "E2": ([0], {}),
    "E3": ([9], {"znz": pattern("periodic:1/1:40")}),
    "E4": ([9], {"bpc": pattern("periodic:1/4")}),
}
# Transmissions, all offered from cycle 0 on.
DECODER = {"D1": [[1, 2], [3]], "D2": [[0], [73]]}


def encode(words: list[int], stalls: dict[str, Pattern], rtl_quirks: bool) -> str:
    """Encode one transmission, and say what came out."""
    encoder = Encoder(
        PARAMETERS, stalls=stalls, rtl_quirks=rtl_quirks, keep_streams=True, trace=range(100)
    )
    encoder.feed(np.array(words, np.uint32))
    _, output = encoder.finish()
    trace = output.trace
    assert trace is not None
    done = trace.column("blk_done").sum()
    early = (trace.column("idle") & trace.column("buffer.full")).sum()
    return f"{output.streams['bpc'].size} BPC words, {done} done, {early} idle too early"


def transmission(words: list[int]) -> Transmission:
    """Encode one transmission for the decoder."""
    encoder = Encoder(PARAMETERS, keep_streams=True)
    encoder.feed(np.array(words, np.uint32))
    streams = encoder.finish()[1].streams
    return Transmission(len(words), streams["znz"], streams["bpc"])


def decode(transmissions: list[list[int]], rtl_quirks: bool) -> str:
    """Offer all transmissions at once, and say which words come out."""
    decoder = Decoder(PARAMETERS, rtl_quirks=rtl_quirks, keep_words=True)
    _, output = decoder.run_uncoupled(*map(transmission, transmissions), cycles=1000)
    return " ".join(map(str, output.streams["out"]))


if __name__ == "__main__":
    for fault, (words, stalls) in ENCODER.items():
        print(fault, encode(words, stalls, True), "|", encode(words, stalls, False))
    for fault, transmissions in DECODER.items():
        print(fault, decode(transmissions, True), "|", decode(transmissions, False))
