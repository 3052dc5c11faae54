"""A signal while a kernel runs is an exception behind it, and no crash.

Numba makes a named tuple that a kernel returns by running Python code; a signal's exception in there
it does not look at. So no kernel returns one.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal

import numpy as np

from fmcompress.hardware import Decoder, Encoder, Parameters


def stop(*_):
    raise KeyboardInterrupt


def step(kind, **given):
    model = kind(Parameters(), **given)
    feed = model.feed if kind is Encoder else model.feed_words
    while True:
        feed(words)


signal.signal(signal.SIGALRM, stop)
slow = {"znz": "periodic:1/50"}
for count, models in (
    (1 << 14, [(Encoder, {"stalls": slow}), (Decoder, {"stalls": slow})]),
    (1 << 16, [(Encoder, {}), (Decoder, {})]),
    (1 << 12, [(Encoder, {"trace": range(10**6, 10**6 + 2)})]),
):
    words = (np.arange(count) % 200).astype(np.uint32)
    for kind, given in models:
        step_once = kind(Parameters(), **given)
        (step_once.feed if kind is Encoder else step_once.feed_words)(words[:9])
        step_once.finish()  # nothing is compiled behind here
        for attempt in range(12):
            signal.setitimer(signal.ITIMER_REAL, 0.02 + 0.0017 * attempt)
            try:
                step(kind, **given)
            except KeyboardInterrupt:
                pass
print("through")
"""


@pytest.mark.compiled
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers")
def test_models_can_be_interrupted() -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (ran.returncode, ran.stdout) == (0, "through\n"), ran.stderr
