"""Simulating a dump's layers: the same numbers as the models, samples, units, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import fmcompress
from fmcompress.cli import render_simulation
from fmcompress.cli.main import State, cli
from fmcompress.errors import FmcError, ParameterError
from fmcompress.hardware import DeadlockError, Decoder, Encoder, Parameters, Settings, pattern
from fmcompress.hardware import session as session_module

STALLED = {"in": "random:0.7:1", "znz": "random:0.6:2", "bpc": "random:0.5:3", "out": "random:0.8"}


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A layer of four chunks of 1,000 words, the last one shorter, in 4 frames of 8 channels."""
    rng = np.random.default_rng(3)
    maps = rng.integers(1, 100, (4, 8, 11, 11)).astype(np.uint8)
    maps[rng.random(maps.shape) < 0.4] = 0
    np.save(tmp_path / "maps.npy", maps)
    return tmp_path / "maps.npy"


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(cli, ["simulate", *map(str, arguments)], obj=State())


@pytest.mark.parametrize("stalls", [{}, STALLED], ids=["free", "stalled"])
def test_runs_are_those_of_the_models(dump: Path, stalls: dict[str, str]) -> None:
    found = fmcompress.simulate(dump, settings=Settings(stalls=stalls), chunk_words=1000)
    (layer,) = found.layers
    words = np.load(dump).reshape(-1).astype(np.uint32)
    chunks = [words[at : at + 1000] for at in range(0, words.size, 1000)]
    patterns = {port: pattern(text) for port, text in stalls.items()}
    of_encoder = {port: patterns[port] for port in ("in", "znz", "bpc") if port in patterns}
    of_decoder = {port: patterns[port] for port in ("znz", "bpc", "out") if port in patterns}
    encoder = Encoder(Parameters(), stalls=of_encoder, keep_streams=True)
    decoder = Decoder(Parameters(), stalls=of_decoder, keep_words=True)
    for chunk in chunks:
        encoder.feed(chunk)
        decoder.feed_words(chunk)
    assert layer.sides["encoder"].run == encoder.finish()[0]
    assert layer.sides["decoder"].run == decoder.finish()[0]
    assert (layer.words, layer.chunks, layer.simulated_chunks) == (3872, 4, 4)
    assert (layer.frames, layer.parameters) == (4, Parameters())
    stats = fmcompress.stats(dump, chunk_words=1000, difference="signed").total
    assert layer.sides["encoder"].stream_bits == stats.znz_bits + stats.bpc_bits
    assert layer.sides["encoder"].word_bits == stats.word_bits


def test_container_gives_what_its_dump_gives(dump: Path, tmp_path: Path) -> None:
    """With the container's own chunks."""
    fmcompress.compress(dump, tmp_path / "maps.fmc", chunk_words=1000)
    of_dump = fmcompress.simulate(dump, chunk_words=1000)
    of_container = fmcompress.simulate(tmp_path / "maps.fmc")
    assert of_container.layers == of_dump.layers


def test_container_brings_its_block_size(dump: Path, tmp_path: Path) -> None:
    """And its longest burst; what is given outright counts more, also where it is the default."""
    maps = np.load(dump).astype(np.uint16)
    np.save(tmp_path / "wide.npy", maps)
    path = tmp_path / "wide.fmc"
    fmcompress.compress(tmp_path / "wide.npy", path, block_size=16, max_burst=32)
    assert fmcompress.simulate(path).layers[0].parameters == Parameters(16, 16, 5)
    given = fmcompress.simulate(path, block_size=8)
    assert given.layers[0].parameters == Parameters(16, 8, 5)
    assert not given.warnings
    for arguments, n in (((), 16), (("--block-size", 8), 8)):
        document = json.loads(run("--json", *arguments, path).stdout)
        assert document["layers"][0]["parameters"]["block_size"] == n


def test_sample_is_near_and_says_how_near(dump: Path) -> None:
    whole = fmcompress.simulate(dump, chunk_words=50).layers[0]
    part = fmcompress.simulate(dump, chunk_words=50, settings=Settings(sample=0.3)).layers[0]
    assert (part.chunks, part.simulated_chunks) == (78, 24)
    for side, result in part.sides.items():
        exact = whole.sides[side]
        assert result.cycles_error > 0
        assert exact.cycles_error == 0
        # The interval holds 95 % of what samples give; twice as wide, nearly all.
        assert abs(result.cycles - exact.cycles) < 2 * result.cycles_error
        assert result.words == exact.words
        assert result.stream_bits == pytest.approx(exact.stream_bits, rel=0.05)
    again = fmcompress.simulate(dump, chunk_words=50, settings=Settings(sample=0.3)).layers[0]
    other = fmcompress.simulate(dump, chunk_words=50, settings=Settings(sample=0.3, seed=1))
    assert again == part
    assert other.layers[0] != part


def test_few_chunks_are_not_trusted(samples: Path) -> None:
    """Two of 64: the truth is inside of the error in 95 % of samples, not in 70 %."""
    arguments: dict[str, Any] = {"layers": "stage1/relu2", "chunk_words": 1024}
    path = samples / "digits_int8.h5"
    truth = fmcompress.simulate(path, **arguments).total("decoder")
    assert truth is not None
    inside = 0
    for seed in range(40):
        settings = Settings(sides=["decoder"], sample=0.01, seed=seed)
        found = fmcompress.simulate(path, settings=settings, **arguments).total("decoder")
        assert found is not None
        inside += abs(found.cycles - truth.cycles) <= found.cycles_error
    assert inside >= 36


def test_units_share_channels(dump: Path) -> None:
    """Three units take every third channel of eight; the slowest decides."""
    settings = Settings(units=3, sides=["encoder"])
    found = fmcompress.simulate(dump, settings=settings).layers[0].sides["encoder"]
    maps = np.load(dump).astype(np.uint32)
    runs = []
    for unit in range(3):
        encoder = Encoder(Parameters())
        encoder.feed(maps[:, unit::3].reshape(-1))
        runs.append(encoder.finish()[0])
    assert found.run == max(runs, key=lambda run: run.cycles)
    assert found.words == maps.size
    assert found.znz_words == sum(run.znz_words for run in runs)
    settings = Settings(units=11, channel_axis=-1, sides=["encoder"])
    found = fmcompress.simulate(dump, settings=settings, order="0,2,1,3").layers[0].sides["encoder"]
    assert found.run.words == maps.size // 11
    with pytest.raises(ParameterError, match="no axis 4"):
        fmcompress.simulate(dump, settings=Settings(units=2, channel_axis=4))


def test_more_units_than_channels(dump: Path) -> None:
    """Some have nothing to do, and no share of the memory."""
    eight, more = (
        fmcompress.simulate(dump, settings=Settings(units=units, dram_mb_per_s=100))
        for units in (8, 64)
    )
    assert eight.layers == more.layers
    assert (eight.layers[0].units, eight.notes[:-1]) == (8, [])
    assert more.notes[0] == (
        "some of 64 units have no channel, and nothing to do: in 1 of 1 layers"
    )
    found = fmcompress.simulate(dump, settings=Settings(units=9))
    assert found.layers[0].sides["decoder"].run.words == 4 * 121


def test_memory_is_shared(dump: Path) -> None:
    """600 MHz and 150 MB/s: a stream word every fourth cycle, over both units."""
    one = fmcompress.simulate(dump, settings=Settings(dram_mb_per_s=150)).layers[0]
    for result in one.sides.values():
        streams = result.znz_words + result.bpc_words
        assert result.cycles == pytest.approx(4 * streams, rel=0.01)
        assert result.mb_per_s(600)[1] == pytest.approx(150, rel=0.01)
    two = fmcompress.simulate(dump, settings=Settings(dram_mb_per_s=150, units=2)).layers[0]
    assert two.sides["encoder"].cycles == pytest.approx(one.sides["encoder"].cycles, rel=0.03)


def test_total_adds_up(samples: Path) -> None:
    found = fmcompress.simulate(samples / "digits_int8.h5")
    for side in ("encoder", "decoder"):
        total = found.total(side)
        assert total is not None
        runs = [layer.sides[side].run for layer in found.layers]
        assert total.cycles == sum(run.cycles for run in runs) == total.run.cycles
        assert total.words == sum(layer.words for layer in found.layers)
        assert total.run.works + sum(total.run.waits.values()) == total.run.cycles
        for unit in total.run.units:
            parts = (unit.works, unit.waits_for_input, unit.waits_for_output)
            assert sum(parts) == total.run.cycles
        worst = max(run.worst_block_cycles for run in runs)
        assert total.run.worst_block_cycles == worst


def test_worst_block_is_in_a_layer(samples: Path) -> None:
    found = fmcompress.simulate(samples / "digits_int8.h5")
    for side in ("encoder", "decoder"):
        worst = found.worst_layer(side)
        total = found.total(side)
        assert worst is not None
        assert total is not None
        assert worst.sides[side].run.worst_block_cycles == total.run.worst_block_cycles
        assert found.to_json()["total"][side]["worst_layer"] == worst.name
    result = run(samples / "digits_int8.h5", "--side", "encoder")
    worst = found.worst_layer("encoder")
    assert worst is not None
    own = worst.sides["encoder"].run
    place = f"number {own.worst_block:,} of {own.blocks:,} in {worst.name}\n"
    assert f"{own.worst_block_cycles} cycles, {place}" in result.stdout


def test_what_does_not_count_is_named(dump: Path) -> None:
    settings = Settings(
        sides=["decoder"],
        stalls={"in": "random:0.5", "encoder.znz": "always", "znz": "always", "out": "always"},
        wait_idle=True,
        channel_axis=2,
        seed=3,
    )
    (warning,) = fmcompress.simulate(dump, settings=settings).warnings
    assert warning == (
        "these do not count: the stall pattern of in (only the decoder is simulated), the stall "
        "pattern of encoder.znz (only the decoder is simulated), wait_idle (it is the encoder's), "
        "channel_axis (there is one unit), seed (all chunks are simulated)"
    )
    settings = Settings(
        stalls={"in": "always", "out": "always"}, wait_idle=True, sample=0.5, seed=3
    )
    assert fmcompress.simulate(dump, settings=settings, chunk_words=500).warnings == []
    assert Settings(units=2, channel_axis=2).idle == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"sides": []}, "sides is"),
        ({"sides": ["coder"]}, "encoder or decoder"),
        ({"clock_mhz": 0}, "clock_mhz is 0"),
        ({"clock_mhz": float("nan")}, "clock_mhz is nan"),
        ({"clock_mhz": 1e-308}, "give 0.000001 to 500,000"),
        ({"clock_mhz": 1e6}, "give 0.000001 to 500,000"),
        ({"seed": -5}, "seed is -5"),
        ({"dram_mb_per_s": -1}, "dram_mb_per_s is -1"),
        ({"sample": 0}, "sample is 0"),
        ({"sample": 1.5}, "a share of up to 1"),
        ({"units": 0}, "units is 0"),
        ({"units": 10**6}, "from 1 to 4096"),
        ({"units": 2, "sample": 0.5}, "sample or units, not both"),
        ({"stalls": {"axi": "always"}}, "no port 'axi'"),
        ({"stalls": {"encoder.out": "always"}}, "no port 'encoder.out'"),
        ({"stalls": {"in": "never"}}, "no stall pattern 'never'"),
        ({"stalls": {"in": 5}}, "what stalls in is 5"),
        ({"stalls": [("in", "always")]}, "give a dictionary"),
        (
            {"stalls": {"encoder.out": "always"}},
            "in, znz, bpc of the encoder; or number, bpc, znz, out of the",
        ),
        ({"stalls": {5: "always"}}, "no port 5"),
        ({"sides": ["encoder", "encoder"]}, "once each"),
        ({"sides": 5}, "sides is 5"),
        ({"sides": [5]}, r"sides is \[5\]"),
        ({"clock_mhz": "600"}, "clock_mhz is '600'; give a number above 0"),
        ({"clock_mhz": True}, "clock_mhz is True"),
        ({"clock_mhz": 10**400}, "clock_mhz is 1000"),
        ({"dram_mb_per_s": float("inf")}, "dram_mb_per_s is inf"),
        ({"sample": float("nan")}, "sample is nan"),
        ({"sample": None}, "sample is None"),
        ({"units": 1.5}, "units is 1.5; give a whole number from 1 to 4096"),
        ({"units": True}, "units is True"),
        ({"channel_axis": 1.5}, "channel_axis is 1.5"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"wait_idle": "no"}, "wait_idle is 'no'; give True or False"),
        ({"trace": 5}, "trace is 5; give a range of cycles"),
        ({"trace": range(0, 10, 2)}, "give a range of cycles"),
        ({"trace": range(-1, 10)}, "give a range of cycles from 0 on"),
        ({"trace": range(1 << 21)}, "a trace of 2,097,152 cycles"),
    ],
)
def test_settings_that_cannot_be(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(ParameterError, match=why):
        Settings(**arguments)


@pytest.mark.parametrize("settings", [{}, {"units": 2}, 0, Settings])
def test_settings_that_are_none(dump: Path, settings: Any) -> None:
    with pytest.raises(ParameterError, match=r"settings is .*; give Settings"):
        fmcompress.simulate(dump, settings=settings)


def test_stalls_of_one_side() -> None:
    settings = Settings(stalls={"znz": "random:0.5", "decoder.znz": "periodic:1/2"})
    assert settings.stalls_of("encoder") == {"znz": pattern("random:0.5:2")}
    assert settings.stalls_of("decoder") == {"znz": pattern("periodic:1/2")}


def test_settings_of_numpy() -> None:
    settings = Settings(
        units=np.int8(3),  # type: ignore[arg-type]
        clock_mhz=np.float32(0.5),  # type: ignore[arg-type]
        seed=np.uint8(7),  # type: ignore[arg-type]
        wait_idle=np.bool_(True),  # type: ignore[arg-type]
    )
    found = (settings.units, settings.clock_mhz, settings.seed, settings.wait_idle)
    assert found == (3, 0.5, 7, True)
    assert list(map(type, found)) == [int, float, int, bool]


def test_memory_that_gives_nearly_nothing(dump: Path) -> None:
    """It is not one without limit, nor one to wait for for years."""
    for settings in (
        Settings(dram_mb_per_s=1e-7),
        Settings(dram_mb_per_s=1e-300, clock_mhz=5e5),
    ):
        with pytest.raises(ParameterError, match=r"dram_mb_per_s is .* words a cycle; give more"):
            fmcompress.simulate(dump, settings=settings)
    huge = fmcompress.simulate(dump, settings=Settings(dram_mb_per_s=1e308, clock_mhz=1e-6))
    assert huge.layers == fmcompress.simulate(dump).layers


# --- What cannot be simulated -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "why"),
    [
        ({"block_size": 4}, "no blocks of 4 words; its blocks have 8, 16 or 32"),
        ({"block_size": 16}, "no blocks of 16 words of 8 bits"),
        ({"word_bits": 5}, "no words of 5 bits"),
    ],
)
def test_hardware_that_cannot_be(dump: Path, coding: dict[str, Any], why: str) -> None:
    with pytest.raises(ParameterError, match=f"nothing can be simulated: .*{why}"):
        fmcompress.simulate(dump, **coding)
    with pytest.raises(ParameterError, match=f"maps.npy: layer 'arr_0': .*{why}"):
        fmcompress.simulate(dump, layers="arr_0", **coding)


def test_differences_are_the_hardwares(dump: Path) -> None:
    """Signed ones; others are refused, and named where `compress` would form them."""
    with pytest.raises(ParameterError, match="the hardware's encoder forms signed ones"):
        fmcompress.simulate(dump, difference="modular")
    notes = fmcompress.simulate(dump).notes
    assert any("compress forms unsigned ones: in 1 of 1 layers" in note for note in notes)


def test_layers_without_words_are_named(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "maps.npz",
        a=np.ones((4, 4), np.uint8),
        b=np.ones(3, np.complex128),
        c=np.zeros((0, 3), np.uint8),
    )
    found = fmcompress.simulate(tmp_path / "maps.npz")
    assert [layer.name for layer in found.layers] == ["a"]
    assert any("'b' is left out" in note for note in found.notes)
    assert any("'c' is left out: scalar or empty" in note for note in found.notes)
    with pytest.raises(ParameterError, match="nothing can be simulated"):
        fmcompress.simulate(tmp_path / "maps.npz", layers="b")


def test_deadlock_names_the_layer(dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "DEADLOCK_CYCLES", 5000)
    with pytest.raises(DeadlockError, match=r"maps\.npy: layer 'arr_0': no handshake for"):
        fmcompress.simulate(dump, settings=Settings(stalls={"bpc": "periodic:0/2"}))


# --- The command --------------------------------------------------------------------------------


def test_command(samples: Path) -> None:
    result = run("--layers", "stage1/relu2", samples / "digits_int8.h5")
    assert result.exit_code == 0
    assert "stage1/relu2  16x16x16x16" in result.stdout
    assert "encoder, 1 layer: 65,536 words in " in result.stdout
    assert "decoder, 1 layer: 65,536 words in " in result.stdout
    assert "waits for plane coder" in result.stdout


def test_command_in_json(samples: Path) -> None:
    path = samples / "digits_int8.h5"
    result = run(
        *("--json", "--side", "decoder", "--clock", 100, "--stall", "out=periodic:3/4"), path
    )
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    settings = Settings(sides=["decoder"], clock_mhz=100, stalls={"out": "periodic:3/4"})
    found = fmcompress.simulate(path, settings=settings)
    assert document["stalls"] == {"out": str(pattern("periodic:3/4"))}
    assert (document["seed"], document["wait_idle"], document["rtl_quirks"]) == (0, False, False)
    assert document == json.loads(json.dumps(found.to_json()))
    assert document["schema"] == "fmcompress.simulation/1"
    total = document["total"]["decoder"]
    assert total["seconds"] == pytest.approx(total["cycles"] / 1e8)


def test_command_verbose_shows_every_layer(samples: Path) -> None:
    result = run("-v", "--side", "encoder", samples / "digits_int8.h5")
    assert "encoder, stage1/relu2: 65,536 words" in result.stdout


@pytest.mark.parametrize("width", [60, 70, 80, 120])
def test_sides_are_never_broken(samples: Path, width: int) -> None:
    text = render_simulation.simulation_text(
        fmcompress.simulate(samples / "digits_int8.h5"), width, verbose=False
    )
    table = text.split("\n\n")[0]
    assert table.count("encoder") == table.replace("symbol decoder", "").count("decoder") == 8
    assert all(len(line) <= width for line in table.splitlines())


def test_command_of_zeros_only(tmp_path: Path) -> None:
    np.save(tmp_path / "zeros.npy", np.zeros(20, np.uint8))
    result = run(tmp_path / "zeros.npy")
    assert "no block in the plane coder" in result.stdout
    assert "no block in the symbol decoder" in result.stdout


def test_command_of_a_sample(dump: Path) -> None:
    result = run("--sample", 0.3, "--chunk-words", 50, dump)
    assert result.exit_code == 0
    assert " ± " in result.stdout
    assert "24 of 78 chunks were simulated, of which the lines below tell" in result.stdout


def test_command_of_units(dump: Path) -> None:
    result = run("--units", 3, dump)
    assert "of 3 units, the slowest:" in result.stdout


def test_vcd(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.vcd"
    result = run("--vcd", target, "--cycles", "10:60", dump)
    assert result.exit_code == 0
    assert target.read_text().startswith("$")
    # Nothing is simulated for a waveform that cannot be written.
    for other, why in ((target, "exists"), (tmp_path / "none" / "out.vcd", "there is no folder")):
        monkeypatch.setattr(fmcompress, "simulate", None)
        assert why in str(run("--vcd", other, dump).exception)
        monkeypatch.undo()
    assert run("--vcd", target, "-f", "--cycles", ":60", dump).exit_code == 0


def test_vcd_is_no_input(dump: Path, tmp_path: Path) -> None:
    """Neither the dump nor a stall pattern's file, from Python either."""
    before = dump.read_bytes()
    gates = tmp_path / "gates.txt"
    gates.write_text("10")
    stall = ("--stall", f"bpc=file:{gates}")
    assert "is both input and output" in str(run(*stall, "--vcd", gates, "-f", dump).exception)
    assert gates.read_text() == "10"
    settings = Settings(trace=range(9), stalls={"bpc": f"file:{gates}"})
    found = fmcompress.simulate(dump, settings=settings)
    for target in (dump, gates):
        with pytest.raises(FmcError, match="is both input and output"):
            found.write_vcd(target)
    assert "is both input and output" in str(run("--vcd", dump, "-f", dump).exception)
    assert "lies in the input" in str(run("--vcd", tmp_path / "a.vcd", tmp_path).exception)
    assert dump.read_bytes() == before


def test_vcd_has_both_sides(dump: Path, tmp_path: Path) -> None:
    assert run("--vcd", tmp_path / "out.vcd", "--cycles", ":20", dump).exit_code == 0
    text = (tmp_path / "out.vcd").read_text()
    assert "$scope module encoder $end" in text
    assert "$scope module decoder $end" in text


def test_no_window_is_too_far(dump: Path, tmp_path: Path) -> None:
    """Beyond the numbers that the machine counts in, too."""
    result = run("--vcd", tmp_path / "out.vcd", "--cycles", f"0:{10**25}", dump)
    assert "a trace of 10,000,000,000,000,000,000,000,000 cycles" in str(result.exception)
    result = run("--trace", "--cycles", f"{10**25}:{10**25 + 9}", dump)
    assert "encoder: the run was over before cycle 10,000,000,000," in result.stdout


def test_cycles_are_digits(dump: Path) -> None:
    for cycles in ("0:\u0663", "\u0661:9", "-1:3", "0:"):
        result = run("--trace", "--cycles", cycles, dump)
        assert result.exit_code == 2
        assert "is no A:B, as 0:10000" in result.output


def test_no_vcd_of_nothing(dump: Path, tmp_path: Path) -> None:
    found = fmcompress.simulate(dump)
    with pytest.raises(FmcError, match="there is no trace"):
        found.write_vcd(tmp_path / "out.vcd")
    assert not (tmp_path / "out.vcd").exists()


def test_trace(dump: Path) -> None:
    result = run("--trace", "--cycles", "0:20", dump)
    assert result.exit_code == 0
    assert result.stdout.startswith("encoder, cycles 0 to 19\n")
    assert "decoder, cycles 0 to 19" in result.stdout


def test_trace_needs_no_more_than_its_cycles(dump: Path) -> None:
    """The rest of the layer, and other layers, are not even looked at."""
    steps = []
    settings = Settings(trace=range(1100, 1300), trace_only=True)
    found = fmcompress.simulate(dump, settings=settings, chunk_words=500, progress=steps.append)
    whole = fmcompress.simulate(dump, settings=Settings(trace=settings.trace), chunk_words=500)
    assert found.layers == []
    assert found.total("encoder") is None
    assert len(steps) == 4  # the decoder's clock is known one chunk later
    for ours, theirs in zip(found.traces, whole.traces, strict=True):
        assert ours.columns == theirs.columns
        assert np.array_equal(ours.rows, theirs.rows)
    with pytest.raises(ParameterError, match="trace_only is set, but there is no trace"):
        Settings(trace_only=True)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--stall", "bpc=always", "--stall", "bpc=random:0.5"], "--stall bpc is given twice"),
        (["--stall", "bpc"], "no PORT=PATTERN"),
        (["--cycles", "5"], "no A:B"),
        pytest.param(["--cycles", f"0:{'9' * 5000}"], "no A:B", id="digits"),
        (["--cycles", "5:5"], "has no cycle"),
        (["--cycles", "0:5"], "--cycles is for --vcd or --trace"),
        (["--vcd", "-"], "--vcd needs the name of a file"),
        (["--trace", "--json"], "leave it or --json out"),
        (["--units", "0"], "not in the range"),
        (["--side", "left"], "not one of"),
    ],
)
def test_command_refuses(dump: Path, arguments: list[str], why: str) -> None:
    result = run(*arguments, dump)
    assert result.exit_code == 2
    assert why in result.stderr
