"""A wait is charged to whoever caused it, also if that was before (docs/HARDWARE.md, "Stalls")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from conftest import JIT
from harness import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmcompress.hardware import Decoder, Encoder, Parameters, Pattern, session
from fmcompress.hardware.decoder import Transmission
from fmcompress.hardware.listed import Listed
from fmcompress.hardware.patterns import ALWAYS, Periodic, Random
from fmcompress.hardware.run import Run

P = Parameters
Session = Sequence[NDArray[np.uint32]]
SHAPES = (P(8, 8, 4), P(16, 8, 4), P(16, 16, 4), P(32, 32, 5))


@pytest.fixture(autouse=True, scope="module")
def few_gates() -> Iterator[None]:
    """Make no more gates than short runs need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "GATE_CYCLES", 1 << 10)
        yield


def encode(transmissions: Session, p: P, **stalls: Pattern) -> Run:
    encoder = Encoder(p, stalls=stalls)
    encoder.feed(*transmissions)
    run = encoder.finish()[0]
    assert run.works + sum(run.waits.values()) == run.cycles
    assert min(run.waits.values()) >= 0
    return run


def decode(transmissions: Session, p: P, **stalls: Pattern) -> Run:
    decoder = Decoder(p, stalls=stalls)
    decoder.feed(*(Transmission.of(words, p) for words in transmissions))
    run = decoder.finish()[0]
    assert run.works + sum(run.waits.values()) == run.cycles
    assert min(run.waits.values()) >= 0
    return run


def walk(count: int, p: P, zeros: float, seed: int) -> NDArray[np.uint32]:
    rng = np.random.default_rng(seed)
    words = rng.integers(1, 2 ** rng.integers(1, p.word_bits + 1), count, endpoint=True)
    words %= 2**p.word_bits
    words[rng.random(count) < zeros] = 0
    return words.astype(np.uint32)


@st.composite
def sessions(draw: st.DrawFn) -> tuple[Session, P]:
    p = draw(st.sampled_from(SHAPES))
    parts = st.tuples(
        st.integers(1, 200), st.sampled_from([0.0, 0.2, 0.5, 0.9]), st.integers(0, 99)
    )
    drawn = draw(st.lists(parts, min_size=1, max_size=3))
    return [walk(count, p, zeros, seed) for count, zeros, seed in drawn], p


patterns = st.one_of(
    st.builds(Random, st.integers(10, 255), st.integers(0, 2**32 - 1)),
    st.builds(Periodic, st.just(1), st.integers(2, 9), st.integers(0, 9)),
    st.lists(st.booleans(), min_size=2, max_size=60)
    .filter(any)
    .map(lambda x: Listed(bytes(x), "gates.txt")),
)


@pytest.mark.parametrize("p", SHAPES)
def test_port_is_charged_with_what_it_holds_up(p: P) -> None:
    """Whoever waits for a coder that the port held up before waits for the port."""
    words = [walk(4000 if JIT else 800, p, 0, 1)]
    for run, coder in ((encode, "plane coder"), (decode, "symbol decoder")):
        free, stalled = run(words, p), run(words, p, bpc=Periodic(1, 8))
        assert free.waits["bpc port"] == 0
        assert stalled.waits[coder] == free.waits[coder]
        assert stalled.waits["bpc port"] > 2 * stalled.waits[coder]
        assert abs(stalled.cycles - free.cycles - stalled.waits["bpc port"]) < 20


@examples(40)
@given(sessions(), patterns)
def test_coders_are_charged_as_without_stalls(drawn: tuple[Session, P], bpc: Pattern) -> None:
    words, p = drawn
    free, stalled = encode(words, p), encode(words, p, bpc=bpc)
    assert stalled.waits["plane coder"] == free.waits["plane coder"]
    assert stalled.waits["end"] <= free.waits["end"]
    free, stalled = decode(words, p), decode(words, p, bpc=bpc)
    late = stalled.waits["bpc port"]
    assert stalled.waits == free.waits | {"bpc port": late}
    assert stalled.cycles == free.cycles + late


@examples(25)
@given(sessions(), patterns, patterns, patterns)
def test_port_without_stalls_is_charged_with_nothing(
    drawn: tuple[Session, P], one: Pattern, two: Pattern, three: Pattern
) -> None:
    words, p = drawn
    assert encode(words, p, **{"in": one, "znz": two, "bpc": ALWAYS}).waits["bpc port"] == 0
    run = decode(words, p, number=one, znz=two, bpc=ALWAYS, out=three)
    assert run.waits["bpc port"] == 0


@examples(25)
@given(sessions(), patterns, patterns, patterns)
def test_sums_hold_whatever_stalls(
    drawn: tuple[Session, P], one: Pattern, two: Pattern, three: Pattern
) -> None:
    words, p = drawn
    encode(words, p, **{"in": one, "znz": two, "bpc": three})
    decode(words, p, number=three, znz=two, bpc=one, out=three)
