"""What a sweep finds: a row for each layer, frame and configuration, and the best of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fmcompress.best_codecs import best_codecs
from fmcompress.printable import write_csv


class Row(NamedTuple):
    """One frame of one layer in one configuration; ``_bits`` are bits, ``_words`` words.

    Attributes
    ----------
    layer, shape : str
        As in the dump.
    frame : int
        From 0.
    format, order : str
        As they were named.
    axes : str
        As they run in the words.
    codec : str
    block_size, max_burst : int or None
        None where the codec has none.
    word_bits : int
        w.
    words, zero_words : int
    raw_bits : int
        Of the words.
    first_stream_bits, second_stream_bits : int
        As the codec codes the frame, a transmission; of EBPC, ZNZ and BPC.
    bits : int
        Of both, or of the words, if that is less: what a file takes; and `table_bits`.
    table_bits : int
        Of what a codec knows of the whole layer, which counts with frame 0.
    ratio : float or None
        `raw_bits` ÷ `bits`; None where there are none.
    """

    layer: str
    shape: str
    frame: int
    format: str
    order: str
    axes: str
    codec: str
    block_size: int | None
    max_burst: int | None
    word_bits: int
    words: int
    zero_words: int
    raw_bits: int
    first_stream_bits: int
    second_stream_bits: int
    bits: int
    table_bits: int
    ratio: float | None


class Best(NamedTuple):
    """The configuration of a codec with the fewest bits, over all layers and frames.

    Attributes
    ----------
    format, order, codec : str
    block_size, max_burst : int or None
    raw_bits, bits : int
        Of the words, and of the streams.
    ratio : float or None
    bits_per_word : float
    """

    format: str
    order: str
    codec: str
    block_size: int | None
    max_burst: int | None
    raw_bits: int
    bits: int
    ratio: float | None
    bits_per_word: float


@dataclass(slots=True)
class Sweep:
    """All rows of a sweep.

    Attributes
    ----------
    file : str
        Name of what was measured.
    digest : str
        Of its bytes.
    space : dict
        Formats, orders, codecs, block sizes and bursts.
    rows : list of Row
        By format and order, then layer, configuration and frame.
    resumed_rows : int
        How many were there already, from a sweep that was interrupted.
    left_out : dict
        Why layers have no words in a format, by ``layer (format)``.
    warnings, notes : list of str
    """

    file: str
    digest: str
    space: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    resumed_rows: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def totals(self) -> list[Best]:
        """Every configuration, over all layers and frames, in the order of the rows."""
        sums: dict[tuple[Any, ...], list[int]] = {}
        for row in self.rows:
            key = (row.format, row.order, row.codec, row.block_size, row.max_burst)
            found = sums.setdefault(key, [0, 0, 0])
            found[0] += row.raw_bits
            found[1] += row.bits
            found[2] += row.words
        return [
            Best(*key, raw, bits, raw / bits if bits else None, bits / max(words, 1))  # type: ignore[call-arg]
            for key, (raw, bits, words) in sums.items()
        ]

    @property
    def best(self) -> list[Best]:
        """For each format, order and codec, the best configuration; the first on a tie."""
        found: dict[tuple[str, str, str], Best] = {}
        for total in self.totals:
            key = (total.format, total.order, total.codec)
            if key not in found or total.bits < found[key].bits:
                found[key] = total
        return list(found.values())

    def outstanding(self) -> list[Best]:
        """Return the best of each format and order, as `best_codecs` finds it."""
        groups: dict[tuple[str, str], list[Best]] = {}
        for one in self.best:
            groups.setdefault((one.format, one.order), []).append(one)
        found: list[Best] = []
        for group in groups.values():
            names = best_codecs({one.codec: one.bits for one in group})
            found += [one for one in group if one.codec in names]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc sweep --json`` prints (docs/JSON.md)."""
        return {
            "schema": "fmcompress.sweep/1",
            "file": self.file,
            "digest": self.digest,
            "space": self.space,
            "rows": [row._asdict() for row in self.rows],
            "best": [best._asdict() for best in self.best],
            "left_out": self.left_out,
            "warnings": self.warnings,
            "notes": self.notes,
        }

    def write(self, target: Path | BinaryIO, *, as_json: bool = False) -> None:
        """Write all rows to a file, as CSV or as JSON."""
        text = io.StringIO()
        if as_json:
            json.dump(self.to_json(), text, indent=2)
            text.write("\n")
        else:
            write_csv(text, self.csv_rows())
        data = text.getvalue().encode()
        if isinstance(target, Path):
            target.write_bytes(data)
        else:
            target.write(data)

    def csv_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as ``fmc sweep --csv`` prints them."""
        for row in self.rows:
            yield {"file": self.file, **row._asdict()}
