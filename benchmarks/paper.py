"""Measure what the EBPC paper's figures show, on other networks, by streams and by its own counting.

Run as ``python benchmarks/paper.py [DUMP ...]``; without dumps it takes those of real networks beside
the checkout. ``--write benchmarks/paper.md`` puts the tables into that document, which explains them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from authors_counting import AUTHORS, HARDWARE, Rules, authors_words
from loading import default_dumps
from numpy.typing import NDArray
from paper_maps import FORMATS, Network, Words, native, quantised, read
from paper_ratios import (
    GENERAL,
    METHODS,
    Ratios,
    authors_counts,
    authors_ratios,
    general_codec,
    product_ratios,
)
from published import NEAREST, PUBLISHED, Figure, starred
from tables import put_between_markers

from fmcompress.codecs import CODECS
from fmcompress.quantizing import TARGETS

NATIVE = "native8"
# Methods whose ratios are so close are said to be equal; and a ratio so close to the paper's, near.
CLOSE, NEAR = 0.01, 0.1
TITLES = {method: title for method, (_, title) in METHODS.items()}
ONE_BY_ONE: dict[str, tuple[str, Sequence[str]]] = {
    "wrapped_differences": ("differences wrap: w planes, not w + 1", ("bpc", "ebpc")),
    "swapped_run_codes": ("codes of runs of planes swapped", ("bpc", "ebpc")),
    "short_last_block": ("last block not filled up", ("ebpc",)),
    "lone_word_left_out": ("last block of one word costs nothing", ("ebpc",)),
    "trailing_zeros_left_out": ("zeros at the end cost nothing", ("ebpc",)),
    "long_full_burst": ("a full burst costs 6 bits", ("zrle",)),
}
VARIATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "as above": ("ebpc", {}),
    "each frame by its own maximum": ("ebpc", {"by_frame": True}),
    "headroom 0.5": ("ebpc", {"headroom": 0.5}),
    "headroom 1": ("ebpc", {"headroom": 1.0}),
    "blocks of 16 words": ("ebpc:block_size=16", {}),
    "bursts of up to 64 zeros": ("ebpc:max_burst=64", {}),
    "channels last (NHWC)": ("ebpc", {"channels_last": True}),
}
DIFFERENCES: dict[str, tuple[str, dict[str, Any]]] = {
    f"{name} differences": (f"ebpc:difference={name}", {})
    for name in ("signed", "unsigned", "modular")
}


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Return a table, numbers to the right."""
    rule = ["---"] * text_columns + ["---:"] * (len(header) - text_columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def median(ratios: NDArray[np.float64], spread: bool = False) -> str:
    """Return the median over frames; and the 1st and the 99th percentile, of several."""
    text = f"{np.median(ratios):.2f}"
    if spread and ratios.size > 1:
        low, high = np.percentile(ratios, [1, 99])
        text += f" [{low:.2f}–{high:.2f}]"
    return text


def cells(ratios: Ratios, is_decodable: bool = True) -> list[str]:
    """Return a cell for each method, and the general one's; empty ones for what is not there."""
    texts = [
        median(ratios[method], spread=method == "ebpc") if method in ratios else ""
        for method in (*METHODS, GENERAL)
    ]
    return texts if is_decodable else [*texts[:2], *starred(texts[2:4]), *texts[4:]]


def formats(network: Network) -> list[str]:
    """Return what a network's maps become: floats all, 8-bit integers fixed8, and stay as they are."""
    if network.is_gradients:
        return ["fixed16"]
    return [*FORMATS] if network.is_float else [NATIVE, "fixed8"]


def product_words(network: Network, target: str, **options: Any) -> list[Words]:
    """Return the words of every layer as the product makes them."""
    if target == NATIVE:
        return [native(layer) for layer in network.layers]
    return [quantised(layer.floats, target, **options) for layer in network.layers]


def recipe_words(network: Network, target: str, by_maximum: bool = False) -> list[NDArray[Any]]:
    """Return the words of every layer by the authors' recipe, which is for fixed point."""
    if target == NATIVE:
        return [layer.signed for layer in product_words(network, target)]
    if TARGETS[target].is_float:
        return [layer.patterns.view(np.float16) for layer in product_words(network, target)]
    bits = TARGETS[target].bits
    return [
        authors_words(layer.floats, bits, by_maximum).reshape(network.frames, -1)
        for layer in network.layers
    ]


def bits_of(target: str) -> int:
    """Return the width of words."""
    return 8 if target == NATIVE else TARGETS[target].bits


def by_authors(network: Network, target: str, rules: Rules = AUTHORS) -> NDArray[np.int64]:
    """Count a network's frames by rules."""
    is_float = target != NATIVE and TARGETS[target].is_float
    words = recipe_words(network, target)
    return authors_counts(words, bits_of(target), rules, float_differences=is_float)


def networks_table(networks: Sequence[Network]) -> str:
    """Return what was measured."""
    rows = []
    for network in networks:
        photos = ", ".join(map(str, network.about.get("frames", ())))
        about = [str(network.about.get(key, "")) for key in ("source_model", "licence")]
        zeros = np.mean([np.mean(layer.values == layer.zero_point) for layer in network.layers])
        count = f"{len(network.layers)} × {network.frames}"
        rows.append([network.file, *about, photos, count, f"{zeros:.0%}"])
    header = ["dump", "model", "licence", "photos", "layers × frames", "zeros, mean of layers"]
    return markdown(header, rows, 4)


def published_table() -> str:
    """Return the paper's figures."""
    rows = [
        [name, target, *figure.cells()]
        for name, of_formats in PUBLISHED.items()
        for target, figure in of_formats.items()
    ]
    return markdown(["network", "words", *TITLES.values(), "EBPC, abstract"], rows, 2)


class Line(NamedTuple):
    """A network's maps in one format: ratios of streams, and by the authors' counting."""

    network: str
    target: str
    streams: Ratios
    counted: Ratios

    @property
    def is_decodable(self) -> bool:
        """Whether bits that the authors count could be decoded; differences of floats cannot."""
        return self.target == NATIVE or not TARGETS[self.target].is_float

    @property
    def figure(self) -> Figure | None:
        """What the paper has of the network that this one is most like."""
        return PUBLISHED.get(NEAREST.get(self.network, ""), {}).get(self.target)


def measured(network: Network, target: str, general: Any) -> Line:
    """Measure a network's maps in one format."""
    streams = product_ratios(product_words(network, target), general=general)
    return Line(network.name, target, streams, authors_ratios(by_authors(network, target)))


def ratios_table(lines: Iterable[Line]) -> str:
    """Return the ratios of maps, with the paper's beside them."""
    rows = []
    for line in lines:
        rows.append([line.network, line.target, "streams", *cells(line.streams)])
        rows.append(["", "", "authors' counting", *cells(line.counted, line.is_decodable)])
        if line.figure:
            about = f"paper, {NEAREST[line.network]}"
            rows.append(["", "", about, *line.figure.cells()[: len(METHODS)], ""])
    return markdown(["network", "words", "", *TITLES.values(), GENERAL], rows, 3)


def comparisons(lines: Iterable[Line]) -> list[str]:
    """Say in how many lines EBPC is near the paper's, and behind a general compressor."""
    compared = [
        (float(np.median(line.streams["ebpc"])), line.figure.medians[-1], line)
        for line in lines
        if line.figure and line.is_decodable
    ]
    near = sum(abs(ours / theirs - 1) <= NEAR for ours, theirs, _ in compared)
    found = []
    if compared:
        found.append(
            f"EBPC's streams are within {NEAR:.0%} of the paper's median for a like network in {near} "
            f"of {len(compared)} lines (float16 left out)."
        )
    general = [
        float(np.median(line.streams[GENERAL]) / np.median(line.streams["ebpc"]))
        for line in lines
        if GENERAL in line.streams
    ]
    if general:
        ahead = sum(share > 1 for share in general)
        found.append(
            f"{GENERAL} packs more than EBPC in {ahead} of {len(general)} lines; its ratio is "
            f"{min(general):.2f} to {max(general):.2f} times EBPC's."
        )
    return found


def orders_table(lines: Iterable[Line]) -> str:
    """Return the order of the methods."""
    rows = [[line.network, line.target, order(line.streams), order(line.counted)] for line in lines]
    return markdown(["network", "words", "streams", "authors' counting"], rows, 4)


def leads_table(lines: Iterable[Line]) -> str:
    """Return how far EBPC is ahead of the best of the other three, with what the paper has."""
    rows = []
    for line in lines:
        if not line.is_decodable:
            continue
        medians = [
            {m: float(np.median(r[m])) for m in METHODS if m in r}
            for r in (line.streams, line.counted)
        ]
        published = dict(zip(METHODS, line.figure.medians, strict=True)) if line.figure else {}
        near = NEAREST[line.network] if published else ""
        rows.append([line.network, line.target, *map(lead, [*medians, published]), near])
    header = ["network", "words", "streams %", "authors' counting %", "paper %", "of"]
    return markdown(header, rows, 2)


def lead(medians: Mapping[str, float]) -> str:
    """Return by how much EBPC's ratio exceeds the best of the others, in %."""
    others = [ratio for method, ratio in medians.items() if method != "ebpc"]
    if not others or "ebpc" not in medians:
        return ""
    percent = round(100 * (medians["ebpc"] / max(others) - 1))
    return f"{percent:+d}" if percent else "0"


def order(ratios: Ratios) -> str:
    """Put the methods into their order."""
    found = {title: float(np.median(ratios[m])) for m, title in TITLES.items() if m in ratios}
    titles = sorted(found, key=lambda title: -found[title])
    text = titles[0]
    for before, title in pairwise(titles):
        text += f" {'≈' if found[before] <= found[title] * (1 + CLOSE) else '>'} {title}"
    return text


def gradients_table(networks: Sequence[Network]) -> str:
    """Return the ratios of gradients, by both normalisers."""
    rows = []
    for network in networks:
        (target,), bits = formats(network), bits_of("fixed16")
        ours = product_ratios(product_words(network, target), general=None)
        rows.append([network.name, "streams", "largest magnitude", *cells(ours)[:-1]])
        for by_maximum, normaliser in enumerate(("largest magnitude", "maximum")):
            words = recipe_words(network, target, by_maximum=bool(by_maximum))
            theirs = authors_ratios(authors_counts(words, bits))
            rows.append(["", "authors' counting", normaliser, *cells(theirs)[:-1]])
    return markdown(["network", "", "normalised by", *TITLES.values()], rows, 3)


def rules_table(networks: Sequence[Network], target: str) -> str:
    """Return what each of the authors' rules is worth: the ratio with it alone, to the hardware's."""
    rules = {
        title: (replace(HARDWARE, **{name: True}), methods)
        for name, (title, methods) in ONE_BY_ONE.items()
    }
    rules["all of them"] = (AUTHORS, ("zrle", "bpc", "ebpc"))
    found: dict[tuple[str, str], list[str]] = {}
    for network in networks:
        without = authors_counts(recipe_words(network, target), bits_of(target), HARDWARE)
        before = _whole(without)
        for title, (changed, methods) in rules.items():
            after = _whole(by_authors(network, target, changed))
            for method in methods:
                found.setdefault((title, TITLES[method]), []).append(
                    f"{after[method] / before[method] - 1:+.2%}"
                )
        streams = product_ratios(_as_words(recipe_words(network, target), bits_of(target)))
        for method in ("bpc", "ebpc"):
            share = _mean(streams[method]) / before[method] - 1
            found.setdefault(("hardware: streams end with whole words", TITLES[method]), []).append(
                f"{share:+.2%}"
            )
    header = ["rule", "method", *(network.name for network in networks)]
    return markdown(header, ([*key, *texts] for key, texts in found.items()), 2)


def _whole(counted: NDArray[np.int64]) -> dict[str, float]:
    """Return the ratios of all frames together."""
    return {
        method: float(ratios[0])
        for method, ratios in authors_ratios(counted.sum(axis=0)[None]).items()
    }


def _mean(ratios: NDArray[np.float64]) -> float:
    """Return the ratio of all frames together, which are equally large."""
    return float(1 / np.mean(1 / ratios))


def _as_words(layers: Iterable[NDArray[Any]], word_bits: int) -> list[Words]:
    """Return signed numbers of w bits as patterns."""
    dtype = np.uint8 if word_bits == 8 else np.uint16
    return [Words((layer % (1 << word_bits)).astype(dtype), word_bits) for layer in layers]


def variations_table(
    networks: Sequence[Network], target: str, variations: Mapping[str, tuple[str, dict[str, Any]]]
) -> str:
    """Return what else moves the ratio of EBPC's streams."""
    rows = []
    for title, (codec, options) in variations.items():
        row = [title]
        for network in networks:
            given, how = network, dict(options)
            if how.pop("channels_last", False):
                layers = [layer.channels_last() for layer in network.layers]
                given = replace(network, layers=layers)
            words = product_words(given, target, **how)
            row.append(median(product_ratios(words, [codec])[codec]))
        rows.append(row)
    return markdown([f"streams of EBPC, {target}", *(network.name for network in networks)], rows)


def equality_table(networks: Sequence[Network]) -> str:
    """Compare the words of both recipes, with the largest magnitude as the normaliser of both."""
    rows = []
    for network in networks:
        for target in formats(network):
            if target == NATIVE or TARGETS[target].is_float:
                continue
            ours, theirs = product_words(network, target), recipe_words(network, target)
            gaps = [np.abs(one.signed - other) for one, other in zip(ours, theirs, strict=True)]
            differing = sum(int(np.count_nonzero(gap)) for gap in gaps)
            total = sum(gap.size for gap in gaps)
            largest = max(int(gap.max()) for gap in gaps)
            kind = f"{target}, gradients" if network.is_gradients else target
            rows.append([network.name, kind, f"{differing:,} of {total:,}", str(largest)])
    return markdown(["network", "words", "words that differ", "by at most"], rows, 2)


def sections(networks: Sequence[Network], out: Callable[[str], None]) -> Iterator[str]:
    """Yield the document's measured part, a section at a time; tell how far it is."""
    maps = [network for network in networks if not network.is_gradients]
    gradients = [network for network in networks if network.is_gradients]
    general = general_codec()
    missing = [title for name, title in TITLES.items() if name not in CODECS]
    out("networks")
    yield f"### What was measured\n\n{networks_table(networks)}"
    yield f"### What the paper shows\n\n{published_table()}"
    if maps:
        out("ratios of maps")
        lines = [measured(n, target, general) for n in maps for target in formats(n)]
        left = [f"Without a codec here: {', '.join(missing)}."] if missing else []
        left += ["zstandard is not installed: pip install '.[bench]'."] if not general else []
        ratios = [ratios_table(lines), *comparisons(lines), *left]
        yield "\n\n".join(["### Ratios of feature maps", *ratios])
        yield f"### The order of the methods\n\n{orders_table(lines)}"
        yield f"### EBPC over the best of the other three\n\n{leads_table(lines)}"
    if gradients:
        out("ratios of gradients")
        yield f"### Gradients, fixed16\n\n{gradients_table(gradients)}"
    if maps:
        for target in ("fixed8", "fixed16", NATIVE):
            out(f"the authors' rules, {target}")
            chosen = [network for network in maps if target in formats(network)]
            if chosen:
                worth = rules_table(chosen, target)
                yield f"### What each rule of the counting is worth, {target}\n\n{worth}"
        out("other parameters")
        tables = [variations_table(maps, "fixed8", VARIATIONS)]
        integers = [network for network in maps if not network.is_float]
        tables += [variations_table(integers, NATIVE, DIFFERENCES)] if integers else []
        yield "\n\n".join(["### What else moves the figure", *tables])
    out("both recipes")
    yield f"### The words of both recipes\n\n{equality_table(networks)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dumps", metavar="DUMP", nargs="*", type=Path, help="HDF5, as in samples/")
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the tables into a document")
    options = parser.parse_args(arguments)
    try:
        networks = [read(path) for path in options.dumps or default_dumps()]
        text = "\n\n".join(sections(networks, lambda step: print(step, file=sys.stderr)))
        print(text)
        if options.write:
            before = options.write.read_text(encoding="utf-8")
            after = put_between_markers(before, text, fenced=False)
            options.write.write_text(after, encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"paper.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
