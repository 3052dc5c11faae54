"""How a report was computed, as HTML: parameters, also those that nobody gave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any

from fmcompress import __version__
from fmcompress.coding import Options
from fmcompress.reporting.collecting import FormatNumbers, Numbers
from fmcompress.reporting.vector_graphics import safe
from fmcompress.surveying import listed

# So many different values of layers are listed.
_MOST_LISTED = 6


def computed(numbers: Numbers, asked: dict[str, Any]) -> str:
    """Return the section.

    Parameters
    ----------
    numbers : Numbers
    asked : dict
        Parameters that are not among `numbers.options`, by name.
    """
    given = [f.name for f in fields(Options) if f.name not in ("codec", "quantize")]
    shown = {**asked, **{name: getattr(numbers.options, name) for name in given}}
    effective = _effective(numbers)
    rows = {
        "version": f"fmcompress {__version__}",
        "file": numbers.file,
        "digest": f"{numbers.digest} (XXH3, 128 bits)",
        "formats": ", ".join(one.name for one in numbers.formats),
        "codecs": ", ".join(numbers.codecs),
        "swept": "; ".join(
            f"{name} {', '.join(map(str, numbers.sweep.space[name]))}"
            for name in ("block_sizes", "max_bursts")
        ),
        **{
            name: effective[name] if value is None else _parameter(value)
            for name, value in shown.items()
        },
    }
    items = "".join(f"<dt>{safe(k)}</dt><dd><code>{safe(v)}</code></dd>" for k, v in rows.items())
    remarks = (
        ("warnings", "Warnings", [safe(line) for line in numbers.warnings]),
        ("notes", "Notes", [safe(line) for line in numbers.notes]),
        (
            "left_out",
            "Left out",
            [f"<bdi>{safe(name)}</bdi>: {safe(why)}" for name, why in numbers.left_out.items()],
        ),
    )
    lists = "".join(
        f'<h3 id="{name}">{title}</h3>\n<ul>'
        + "".join(f"<li>{line}</li>" for line in lines)
        + "</ul>\n"
        for name, title, lines in remarks
        if lines
    )
    return (
        '<section id="computed">\n<h2>How it was computed</h2>\n'
        "<p>The numbers are those of <code>fmc compare</code> (by chunk), <code>fmc sweep</code> (by "
        "frame) and <code>fmc traffic</code> (by tile); docs/STUDY.md and docs/CODECS.md say how they "
        "count.</p>\n"
        f"<dl>{items}</dl>\n{lists}</section>"
    )


def _parameter(value: Any) -> str:
    """Write a parameter."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _effective(numbers: Numbers) -> dict[str, str]:
    """Say what holds where a parameter was not given."""
    hardware, energy = numbers.options.hardware, numbers.formats[0].traffic.energy
    axes = [layer.axis for one in numbers.formats for layer in one.traffic.layers]
    scaled = [one for one in numbers.formats if any(_headrooms(one))]

    def each(values: Callable[[FormatNumbers], Iterable[Any]], missing: str = "") -> str:
        return _by_format(numbers, values, missing)

    return {
        "block_size": str(hardware.block_size),
        "max_burst": str(hardware.max_burst),
        "frame_axis": _listed("none" if axis is None else axis for axis in axes),
        "raw": "no",
        "tile": "a frame",
        "frames_per_second": "none",
        "energy": "none",
        "pj_per_bit": "none" if energy is None else f"{energy.pj_per_bit:g}",
        "difference": each(lambda one: (layer.difference for layer in one.details)),
        "dtype": "as in the file",
        "word_bits": each(lambda one: sorted({layer.word_bits for layer in one.details})),
        "zero_point": each(_zero_points, "none: no integers"),
        "zero_point_axis": each(lambda one: _words(one, "axis"), "none: one zero point a layer"),
        "mapping": each(lambda one: _words(one, "mapping"), "none: no floats"),
        "headroom": each(_headrooms, "none: nothing is scaled"),
        "headroom_axis": "none: a layer is scaled as a whole" if scaled else "none",
        "order": "as in the file",
    }


def _words(one: FormatNumbers, name: str) -> Iterator[Any]:
    """Yield what the layers' word formats have of a name."""
    for layer in one.comparison.layers:
        if layer.words.get(name) is not None:
            yield layer.words[name]


def _zero_points(one: FormatNumbers) -> Iterator[str]:
    sources = _words(one, "zero_point_from")
    for value, source in zip(_words(one, "zero_point"), sources, strict=True):
        yield f"{_zero_point(value)} ({source})"


def _headrooms(one: FormatNumbers) -> Iterator[Any]:
    for layer in one.comparison.layers:
        if layer.quantized.get("headroom") is not None:
            yield layer.quantized["headroom"]


def _by_format(
    numbers: Numbers, values: Callable[[FormatNumbers], Iterable[Any]], missing: str
) -> str:
    """List values, by format where formats differ."""
    listed = {one.name: _listed(values(one)) or missing for one in numbers.formats}
    if len({*listed.values()}) == 1:
        return next(iter(listed.values()))
    return "; ".join(f"{name}: {text}" for name, text in listed.items())


def _zero_point(value: Any) -> str:
    return "one a channel" if isinstance(value, list | tuple) else str(value)


def _listed(values: Iterable[Any]) -> str:
    """List different values, or say how many there are."""
    return listed(list(dict.fromkeys(map(str, values))), _MOST_LISTED)
