"""Hold EBPC's speed against rivals in the same run: ratios, for times depend on the machine.

Run as ``python benchmarks/guard.py [DUMP ...]``; without dumps it takes MobileNetV2 and SqueezeNet
where they are, else the samples. Rules are those of benchmarks/thresholds.toml. Every rule that fails
is a line, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codec import Codec
from inputs import Input, choose, repeated
from loading import default_dumps, has_floats, load
from rivals import codecs
from tables import machine
from timing import CLOCKS, DIRECTIONS, ROUNDS, Speeds, measure

from fmcompress.codecs import ebpc_paths
from fmcompress.errors import FmcError

THRESHOLDS = Path(__file__).with_name("thresholds.toml")
DUMPS = ("mobilenetv2_uint8.h5", "squeezenet_f32.h5")


@dataclass(frozen=True, slots=True)
class Rule:
    """How much faster than a rival a path of EBPC is to be, one thread each.

    Attributes
    ----------
    direction : {"compress", "decompress"}
    word_bits : int
        Of the inputs that it holds for.
    path : {"plain", "portable", "fast"}
    rival : str
        Name of a codec.
    at_least : float
        Speed of EBPC / speed of the rival.
    """

    direction: str
    word_bits: int
    path: str
    rival: str
    at_least: float

    def __post_init__(self) -> None:
        if (
            self.direction not in DIRECTIONS
            or self.path not in ebpc_paths.PATHS
            or self.at_least <= 0
        ):
            raise ValueError(f"no valid rule: {self}")

    @property
    def codec(self) -> str:
        """Name of the codec that it is about."""
        return f"EBPC {self.path}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a rule; `is_fine` is None where it could not be tried."""

    is_fine: bool | None
    text: str


def read_rules(path: Path = THRESHOLDS) -> list[Rule]:
    """Read the rules.

    Raises
    ------
    ValueError, TypeError
        If one is not valid.
    """
    document: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Rule(**entry) for entry in document["rule"]]


def judge(
    name: str, rules: Iterable[Rule], speeds: Mapping[str, Speeds], impossible: Iterable[str] = ()
) -> list[Verdict]:
    """Compare the speeds of one input with rules.

    Parameters
    ----------
    name : str
        Of the input.
    rules : iterable of Rule
        Those for its word width.
    speeds : mapping
        What was measured, by the codecs' names.
    impossible : iterable of str
        Names of codecs that this processor cannot run.

    Returns
    -------
    list of Verdict
        One for each rule. A rule whose rival is missing is not tried; one whose own codec is
        missing fails, unless that is impossible here.
    """
    verdicts = []
    for rule in rules:
        what = f"{name}: {rule.codec} {rule.direction} / {rule.rival}"
        own, rival = speeds.get(rule.codec), speeds.get(rule.rival)
        if own is None:
            fine = None if rule.codec in impossible else False
            why = "not on this processor" if fine is None else "there is no such path"
            verdicts.append(Verdict(fine, f"{what}: {why}"))
        elif rival is None:
            verdicts.append(Verdict(None, f"{what}: the rival is not installed"))
        else:
            ratio = getattr(own, rule.direction)[1] / getattr(rival, rule.direction)[1]
            text = f"{what} = {ratio:.2f}, at least {rule.at_least:g}"
            verdicts.append(Verdict(ratio >= rule.at_least, text))
    return verdicts


def inputs_of(paths: Sequence[Path]) -> Iterable[Input]:
    """Yield every dump's words; of a dump of floats, quantised to 8 bits and to 16."""
    for path in paths:
        for quantize in ("fixed8", "fixed16") if has_floats(path) else ("none",):
            layers, about = choose(load(path, quantize), "relu")
            if layers:
                name = path.name if quantize == "none" else f"{path.name} as {quantize}"
                yield repeated(name, layers, about)


def default_paths() -> list[Path]:
    """Return the dumps that the thresholds were set for, where they are."""
    found = default_dumps()
    return [path for path in found if path.name in DUMPS] or found


def needed(rules: Sequence[Rule], found: Sequence[Codec]) -> list[Codec]:
    """Return the codecs that rules speak of."""
    names = {name for rule in rules for name in (rule.codec, rule.rival)}
    return [codec for codec in found if codec.name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and judge; return the exit code."""
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("dumps", metavar="DUMP", nargs="*", type=Path)
    made.add_argument("--rounds", type=int, default=ROUNDS, help="runs that medians are of")
    made.add_argument("--clock", choices=[*CLOCKS], default="cpu", help="cpu: processor time")
    options = made.parse_args(arguments)
    try:
        failed = run(options.dumps or default_paths(), max(options.rounds, 1), options.clock)
    except (FmcError, OSError, ValueError, TypeError) as error:
        print(f"guard.py: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


def run(paths: Sequence[Path], rounds: int, clock: str) -> int:
    """Print every verdict; return how many rules failed.

    Raises
    ------
    ValueError
        If no rule could be tried.
    """
    rules = read_rules()
    found, missing = codecs()
    names = {codec.name for codec in found}
    impossible = {"EBPC fast"} if "EBPC portable" in names and "EBPC fast" not in names else set()
    about = f"One thread, {clock} time, medians of {rounds} alternating runs"
    print(*machine(), about, *missing, sep="\n")
    verdicts: list[Verdict] = []
    for given in inputs_of(paths):
        fitting = [rule for rule in rules if rule.word_bits == given.word_bits]
        speeds = measure(needed(fitting, found), given, (1,), rounds, clock)
        for verdict in judge(given.name, fitting, speeds, impossible):
            mark = {True: "fine  ", False: "FAILED", None: "left  "}[verdict.is_fine]
            print(f"{mark} {verdict.text}", flush=True)
            verdicts.append(verdict)
    if all(verdict.is_fine is None for verdict in verdicts):
        raise ValueError("no rule could be tried on these dumps")
    return sum(verdict.is_fine is False for verdict in verdicts)


if __name__ == "__main__":
    sys.exit(main())
