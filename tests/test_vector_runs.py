"""Runs of vectors.jsonl: every recorded one comes out as it was recorded, field by field."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vectors import COMMITTED

import fmcompress
from fmcompress import vector_runs
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.vector_cases import Case, delta_cycles, read_cases
from fmcompress.vector_runs import THRESHOLDS, decoder_run, encoder_run, gates_of, record

MODES = ("ideal", "stallA", "stallB")
SEEDS = tuple(range(100, 108))


def recorded() -> list[dict[str, Any]]:
    """The recorded cases, as they stand in the file."""
    with gzip.open(COMMITTED, "rt", encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


def case_of(*transmissions: list[int]) -> Case:
    """A case of these words of 8 bits."""
    words = [np.array(part, np.uint32) for part in transmissions]
    streams = [Ebpc().encode(part, 8) for part in words]
    return Case("x", "", 8, 8, 4, words, *([stream[i] for stream in streams] for i in (0, 1)))


@pytest.mark.compiled
@pytest.mark.parametrize("mode", MODES)
def test_every_recorded_run(mode: str) -> None:
    """With cycles, idle_o, blk_done_o and what the RTL does wrong; both sides."""
    assert len(recorded()) == 61
    for fields in recorded():
        case = Case.from_json(fields)
        run = case.enc[mode]
        wait_idle = bool(run["wait_idle"])
        assert encoder_run(case, run["gates"], wait_idle=wait_idle, rtl_quirks=True) == run, case.id
        run = case.dec[mode]
        coupled = bool(run["coupled"])
        assert decoder_run(case, run["gates"], coupled=coupled, rtl_quirks=True) == run, case.id


def test_without_quirks_the_lost_word_comes() -> None:
    """The recorded case in which the RTL keeps its last BPC word, and the one without a pulse."""
    by_id = {fields["id"]: Case.from_json(fields) for fields in recorded()}
    case = by_id["public-033"]
    wrong = case.enc["ideal"]
    right = encoder_run(case, wrong["gates"])
    assert right is not None
    assert (wrong["status"], right["status"]) == ("hang", "ok")
    assert "rtl_bug" in wrong
    assert not {key for key in right if key.startswith(("rtl_bug", "bpc_"))}
    cycles = delta_cycles(right["bpc"])
    assert cycles[:-1] == delta_cycles(wrong["bpc"])
    assert len(cycles) == len(case.bpc[0])
    assert len(right["done"]) == 1
    single = by_id["public-000"]
    assert "rtl_bug_done" in single.enc["ideal"]
    found = encoder_run(single, single.enc["ideal"]["gates"])
    assert found is not None
    assert (found["done"], "rtl_bug_done" in found) == ([3], False)


def test_gates_of_the_modes() -> None:
    names = (["in", "znz", "bpc"], ["nw", "bpc", "znz", "out"])
    for mode in MODES:
        both = gates_of(mode, SEEDS)
        assert tuple(map(list, both)) == names
        for side in both:
            for place, (seed, threshold) in enumerate(side.values()):
                if mode == "ideal":
                    assert (seed, threshold) == (0, 256)
                else:
                    assert seed == SEEDS[place]
                    assert threshold == (
                        128 if mode == "stallA" else THRESHOLDS[SEEDS[4 + place] % 8]
                    )


def test_runs_that_take_too_long_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact number of cycles still fits; a case of more words is not even tried."""
    case = case_of(list(range(1, 60)), [0, 0, 3])
    gates, _ = gates_of("ideal", SEEDS)
    whole = encoder_run(case, gates)
    assert whole is not None
    monkeypatch.setattr(vector_runs, "MOST_CYCLES", whole["total"])
    assert encoder_run(case, gates) == whole
    assert record(case, lambda mode: SEEDS, False) is False
    assert "ideal" in case.enc
    assert "stallA" not in case.enc
    monkeypatch.setattr(vector_runs, "MOST_CYCLES", whole["total"] - 1)
    assert encoder_run(case, gates) is None
    monkeypatch.setattr(vector_runs, "MOST_CYCLES", 61)
    fresh = case_of(list(range(1, 60)), [0, 0, 3])
    assert record(fresh, lambda mode: SEEDS, False) is False
    assert (fresh.enc, fresh.dec) == ({}, {})


def test_written_sets_hold_runs_of_all_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stall patterns follow the seed; transmissions are many; what is missing is said."""
    array = np.arange(120, dtype=np.int8).reshape(3, 40) % 5
    array[1] = 0
    np.save(tmp_path / "x.npy", array)
    options: dict[str, Any] = {"chunk_words": 40, "zero_point": 0}
    found = {}
    for seed in (None, 0, 1):
        folder = tmp_path / f"out{seed}"
        made = fmcompress.write_vectors(tmp_path / "x.npy", folder, seed=seed, **options)
        assert made.notes == []
        [found[seed]] = read_cases(folder / "vectors.jsonl")
    assert found[None].enc == found[0].enc
    assert found[0].enc["ideal"] == found[1].enc["ideal"]
    assert found[0].enc["stallB"] != found[1].enc["stallB"]
    for case in found.values():
        assert tuple(case.enc) == tuple(case.dec) == MODES
        for mode in MODES:
            enc, dec = case.enc[mode], case.dec[mode]
            assert (enc["status"], enc["wait_idle"], dec["coupled"]) == ("ok", 0, 1)
            assert len(delta_cycles(enc["in"])) == len(delta_cycles(dec["out"])) == 120
            assert len(delta_cycles(dec["nw"])) == len(enc["done"]) == 3
            for port, streams in (("znz", case.znz), ("bpc", case.bpc)):
                words = sum(map(len, streams))
                assert len(delta_cycles(enc[port])) == len(delta_cycles(dec[port])) == words
    monkeypatch.setattr(vector_runs, "MOST_CYCLES", 150)
    made = fmcompress.write_vectors(tmp_path / "x.npy", tmp_path / "short", **options)
    [case] = read_cases(tmp_path / "short" / "vectors.jsonl")
    assert "stallA" not in case.enc
    [note] = made.notes
    assert note.startswith("runs of more than ")
    assert "arr_0; --max-words and --chunks cut" in note
