"""docs/HARDWARE.md against the kernels: the block worked by hand, timing rules, pictures."""

from __future__ import annotations

import importlib.util
import re
import runpy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fmcompress import reference
from fmcompress.hardware import Decoder, Encoder, Parameters
from fmcompress.hardware.decoder import Transmission
from fmcompress.hardware.patterns import PATTERNS
from fmcompress.hardware.ports import PORTS, SEEDS
from fmcompress.hardware.run import DECODER_REASONS, ENCODER_REASONS
from fmcompress.hardware.trace import Trace
from fmcompress.kernels import hardware_encoder

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "HARDWARE.md"
BLOCK = [8, 9, 9, 9, 10, 10, 2, 10]

Row = dict[str, int]


def encode(
    words: Sequence[int], ends: Sequence[int], w: int = 8, n: int = 8, wait_idle: int = 0
) -> list[Row]:
    """Run the encoder's kernel with ports that are always ready: what holds in each cycle."""
    kernel: Any = hardware_encoder
    cycles = 8 * len(words) + 8 * w
    units = kernel.Units(
        *(registers(*[np.int64(0)] * len(registers._fields)) for registers in kernel.REGISTERS)
    )
    setup = kernel.Setup(*map(np.int64, (w, n, 4, kernel.ALL_OUT, 0, wait_idle, 0)))
    trace = np.zeros((cycles, len(kernel.COLUMNS)), np.int64)
    state = np.zeros(sum(len(registers._fields) for registers in kernel.REGISTERS), np.int64)
    kernel.encode(
        np.array([*words, 0], np.uint32),
        np.array([*ends, 0]),
        np.ones((3, cycles), np.uint8),
        setup,
        units,
        np.zeros(2 ** len(kernel.PROFILE), np.int64),
        np.zeros(kernel.COUNTS, np.int64),
        np.zeros(n + 1, np.int64),
        np.zeros((2 * w + 3, 2), np.int64),
        np.zeros(w + 1, np.int64),
        (np.zeros(0, np.uint32), np.zeros(0, np.uint32)),
        trace,
        state,
    )
    columns = kernel.COLUMNS
    stepped = state[columns.index("bench.cycle")]
    assert stepped < cycles
    return [dict(zip(columns, map(int, row), strict=True)) for row in trace[:stepped]]


def tables() -> Iterator[list[dict[str, str]]]:
    """Every table of the document, a dictionary a row; cells without backquotes."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for head, rows in re.findall(r"^(\|.*\|)\n\|[-:| ]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE):
        names, *cells = (
            [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
            for line in [head, *rows.splitlines()]
        )
        yield [dict(zip(names, row, strict=True)) for row in cells]


def table(name: str) -> list[dict[str, str]]:
    """The one table whose first column has this name."""
    [found] = [rows for rows in tables() if next(iter(rows[0])) == name]
    return found


def planes(words: Sequence[int], w: int) -> list[tuple[str, str]]:
    """P_j and X_j of a block, for j = 0 to w."""
    differences = [b - a for a, b in pairwise(words)]
    dbp = [[difference >> j & 1 for difference in differences] for j in range(w + 1)]
    zero = [0] * len(differences)
    dbx = [
        [a ^ b for a, b in zip(p, q, strict=True)] for p, q in zip(dbp, [zero, *dbp], strict=False)
    ]
    return [("".join(map(str, p)), "".join(map(str, x))) for p, x in zip(dbp, dbx, strict=True)]


# --- The block of section 7 ---------------------------------------------------------------


def test_planes_and_codes_are_those_of_the_block() -> None:
    found = planes(BLOCK, 8)
    codes = ""
    cycles = 0
    for row in table("plane"):
        codes += row["code"].replace(" ", "")
        cycles += int(row["cycles"])
        if row["plane"]:
            first, _, last = row["plane"].partition(" to ")
            span = range(int(first), int(last or first) + 1)
            assert {found[j] for j in span} == {(row["P_j"], row["X_j"])}
        else:
            assert int(row["code"], 2) == BLOCK[0]
    _, bpc = reference.encode(BLOCK, 8, 8, 16, "signed")
    assert f"{codes:0<{8 * len(bpc)}}" == "".join(f"{byte:08b}" for byte in bpc)
    assert cycles == 8 + 2 + 1


def word(value: int, last: int = 0) -> str:
    """A word as in the table."""
    return f"{value:02x} last" if last else f"{value:02x}"


def coder_planes(words: Sequence[int]) -> list[str]:
    """The plane that the plane coder is at, step by step."""
    steps, pending = ["base"], False
    for j, (_, dbx) in enumerate(planes(words, 8)):
        is_zero = "1" not in dbx
        steps += [str(j)] * (1 + (pending and not is_zero))
        pending = is_zero
    return steps


def cells(row: Row) -> dict[str, str]:
    """A cycle as the table has it."""
    control = "IDLE"
    if row["control.flushing"]:
        control = "FLUSH"
    elif row["control.busy"]:
        assert row["control.owes_znz"]
        assert row["control.owes_bpc"]
        control = f"RUN {word(row['control.word'])}"
    return {
        "cycle": str(row["bench.cycle"]),
        "word in": word(row["in_data"], row["in_last"]) if row["accepted"] else "",
        "control": control,
        "ZNZ coder": str(row["znz.held"] or ""),
        "ZNZ word": word(row["znz_data"], row["znz_last"]) if row["znz_gives"] else "",
        "difference block": "full" if row["difference.out"] else str(row["difference.taken"] or ""),
        "plane coder": coder_planes(BLOCK)[row["coder.step"]] if row["coder.full"] else "",
        "code": f"{row['code']:0{row['code_bits']}b}" if row["code_bits"] else "",
        "packer": str(row["packer.held"] or ""),
        "buffer": word(row["buffer.word"]) if row["buffer.full"] else "",
        "BPC word": word(row["bpc_data"], row["bpc_last"]) if row["bpc_gives"] else "",
    }


def test_cycles_of_the_block_are_those_of_the_kernel() -> None:
    assert table("cycle") == [cells(row) for row in encode(BLOCK, [8])]


# --- Rules of section 6 -------------------------------------------------------------------


def where(rows: Sequence[Row], *names: str) -> list[int]:
    """The cycles in which all of these are 1."""
    return [c for c, row in enumerate(rows) if all(row[name] for name in names)]


def dense(random: np.random.Generator, w: int, count: int) -> list[int]:
    """Words without a zero, smooth or not, so that s differs from block to block."""
    steps = random.integers(-(2 ** int(random.integers(1, w - 1))), 2 ** (w - 2), count)
    words: list[int] = (np.cumsum(steps) % (2**w - 1) + 1).tolist()
    return words


def runs_inside(words: Sequence[int], w: int) -> int:
    """The rules' s: runs of zero planes in a block that end before plane w."""
    half = 2 ** (w - 1)
    zeros = ["1" not in x for _, x in planes([(word ^ half) - half for word in words], w)]
    return sum(zero and not following for zero, following in pairwise(zeros))


@pytest.mark.parametrize(("w", "n"), [(8, 8), (16, 8), (16, 16), (32, 8), (32, 32)])
@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("wait_idle", [0, 1])
def test_timing_rules_of_the_encoder(w: int, n: int, blocks: int, wait_idle: int) -> None:
    random = np.random.default_rng(w + n)
    for _ in range(3):
        words = dense(random, w, blocks * n)
        rows = encode([*words, 5], [len(words), len(words) + 1], w, n, wait_idle)
        accepted, taken = where(rows, "accepted"), where(rows, "difference_takes")
        loads, last_codes = where(rows, "loads"), where(rows, "pops")
        s = end = 0
        for k in range(blocks):
            s = runs_inside(words[n * k : n * k + n], w)
            assert taken[n * k] >= (loads[k - 1] if k else 1)
            assert loads[k] == max(taken[n * k + n - 1] + 1, end)
            end = loads[k] + w + 2 + s
            assert last_codes[k] == end
        whole = rows[end + 1]["packer.held"] == w
        again = end + 4 - whole + wait_idle
        assert accepted[len(words)] == again
        if blocks == 1:
            assert again - accepted[len(words) - 1] == w + 8 + s - whole + wait_idle


def test_turn_around_behind_a_zero() -> None:
    """The codes of these eight words fill up BPC words: nothing is left in the packer."""
    rows = encode([*range(1, 9), *[0] * 20, 5], [28, 29])
    accepted = where(rows, "accepted")
    assert where(rows, "was_last")[0] == accepted[27] + 1
    assert accepted[28] == accepted[27] + 2


@pytest.mark.parametrize(("w", "n", "first"), [(8, 8, 12), (16, 8, 13), (16, 16, 20)])
def test_first_words_of_the_streams(w: int, n: int, first: int) -> None:
    words = [1 + (k * k) % (2 * n - 1) for k in range(2 * n)]
    rows = encode(words, [len(words)], w, n)
    assert where(rows, "znz_gives")[0] == w + 1
    assert where(rows, "bpc_gives")[0] == first


def decoded(w: int, n: int, *transmissions: Sequence[int], coupled: bool) -> Trace:
    """What the decoder does in each cycle, with ports that are always ready."""
    parameters = Parameters(w, n, 4)
    given = []
    for words in transmissions:
        encoder = Encoder(parameters, keep_streams=True)
        encoder.feed(np.array(words, np.uint32))
        streams = encoder.finish()[1].streams
        given.append(Transmission(len(words), streams["znz"], streams["bpc"]))
    decoder = Decoder(parameters, trace=range(1000))
    if coupled:
        decoder.feed(*given)
        trace = decoder.finish()[1].trace
    else:
        trace = decoder.run_uncoupled(*given, cycles=1000)[1].trace
    assert trace is not None
    return trace


@pytest.mark.parametrize(("w", "n"), [(8, 8), (16, 8), (16, 16), (32, 32)])
def test_timing_rules_of_the_decoder(w: int, n: int) -> None:
    words = list(range(1, 3 * n + 1))
    out = np.flatnonzero(decoded(w, n, words, coupled=False).column("given"))
    assert [out[n * k] - w - 4 for k in range(3)] == [k * (w + 2) for k in range(3)]
    assert (np.diff(out.reshape(3, n)) == 1).all()
    zeros = max(w + 3 - n, 0)  # behind each word but the first: the zeros make it a slow block
    slow = [word for k in range(3) for word in [*range(1, n + 1), *[0] * zeros]]
    trace = decoded(w, n, slow, coupled=False)
    out = np.flatnonzero(trace.column("given") & trace.column("flag"))
    assert set(np.diff(out[::n])) == {n + zeros}
    assert np.flatnonzero(decoded(w, n, [0, 1], coupled=False).column("given"))[0] == 1


def test_turn_around_of_the_decoder() -> None:
    trace = decoded(8, 8, BLOCK, [0, 3], coupled=True)
    numbers = np.flatnonzero(trace.column("number_taken"))
    assert numbers[1] == np.flatnonzero(trace.column("finish"))[0] + 1


@pytest.mark.compiled
@pytest.mark.parametrize(("w", "n"), [(8, 8), (16, 8), (16, 16)])
def test_throughput_is_that_of_the_rtl(w: int, n: int) -> None:
    """The table's data are not known bit by bit, only what they are like."""
    random = np.random.default_rng(7)
    steps = random.integers(-3, 4, 40_000)
    smooth = np.abs(np.cumsum(steps) % 200 - 100) + 1
    parameters = Parameters(w, n, 4)
    for row in table("zeros"):
        share = int(row["zeros"].removesuffix(" %")) / 100
        words = np.where(random.random(smooth.size) < share, 0, smooth).astype(np.uint32)
        encoder = Encoder(parameters, keep_streams=True)
        encoder.feed(words)
        run, output = encoder.finish()
        assert run.words_per_cycle == pytest.approx(float(row[f"encoder ({w}, {n})"]), abs=0.01)
        decoder = Decoder(parameters)
        decoder.feed(Transmission(words.size, output.streams["znz"], output.streams["bpc"]))
        run, _ = decoder.finish()
        assert run.words_per_cycle == pytest.approx(float(row[f"decoder ({w}, {n})"]), abs=0.01)


# --- Faults of section 9 ------------------------------------------------------------------


def shown(language: str) -> str:
    """The document's one code block of a language."""
    text = DOCUMENT.read_text(encoding="utf-8")
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found)


def test_faults_are_seen_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "samples" / "hardware_faults.py"), run_name="__main__")
    assert capsys.readouterr().out == shown("text")


def test_example_prints_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "example.py"
    script.write_text(shown("python"), encoding="utf-8")
    runpy.run_path(str(script))
    assert shown("python").endswith(f"  # {capsys.readouterr().out}")


def test_every_pattern_is_documented() -> None:
    documented = {row["pattern"].partition(":")[0] for row in table("pattern")}
    assert documented == set(PATTERNS)


def test_seeds_are_documented() -> None:
    text = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    for side, ports in PORTS.items():
        seeds = ", ".join(str(SEEDS[f"{side}.{port}"]) for port in ports)
        names = ", ".join(f"`{port}`" for port in ports)
        assert f"{seeds} for the {side}'s {names}" in text


def test_reasons_and_units_are_documented() -> None:
    waits = [row["waits for"] for row in table("control")]
    assert waits == [*ENCODER_REASONS, *DECODER_REASONS]
    [stalls] = [rows for rows in tables() if "else" in rows[0]]
    encoder = Encoder(Parameters())
    runs = encoder.finish()[0], Decoder(Parameters()).finish()[0]
    named = [
        f"control ({run.side})" if u.name == "control" else u.name
        for run in runs
        for u in run.units
    ]
    assert [row["unit"] for row in stalls] == named


# --- Pictures -----------------------------------------------------------------------------


def diagrams() -> ModuleType:
    """The script that draws them."""
    spec = importlib.util.spec_from_file_location(
        "make_diagrams", ROOT / "docs" / "make_diagrams.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_are_the_drawn_ones() -> None:
    """Run ``python docs/make_diagrams.py`` where they are not."""
    module = diagrams()
    assert set(module.PICTURES) == {path.name for path in (ROOT / "docs").glob("*.svg")}
    for name, draw in module.PICTURES.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == draw()
        assert f"]({name})" in DOCUMENT.read_text(encoding="utf-8")
