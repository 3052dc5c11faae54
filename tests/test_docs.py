"""Documentation that can be checked: help texts, commands, exit codes, JSON fields, examples."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import re
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
import pytest

import fmcompress
from fmcompress import errors
from fmcompress.cli import main as main_module
from fmcompress.cli.main import COMMANDS, State, cli, main

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
OPERATORS = {"|", "||", "&&", ";", "&", ">", ">>", "<"}


def shown(path: Path) -> str:
    """A path as in messages."""
    return path.relative_to(ROOT).as_posix()


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGTERM)
    code: Any = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([*arguments])
        except SystemExit as exit_:
            code = exit_.code
    signal.signal(signal.SIGTERM, before)
    logging.getLogger("fmcompress").handlers.clear()
    return code, out.getvalue(), err.getvalue()


# --- Python API ---------------------------------------------------------------------------


def test_readme_lists_the_public_names() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [sentence] = re.findall(r"^((?:`\w+`,?\s|and\s)+)are the public API", text, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", sentence)) == sorted(fmcompress.__all__)


# --- Help ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    code, text, _ = run(name, "--help")
    assert code == 0
    assert text.startswith(f"Usage: fmc {name} ")
    [example] = re.findall(r"^ *Example: (fmc .*)$", text, re.MULTILINE)
    check_command(shlex.split(example))
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_help_of_all_lists_commands_and_exit_codes() -> None:
    code, text, _ = run("--help")
    assert code == 0
    for name, (_, line) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line)}$", text, re.MULTILINE)
    for exit_code in ("0 fine", "1 error", "2 wrong", "3 damaged", "4 not", "130 int", "141 bro"):
        assert exit_code in text.replace("\n ", "")


def test_cli_document_is_the_generated_one() -> None:
    """Run ``python docs/make_cli.py`` where it is not."""
    spec = importlib.util.spec_from_file_location("make_cli", ROOT / "docs" / "make_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text(encoding="utf-8") == module.document()


def test_every_exit_code_is_documented() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    codes = {0} | {c.exit_code for c in classes if issubclass(c, errors.FmcError)}
    codes |= {getattr(main_module, name) for name in ("INTERRUPTED", "BROKEN_PIPE", "TERMINATED")}
    text = (ROOT / "docs" / "CLI.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| [a-z]", text, re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(codes)


# --- Commands in documents ----------------------------------------------------------------


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """Language and text of every fenced block."""
    text = path.read_text(encoding="utf-8")
    yield from re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(path: Path) -> Iterator[list[str]]:
    """Every ``fmc`` command in a document's shell and console blocks."""
    for language, text in blocks(path):
        if language not in ("sh", "console"):
            continue
        for line in text.replace("\\\n", " ").splitlines():
            if language == "console" and not line.startswith("$ "):
                continue
            lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
            lexer.commenters = "#"
            lexer.wordchars += ":,"
            words: list[str] = []
            for word in [*lexer, ";"]:
                if word not in OPERATORS:
                    words.append(word)
                    continue
                if words[:1] == ["fmc"]:
                    yield words
                words = []


def check_command(words: list[str]) -> None:
    """Parse a command with all its options, without running it."""
    name, *rest = words[1:]
    group = cli.make_context("fmc", [name], obj=State())
    command = cli.get_command(group, name)
    assert command is not None, f"no command {name!r}"
    command.make_context(name, rest, parent=group)


DOCUMENTED = [
    pytest.param(w, id=f"{shown(p)}: {' '.join(w)}") for p in DOCUMENTS for w in commands(p)
]


@pytest.mark.parametrize("words", DOCUMENTED)
def test_commands_in_documents_exist(words: list[str]) -> None:
    with contextlib.suppress(click.exceptions.Exit):  # of --help and --version
        check_command(words)


def test_commands_are_found() -> None:
    found = {words[1] for path in DOCUMENTS for words in commands(path)}
    assert found >= set(COMMANDS)
    with pytest.raises(click.UsageError):
        check_command(["fmc", "compress", "--blocksize", "8", "maps.h5"])


def sessions(path: Path) -> list[list[tuple[list[str], str]]]:
    """Console blocks as commands with what they print; of those that use only ``fmc``."""
    found = []
    for language, text in blocks(path):
        parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
        if language == "console" and parts and all(p.startswith("fmc ") for p in parts):
            split = (part.partition("\n") for part in parts)
            found.append([(shlex.split(line)[1:], output) for line, _, output in split])
    return found


@pytest.mark.compiled
@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
def test_console_blocks_show_what_is_printed(
    path: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(samples, "samples")
    for session in sessions(path):
        for arguments, expected in session:
            code, out, err = run(*arguments, *(["-f"] if arguments[0] == "compress" else []))
            assert code == 0, err
            said = [line for line in err.splitlines(keepends=True) if line in expected]
            assert out + "".join(said) == expected


def test_links_lead_somewhere() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{shown(path)}: {target}"


# --- JSON ---------------------------------------------------------------------------------

JSON = ROOT / "docs" / "JSON.md"


def documented(command: str) -> dict[str, str]:
    """Field -> type, from the tables of a section of docs/JSON.md."""
    text = JSON.read_text(encoding="utf-8")
    section = text.partition(f"\n## `fmc {command} --json`\n")[2].partition("\n## ")[0]
    section, _, sides = section.partition("\n### Sides\n")
    main_, _, sizes = section.partition("\n### Sizes\n")
    row = re.compile(r"^\| `([^`]+)` \| ([a-z ]+) \| .*\|$", re.MULTILINE)
    fields = dict(row.findall(main_))
    for name, kind in row.findall(sizes):
        fields |= {f"layers[].{name}": kind, f"total.{name}": kind}
    for name, kind in row.findall(sides):
        for side in ("encoder", "decoder"):
            fields |= {f"layers[].{side}.{name}": kind, f"total.{side}.{name}": kind}
    return fields


def fields_of(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and type of every field that occurs in a document."""
    if isinstance(value, dict):
        if path:
            yield path, "object"
        for key, inner in value.items():
            yield from fields_of(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        kinds = {KINDS[type(inner)] for inner in value}
        yield f"{path}[]", f"array of {kinds.pop()}s" if len(kinds) == 1 else "array of"
        for inner in value:
            if isinstance(inner, dict):
                yield from (f for f in fields_of(inner, f"{path}[]") if f[0] != f"{path}[]")
    else:
        yield path, KINDS[type(value)]


KINDS = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    type(None): "null",
    dict: "object",
}


@pytest.fixture
def documents(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[Any]]:
    """Real documents of every command: dumps and containers, warnings, damage."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("maps.npz", a=rng.integers(-9, 9, (5, 9), np.int8) // 5, b=np.ones(3), c=np.int8(1))
    run("compress", "maps.npz", "whole")
    content = bytearray((tmp_path / "whole").read_bytes())
    content[-90] ^= 1
    (tmp_path / "odd").write_bytes(content)
    shutil.copy(samples / "digits_f32.h5", "floats")
    np.savez("more.npz", a=rng.normal(size=(2, 9)), b=rng.integers(0, 9, (2, 9), np.uint8))
    found: dict[str, list[Any]] = {"stats": [], "list": [], "verify": [], "simulate": []}
    found |= {"vectors": [], "vectors --check": []}
    for options in (
        ("--quantize", "fixed8", "--order", "auto"),
        ("--quantize", "bfloat16", "--headroom", "1", "--headroom-axis", "0", "--mapping", "bits"),
        ("--zero-point", "1,2", "--zero-point-axis", "0", "--word-bits", "5"),
        ("--dtype", "uint4", "--packed"),
        ("--dtype", "int4", "--layers", "b"),
    ):
        run("compress", "-f", "more.npz", "packed", *options)
        found["stats"].append(json.loads(run("stats", "--json", "more.npz", *options)[1]))
        found["list"].append(json.loads(run("list", "--json", "packed")[1]))
    for command, names in (
        ("stats", ("maps.npz", "whole", "floats")),
        ("list", ("maps.npz", "whole", "floats")),
        ("verify", ("whole", "odd")),
    ):
        found[command] += [json.loads(run(command, "--json", name)[1]) for name in names]
    for epoch in (1, 0.5):
        with h5py.File(f"epoch-{epoch}.h5", "w") as file:
            file.attrs["epoch"] = epoch
            file["a"] = rng.integers(0, 3, (4, 9), np.int8)
            file["b"] = "carried"
    dumps = ("epoch-1.h5", "epoch-0.5.h5")
    found["stats --by epoch"] = [json.loads(run("stats", "--by", "epoch", "--json", *dumps)[1])]
    found["stats --by frame"] = [
        json.loads(run("stats", "--by", by, "--json", name)[1])
        for by, name in (("frame", "maps.npz"), ("channel", "more.npz"), ("layer", "more.npz"))
    ]
    np.savez("frames.npz", a=np.ones((4, 9), np.int8), b=np.ones((5, 9), np.int8))
    different = run("stats", "--by", "frame", "--json", "frames.npz")[1]
    found["stats --by frame"].append(json.loads(different))
    found["compare"] = [
        json.loads(run("compare", "--json", *options)[1])
        for options in (("more.npz",), ("--codec", "zvc", "maps.npz"), ("--codec", "ebpc", "whole"))
    ]
    found["sweep"] = [
        json.loads(run("sweep", "--json", "--format", "native,fixed8", "more.npz")[1])
    ]
    found["traffic"] = [
        json.loads(run("traffic", "--json", "maps.npz", *options)[1])
        for options in (
            (),
            ("--tile", "2x3", "--fps", "30", "--pj-per-bit", "3"),
            ("--energy", "ddr3", "--no-index"),
        )
    ]
    found["traffic --hardware"] = [json.loads(run("traffic", "--json", "--hardware")[1])]
    for options in ((), ("--sample", "0.5", "--chunk-words", "5"), ("--dram", "100")):
        found["simulate"].append(json.loads(run("simulate", "--json", "whole", *options)[1]))
    for options in ((), ("--chunks", "0", "--max-words", "9", "--seed", "1")):
        made = run("vectors", "--json", "-f", "maps.npz", "vectors", *options)[1]
        found["vectors"].append(json.loads(made))
    for content in ("01\n", ""):
        (tmp_path / "vectors" / "a.data.out.hex").write_text(content)
        made = run("vectors", "--check", "vectors", "--json")[1]
        found["vectors --check"].append(json.loads(made))
    (tmp_path / "vectors" / "a.data.out.hex").write_bytes(
        (tmp_path / "vectors" / "a.data.hex").read_bytes()
    )
    found["vectors --check"].append(json.loads(run("vectors", "--check", "vectors", "--json")[1]))
    return found


@pytest.mark.parametrize(
    "command",
    [
        *("stats", "stats --by frame", "stats --by epoch", "compare", "sweep", "traffic"),
        *("traffic --hardware", "list", "verify", "simulate", "vectors", "vectors --check"),
    ],
)
def test_every_json_field_is_documented(documents: dict[str, list[Any]], command: str) -> None:
    known = documented(command)
    seen: dict[str, set[str]] = {}
    for document in documents[command]:
        assert f"| `schema` | string | `{document['schema']}` |" in JSON.read_text(encoding="utf-8")
        for path, kind in fields_of(document):
            # Named by reason, by port, by codec, by layer.
            named = (".waits.", ".last_handshakes.", ".chunks_by_codec.", "left_out.")
            named += (".word_format.",) if command == "compare" else ()
            if not any(part in path for part in named):
                seen.setdefault(path, set()).add(kind)
    assert set(seen) == set(known)
    for path, kinds in seen.items():
        for kind in kinds:
            accepted = known[path].split(" or ")
            assert any(a.startswith(kind) for a in accepted), f"{path}: {kind}, not {known[path]}"
