"""A report as one HTML page: no other file, no request, nothing that runs but its own script."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import groupby
from pathlib import PurePath
from typing import Any, NamedTuple

from fmcompress import __version__
from fmcompress.compared import COMPRESSOR, EBPC
from fmcompress.numbers import counted
from fmcompress.reporting.collecting import FormatNumbers, Numbers
from fmcompress.reporting.colours import DARK, LIGHT, resolved, variables
from fmcompress.reporting.computing import computed
from fmcompress.reporting.figure import Figure
from fmcompress.reporting.figures import better_setting, why_none
from fmcompress.reporting.tables import (
    boxes_table,
    folded,
    layers_table,
    methods_table,
    number,
    sweep_table,
    symbols_table,
    tiles_table,
    traffic_table,
)
from fmcompress.reporting.vector_graphics import safe

LOSSY = '<span class="lossy">LOSSY</span>'


class Section(NamedTuple):
    """A part of the page.

    Attributes
    ----------
    name : str
        Of its figures.
    title : str
    table : callable or None
        Of a format's numbers, what stands below the figures.
    common : callable or None
        Of all numbers, what stands below the figure of all formats.
    """

    name: str
    title: str
    table: Callable[[Numbers, FormatNumbers], str] | None = None
    common: Callable[[Numbers], str] | None = None


SECTIONS = (
    Section("ratio_of_network", "Ratio of the network", common=lambda numbers: _network(numbers)),
    Section("methods", "EBPC and other methods", lambda _, one: methods_table(one)),
    Section("ratio_per_layer", "Ratio per layer", lambda _, one: _ratios(one)),
    Section("sparsity_per_layer", "Sparsity per layer", lambda _, one: _sparsities(one)),
    Section("values", "Values"),
    Section("differences", "Differences"),
    Section("bpc_symbols", "Symbols of the BPC stream", lambda _, one: symbols_table(one)),
    Section("sweep", "Block size and burst", sweep_table),
    Section("traffic", "Off-chip traffic", lambda _, one: _traffic(one)),
    Section("layers", "All layers by all methods", lambda _, one: layers_table(one)),
)


@cache
def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def picture_style() -> str:
    """Return the style sheet of a picture that stands alone: light."""
    return resolved(_file("figures.css"), LIGHT)


@cache
def _style() -> str:
    dark = variables(DARK)
    return (
        f":root{{{variables(LIGHT)}}}\n"
        f'@media screen and (prefers-color-scheme:dark){{:root:not([data-theme="light"]){{{dark}}}}}\n'
        f'@media screen{{:root[data-theme="dark"]{{{dark}}}}}\n'
        + _file("style.css")
        + _file("figures.css")
    )


def _digest(text: str) -> str:
    """Return how a policy names an inline style or script."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def page(
    numbers: Numbers, sources: Sequence[str], figures: Sequence[Figure], asked: dict[str, Any]
) -> str:
    """Return the report.

    Parameters
    ----------
    numbers : Numbers
    sources : sequence of str
        The files that were measured, by name or path.
    figures : sequence of Figure
        Those of a section side by side.
    asked : dict
        Parameters that are not among `numbers.options`, by name.
    """
    style, script = _style(), _file("script.js")
    policy = (
        f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    sections = {name: list(group) for name, group in groupby(figures, lambda one: one.section)}
    parts = [_section(numbers, section, sections.get(section.name, [])) for section in SECTIONS]
    names = [(s.name, s.title) for s, part in zip(SECTIONS, parts, strict=True) if part]
    names.append(("computed", "How it was computed"))
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in names)
    shown = ", ".join(PurePath(file).name or file for file in sources)
    title = f"Feature maps of {shown}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="generator" content="fmcompress {__version__}">',
            f"<title>{safe(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            f"<header>\n<h1>Feature maps of <bdi>{safe(shown)}</bdi></h1>",
            f'<p class="quiet">{_counts(numbers)}</p>\n{_warnings(numbers)}</header>',
            '<div id="bar" class="bar" hidden></div>',
            "<main>",
            *(_headline(numbers, one) for one in numbers.formats),
            f'<nav aria-label="Contents"><ul>{links}</ul></nav>',
            *filter(None, parts),
            computed(numbers, asked),
            "</main>",
            f"<script>{script}</script>",
            "</body>",
            "</html>\n",
        ]
    )


def _counts(numbers: Numbers) -> str:
    one = numbers.formats[0]
    total = one.comparison.total
    frames = sorted(set(one.frames.values()))
    spread = f"{frames[0]:,}" if len(frames) == 1 else f"{frames[0]:,} to {frames[-1]:,}"
    formats = ", ".join(one.name for one in numbers.formats)
    return (
        f"{counted(len(one.comparison.layers), 'layer')}, {total.words:,} words, "
        f"frames of a layer: {spread}, number formats: {formats}; fmcompress {__version__}"
    )


def _warnings(numbers: Numbers) -> str:
    """Say that there are warnings: they stand at the end."""
    if not numbers.warnings:
        return ""
    warnings = counted(len(numbers.warnings), "warning")
    return f'<p>These numbers come with <a href="#warnings">{warnings}</a>.</p>\n'


def _of_format(numbers: Numbers, one: FormatNumbers, inner: str, level: str = "h3") -> str:
    """Put what is of one format into a frame that says so, where there are several."""
    part = f'<span class="quiet">{part}</span>' if (part := numbers.part(one)) else ""
    head = f"<{level}>{safe(one.name)} {LOSSY if one.lossy else ''} {part}</{level}>\n"
    several = len(numbers.formats) > 1
    return f'<div data-format="{safe(one.name)}">\n{head if several or one.lossy else ""}{inner}\n</div>'


def _headline(numbers: Numbers, one: FormatNumbers) -> str:
    found, total = one.comparison, one.comparison.total
    existing, gain = total.best_existing(found.methods), total.ebpc_gain(found.methods)
    cards = [(number(total.ratio(EBPC)), "ratio of EBPC")]
    said = ""
    if existing is not None and gain is not None:
        share = f"{100 * abs(gain):.1f} %"
        than = f"{share} {'better' if gain >= 0 else 'worse'} than"
        if share == "0.0 %":
            than = "as good as"
        cards.append((f"{number(total.ratio(existing))}", f"{existing}, the best existing method"))
        said = (
            f"EBPC has a ratio of {number(total.ratio(EBPC))}, {than} the best existing "
            f"method, {existing}, with {number(total.ratio(existing))}."
        )
    if total.entropy_bits:
        bound = total.word_bits / total.entropy_bits
        cards.append((f"{bound:.3f}", "order-0 entropy: the bound of any code of single words"))
    general = [
        (ratio, method.name)
        for method in found.methods
        if method.kind == COMPRESSOR and (ratio := total.ratio(method.name)) is not None
    ]
    if general:
        ratio, name = max(general)
        cards.append((f"{ratio:.3f}", f"{name}, a general compressor"))
    cards.append((f"{100 * total.sparsity:.1f} %", "of the words are zero"))
    cards.append((number(one.traffic.total.ratio), "ratio off chip, bursts and index counted"))
    items = "".join(
        f"<li><b>{safe(big)}</b><span>{safe(small)}</span></li>" for big, small in cards
    )
    advice = "".join(f"<li>{safe(line)}</li>" for line in found.advice)
    if total.zero_words == total.words:
        said = "All words are zero: ratios tell no more than how each method writes zeros."
    else:
        said = " ".join(filter(None, (said, better_setting(numbers, one))))
    inner = f"<p>{safe(said)}</p>\n" if said else ""
    inner += f'<ul class="cards">{items}</ul>'
    inner += f"\n<p>Advice:</p>\n<ul>{advice}</ul>" if advice else ""
    return _of_format(numbers, one, inner, "h2")


def _section(numbers: Numbers, section: Section, figures: Sequence[Figure]) -> str:
    parts = [_figure(figure, figures, numbers) for figure in figures if not figure.format]
    if parts and section.common is not None:
        parts.append(section.common(numbers))
    for one in numbers.formats:
        own = [figure for figure in figures if figure.format == one.name]
        inner = "".join(_figure(figure, own, numbers) for figure in own)
        if why := why_none(section.name, numbers, one):
            inner = f'<p class="quiet">{safe(why)}</p>\n'
        if len(own) > 1:
            inner = f'<div class="views">\n{inner}</div>'
        if section.table is not None:
            inner += section.table(numbers, one)
        if inner:
            parts.append(_of_format(numbers, one, inner))
    if not parts:
        return ""
    body = "\n".join(parts)
    return f'<section id="{section.name}">\n<h2>{section.title}</h2>\n{body}\n</section>'


def _figure(figure: Figure, beside: Sequence[Figure], numbers: Numbers) -> str:
    view = f' data-view="{safe(figure.view)}"' if len(beside) > 1 else ""
    series = ""
    if figure.section == "ratio_per_layer" and len(numbers.codecs) > 1:
        series = f' data-series="{safe(json.dumps(numbers.codecs))}"'
    centre = figure.picture.centre
    look = "" if centre is None else f' data-look="{centre:.0f}"'
    return (
        f'<figure{view}{series}>\n<div class="scroll"{look} tabindex="0" role="region" '
        f'aria-label="{safe(figure.picture.title)}">\n{figure.picture.svg()}</div>\n'
        f"<figcaption>{safe(figure.caption)}</figcaption>\n</figure>\n"
    )


def _network(numbers: Numbers) -> str:
    columns = {
        ", ".join(filter(None, (one.name, numbers.part(one)))): one.network_ratios
        for one in numbers.formats
        if one.network_ratios
    }
    caption = "Ratio of all layers together over frames, by codec and number format"
    return folded("Ratios as numbers", boxes_table(caption, columns, head="codec"))


def _ratios(one: FormatNumbers) -> str:
    numbers = boxes_table("Ratio over frames, by layer and codec", one.ratios)
    return folded("Ratios as numbers", numbers)


def _sparsities(one: FormatNumbers) -> str:
    boxes = {name: box.times(100) for name, box in one.sparsities.items()}
    numbers = boxes_table("Sparsity over frames, by layer", {"zero words, %": boxes}, ".1f")
    return folded("Sparsities as numbers", numbers)


def _traffic(one: FormatNumbers) -> str:
    found = one.traffic
    parts = [traffic_table(one)]
    if found.energy is not None:
        energy = found.energy
        lines = (f"{energy.pj_per_bit:g} pJ/bit, {energy.title}", energy.note, energy.source)
        text = "; ".join(line for line in lines if line)
        parts.append(f'<p class="quiet">{safe(text)}</p>')
    parts.append(folded("Tiles of each layer: what buffers have to hold", tiles_table(found)))
    return "\n".join(parts)
