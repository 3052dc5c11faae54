"""docs/HARDWARE.md against the kernels: the block worked by hand, timing rules, pictures."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fmcompress import reference
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
    setup = kernel.Setup(*map(np.int64, (w, n, 4, kernel.ALL_OUT, 0, wait_idle, 0, 0)))
    trace = np.zeros((cycles, len(kernel.COLUMNS)), np.int64)
    units = kernel.encode(
        np.array([*words, 0], np.uint32),
        np.array([*ends, 0]),
        np.ones((3, cycles), np.uint8),
        setup,
        units,
        np.zeros(2 ** len(kernel.PROFILE), np.int64),
        np.zeros(5, np.int64),
        np.zeros(n + 1, np.int64),
        np.zeros((2 * w + 3, 2), np.int64),
        np.zeros(w + 1, np.int64),
        np.zeros(0, np.uint32),
        np.zeros(0, np.uint32),
        trace,
    )
    assert units.bench.cycle < cycles
    columns = kernel.COLUMNS
    return [dict(zip(columns, map(int, row), strict=True)) for row in trace[: units.bench.cycle]]


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
