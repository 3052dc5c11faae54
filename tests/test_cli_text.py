"""What the command prints, letter by letter, against tests/cli/*.txt.

The expected text is never written by a test. After a change on purpose, look at what
``python tests/test_cli_text.py --write`` changes there.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
EXPECTED = Path(__file__).parent / "cli"
SAMPLES = ("digits_f32.h5", "digits_int8.h5", "digits_relu_int8.npy", "digits_uint8.npz")


def run(*arguments: str) -> str:
    """Run the command; show the command line, what it printed, and the exit code if it is not 0."""
    from fmcompress.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGTERM)
    code: object = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as exit_:
            code = exit_.code
    signal.signal(signal.SIGTERM, before)
    logging.getLogger("fmcompress").handlers.clear()
    shown = "".join(f"{line}\n" for line in err.getvalue().splitlines())
    stderr = f"--- stderr\n{shown}" if shown else ""
    status = f"--- exit code {code}\n" if code else ""
    return f"$ fmc {' '.join(arguments)}\n{out.getvalue()}{stderr}{status}\n"


def at_width(name: str, width: int) -> str:
    """Render ``stats --per-layer`` and ``list`` as on a terminal of that width."""
    import fmcompress
    from fmcompress.cli import render
    from fmcompress.listing import list_layers

    rule = "." * width
    stats = render.stats_text(fmcompress.stats(name), True, width)
    listing = render.listing_text(list_layers(name), width)
    return f"{rule}\n{stats}\n{rule}\n{listing}\n{rule}\n"


def simulation_at_width(name: str, width: int) -> str:
    """Render a simulation as on a terminal of that width."""
    import fmcompress
    from fmcompress.cli import render_simulation

    return render_simulation.simulation_text(fmcompress.simulate(name), width, False) + "\n"


def stats_piped() -> str:
    """Both of a dump and of its container; and without tables."""
    return "".join(
        (
            run("stats", "--per-layer", "digits_int8.h5"),
            run("compress", "digits_int8.h5", "digits.fmc"),
            run("stats", "--per-layer", "digits.fmc"),
            run("stats", "digits.fmc", "--layers", "stage1/*"),
        )
    )


def stats_carried() -> str:
    """Nothing to code: no ratio of words."""
    np.savez("doubles.npz", a=np.linspace(0, 1, 60).reshape(3, 20), b=np.arange(9))
    return run("stats", "--per-layer", "doubles.npz")


def stats_lossy() -> str:
    """Quantised layers are marked, of a dump, of its container, and on the way back."""
    options = ("--quantize", "fixed8", "--layers", "st*relu?", "--layers", "head*")
    return "".join(
        (
            run("stats", "--per-layer", "digits_f32.h5"),
            run("stats", "--per-layer", "digits_f32.h5", *options),
            run("compress", "digits_f32.h5", "digits.fmc", *options, "--order", "auto"),
            run("list", "digits.fmc"),
            run("stats", "digits.fmc"),
            run("decompress", "digits.fmc", "back.h5", "--layers", "head*"),
            run("decompress", "digits.fmc", "back.npz", "--dequantize"),
        )
    )


def listing() -> str:
    """Of a dump, and of a container."""
    return "".join(
        (
            run("list", "digits_int8.h5"),
            run("list", "digits_f32.h5", "--layers", "st*relu?"),
            run("compress", "digits_int8.h5", "--layers", "stage?/*", "digits.fmc"),
            run("list", "digits.fmc"),
        )
    )


def verify() -> str:
    """Of whole, damaged and cut files."""
    text = run("compress", "digits_relu_int8.npy", "--chunk-words", "9999", "digits.fmc")
    text += run("verify", "digits.fmc")
    content = bytearray(Path("digits.fmc").read_bytes())
    content[20_000] ^= 1
    content[40_000] ^= 1
    Path("bad.fmc").write_bytes(content)
    text += run("verify", "bad.fmc")
    text += run("verify", "--json", "bad.fmc")
    text += run("decompress", "bad.fmc", "back.npy")
    Path("cut.fmc").write_bytes(content[:9_000])
    return text + run("verify", "cut.fmc") + run("list", "cut.fmc")


def errors() -> str:
    """One line each: what and where, why, and what to do."""
    Path("a folder").mkdir()
    Path("empty.h5").touch()
    Path("text.h5").write_text("no maps here\n", encoding="ascii")
    Path("cut.npy").write_bytes(Path("digits_relu_int8.npy").read_bytes()[:1000])
    Path("old.fmc").touch()
    np.save("pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    return "".join(
        (
            run("compress", "nothing.h5"),
            run("compress", "a folder"),
            run("compress", "empty.h5"),
            run("compress", "text.h5"),
            run("compress", "cut.npy"),
            run("compress", "pickled.npy"),
            run("compress", "digits_int8.h5", "old.fmc"),
            run("compress", "digits_int8.h5", "no/such/folder.fmc"),
            run("compress", "digits_int8.h5", "digits_int8.h5"),
            run("compress", "digits_int8.h5", "--zero-point", "200"),
            run("compress", "digits_int8.h5", "--chunk-words", "0"),
            run("compress", "digits_int8.h5", "--block-size", "7"),
            run("stats", "digits_int8.h5", "--layers", "conv*"),
            run("decompress", "digits_int8.h5"),
            run("decompress", "digits_int8.h5", "back.h5"),
            run("verify", "old.fmc"),
            run("compres", "digits_int8.h5"),
        )
    )


def simulate() -> str:
    """Ideal, with stalls, of one side; and what is refused."""
    Path("gates.txt").write_text("1 1 0\n1 2\n", encoding="ascii")
    return "".join(
        (
            run("simulate", "digits_int8.h5"),
            run("simulate", "digits_int8.h5", "--layers", "st*/conv?", "--stall", "bpc=random:0.5"),
            run("simulate", "digits_int8.h5", "--side", "encoder", "--layers", "head*", "--trace"),
            run("simulate", "digits_int8.h5", "--stall", "bpc=file:gates.txt"),
            run("simulate", "digits_int8.h5", "--stall", "axi=always"),
            run("simulate", "digits_int8.h5", "--block-size", "4"),
            run("simulate", "digits_f32.h5"),
        )
    )


def odd_names() -> str:
    """Names that would break lines, tables or terminals."""
    layer: Any = np.arange(60, dtype=np.int16).reshape(3, 20)
    names = ("[bold]x[/bold]", "line\nbreak", "bell\a\x1b[31m", "größe/层", "a" * 90)
    np.savez("odd.npz", **dict.fromkeys(names, layer))
    text = run("list", "odd.npz") + run("stats", "--per-layer", "odd.npz")
    return text + run("stats", "odd.npz", "--layers", "nope") + at_width("odd.npz", 80)


def vectors() -> str:
    """Written, refused, and a simulator's output that agrees, differs, is short and is no output."""
    picked = ("--layers", "stem/*", "--chunks", "0:2", "--chunk-words", "300", "--max-words", "99")
    text = run("vectors", "digits_int8.h5", "out", *picked)
    text += run("vectors", "digits_int8.h5", "out", *picked)
    text += run("vectors", "digits_int8.h5", "other", "--block-size", "16")
    text += run("vectors", "digits_int8.h5", "other", "--layers", "labels")
    text += run("vectors", "digits_uint8.npz", "other", "--chunks", "0,9")
    text += run("vectors", "digits_uint8.npz", "other", "--chunks", "0", "--max-words", "8")
    text += run("vectors", "--check", "out")
    for port in ("znz", "bpc", "data"):
        shutil.copy(f"out/stem_relu.{port}.hex", f"out/stem_relu.{port}.out.hex")
    text += run("vectors", "--check", "out")
    bpc, data = Path("out/stem_relu.bpc.out.hex"), Path("out/stem_relu.data.out.hex")
    lines = bpc.read_text(encoding="ascii").splitlines(keepends=True)
    lines[-1] = "xxx\n"
    bpc.write_text("".join(lines), encoding="ascii")
    lines = data.read_text(encoding="ascii").splitlines(keepends=True)
    data.write_text("".join(lines[:-9]), encoding="ascii")
    text += run("vectors", "--check", "out")
    data.write_text("".join([*lines, "no word\n"]), encoding="ascii")
    text += run("vectors", "--check", "out")
    Path("out/stem_relu.znz.hex").write_text("000\n", encoding="ascii")
    return text + run("vectors", "--check", "out")


TEXTS: dict[str, Callable[[], str]] = {
    "stats-piped": stats_piped,
    "stats-carried": stats_carried,
    "stats-lossy": stats_lossy,
    "list": listing,
    "vectors": vectors,
    "verify": verify,
    "errors": errors,
    "odd-names": odd_names,
    "simulate": simulate,
    "simulate-80": lambda: simulation_at_width("digits_int8.h5", 80),
    "width-80": lambda: at_width("digits_int8.h5", 80),
    "width-120": lambda: at_width("digits_int8.h5", 120),
}


def compile_hardware() -> None:
    """Let every kernel of the hardware run once."""
    from fmcompress.hardware import Decoder, Encoder, Parameters, Settings

    for trace in (None, range(9)):
        for stalls in ({}, Settings(stalls={"bpc": "random:0.5"}).stalls):
            encoder = Encoder(Parameters(), stalls=stalls, trace=trace)
            decoder = Decoder(Parameters(), stalls=stalls, trace=trace)
            encoder.feed(np.arange(9, dtype=np.uint32))
            decoder.feed_words(np.arange(9, dtype=np.uint32))
            encoder.finish()
            decoder.finish()


@contextlib.contextmanager
def at_work() -> Iterator[None]:
    """Work in a new folder with the samples; let the kernels be compiled, as that is said, too."""
    import fmcompress

    fmcompress.decode(fmcompress.encode(np.arange(9, dtype=np.int8)))
    compile_hardware()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in SAMPLES:
            shutil.copy(ROOT / "samples" / name, name)
        yield


@pytest.mark.parametrize("name", TEXTS)
def test_text(name: str) -> None:
    expected = (EXPECTED / f"{name}.txt").read_text(encoding="utf-8")
    with at_work():
        assert TEXTS[name]() == expected


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    text = (EXPECTED / f"width-{width}.txt").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if len(line) > width] == []


def test_no_other_texts() -> None:
    assert sorted(os.listdir(EXPECTED)) == sorted(f"{name}.txt" for name in TEXTS)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/test_cli_text.py --write")
    for name_, make in TEXTS.items():
        with at_work():
            made = make()
        (EXPECTED / f"{name_}.txt").write_text(made, encoding="utf-8")
        print(f"wrote {name_}.txt")
