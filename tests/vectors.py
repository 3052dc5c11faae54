"""The golden vectors of the hardware, ready for tests (tests/golden/README.md has the format)."""

from __future__ import annotations

import gzip
import json
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
