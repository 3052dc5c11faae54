"""samples/rtl: the vectors are what the command makes, and the test benches work in a simulator."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from fmcompress.cli.main import State, cli

ROOT = Path(__file__).parents[1]
RTL = ROOT / "samples" / "rtl"
IDS = ("stage2_relu1", "stem_relu")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, arguments, obj=State())
    return result.exit_code, result.stdout


def test_vectors_are_made_by_the_command_in_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, but for the version in the manifest."""
    text = (RTL / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^fmc (vectors .*?)\n```", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    shutil.copy(ROOT / "samples" / "digits_int8.h5", tmp_path)
    (tmp_path / "rtl").mkdir()
    monkeypatch.chdir(tmp_path)
    code, _ = run(*shlex.split(found[1].replace("\\\n", " ")))
    assert code == 0
    made, kept = tmp_path / "rtl" / "vectors", RTL / "vectors"
    names = sorted(path.name for path in kept.iterdir())
    assert sorted(path.name for path in made.iterdir()) == names
    assert len(names) == 22
    version = re.compile(rb'"version": "[^"]*"')
    for name in names:
        both = [version.sub(b"", (folder / name).read_bytes()) for folder in (made, kept)]
        assert both[0] == both[1], name


def test_document_names_every_kind_of_file() -> None:
    text = (ROOT / "docs" / "VECTORS.md").read_text(encoding="utf-8")
    for path in (RTL / "vectors").iterdir():
        name = re.sub(f"^({'|'.join(IDS)})", "ID", path.name).replace(".bits", ".hex")
        assert f"`{name}`" in text or f"**`{name}`**" in text


@pytest.fixture(scope="session")
def benches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The Verilog benches, with a stand-in for the design that puts out what it should."""
    compiler = shutil.which("iverilog")
    if compiler is None:
        pytest.skip("no iverilog on this machine")
    folder = tmp_path_factory.mktemp("benches")
    made = {}
    for side in ("encoder", "decoder"):
        made[side] = str(folder / side)
        sources = [str(RTL / f"{side}_tb.v"), str(ROOT / "tests" / "rtl_stub.v")]
        top = ["-g2005", "-s", f"{side}_tb", "-o", made[side]]
        subprocess.run([compiler, *top, *sources], check=True, timeout=120)
    return made


@pytest.mark.parametrize("threshold", [256, 100])
def test_benches_in_a_simulator(benches: dict[str, str], tmp_path: Path, threshold: int) -> None:
    for bench in benches.values():
        for name in IDS:
            given = [f"+vectors={RTL}/vectors/{name}", f"+outputs={tmp_path}/{name}"]
            command = [bench, *given, f"+threshold={threshold}"]
            subprocess.run(command, check=True, timeout=120, capture_output=True)
    code, text = run("vectors", "--check", str(RTL / "vectors"), "--outputs", str(tmp_path))
    assert code == 0
    assert "6 of 6 outputs agree" in text


@pytest.mark.parametrize(("side", "output"), [("encoder", "bpc"), ("decoder", "data")])
def test_benches_show_a_wrong_word(
    benches: dict[str, str], tmp_path: Path, side: str, output: str
) -> None:
    given = [f"+vectors={RTL}/vectors/stem_relu", f"+outputs={tmp_path}/stem_relu", "+spoil=7"]
    subprocess.run([benches[side], *given], check=True, timeout=120, capture_output=True)
    result = CliRunner().invoke(
        cli,
        ["vectors", "--check", str(RTL / "vectors"), "--outputs", str(tmp_path)],
        obj=State(),
    )
    assert re.search(rf"stem_relu.{output}.out.hex .* transmission 0, word 7: ", result.stdout)
