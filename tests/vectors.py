"""The golden vectors of the hardware, ready for tests (tests/golden/README.md has the format)."""

from __future__ import annotations

import gzip
import json
import re
import string
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

COMMITTED = Path(__file__).parent / "golden" / "rtl_vectors.jsonl.gz"


@dataclass(frozen=True)
class Case:
    """One case; the lists have one element for each transmission."""

    id: str
    word_bits: int
    block_size: int
    max_burst: int
    words: list[list[int]]
    znz: list[bytes]
    bpc: list[bytes]


@dataclass(frozen=True)
class Run:
    """One recorded run: of the encoder or of the decoder, with one set of gates.

    `gates` are seed and threshold of each port, `handshakes` the cycles of each; of the encoder's
    runs, `idle` are the edges of idle_o and `done` the cycles of blk_done_o.
    """

    id: str
    side: str
    mode: str
    gates: dict[str, tuple[int, int]]
    handshakes: dict[str, list[int]]
    together: bool  # encoder: the producer waits for idle_o; decoder: coupled
    total: int
    idle: list[int]
    done: list[int]


def load_runs(path: Path = COMMITTED) -> list[tuple[Case, Run]]:
    """Read all runs, each with its case."""
    found = []
    with gzip.open(path, "rt", encoding="ascii") as lines:
        for fields in map(json.loads, lines):
            case = _case(fields)
            for side, switch in (("enc", "wait_idle"), ("dec", "coupled")):
                for mode, run in fields[side].items():
                    found.append((case, _run(case.id, side, mode, switch, run)))
    return found


def _run(id_: str, side: str, mode: str, switch: str, fields: dict[str, Any]) -> Run:
    names = {"nw": "number"}
    return Run(
        id=id_,
        side=side,
        mode=mode,
        gates={names.get(port, port): tuple(gate) for port, gate in fields["gates"].items()},
        handshakes={names.get(port, port): _cycles(fields[port]) for port in fields["gates"]},
        together=bool(fields[switch]),
        total=fields["total"],
        idle=fields.get("idle", []),
        done=fields.get("done", []),
    )


_DIGITS = string.digits + string.ascii_letters


def _cycles(text: str) -> list[int]:
    """Read cycles: each is the one before and a digit of base 62, or a number in parentheses."""
    parts = re.findall(r"[0-9a-zA-Z]|\(\d+\)", text)
    assert "".join(parts) == text
    values = [int(part[1:-1]) if part[0] == "(" else _DIGITS.index(part) for part in parts]
    return list(accumulate(values))


def load(path: Path = COMMITTED) -> list[Case]:
    """Read all cases, from the committed copy unless told otherwise."""
    with gzip.open(path, "rt", encoding="ascii") as lines:
        return [_case(json.loads(line)) for line in lines]


def _case(fields: dict[str, Any]) -> Case:
    word_bits: int = fields["w"]
    digits = word_bits // 4
    words, znz, bpc = (
        _split(fields[name], fields[lengths], digits)
        for name, lengths in (("words", "tx_lens"), ("znz", "znz_lens"), ("bpc", "bpc_lens"))
    )
    return Case(
        id=fields["id"],
        word_bits=word_bits,
        block_size=fields["n"],
        max_burst=2 ** fields["lz"],
        words=[[int(tx[i : i + digits], 16) for i in range(0, len(tx), digits)] for tx in words],
        # Hex digits come most significant first, like the bytes of a stream word.
        znz=[bytes.fromhex(stream) for stream in znz],
        bpc=[bytes.fromhex(stream) for stream in bpc],
    )


def _split(text: str, lengths: list[int], digits: int) -> list[str]:
    """Cut the hex of all transmissions into one piece for each."""
    ends = list(accumulate(lengths, initial=0))
    assert len(text) == ends[-1] * digits, "the lengths do not add up to the words"
    return [text[start * digits : end * digits] for start, end in pairwise(ends)]
