"""How a report was computed, as HTML: parameters, also those that nobody gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from fmcompress import __version__
from fmcompress.coding import Options
from fmcompress.reporting.collecting import Numbers
from fmcompress.reporting.vector_graphics import safe

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
        ("Warnings", [safe(line) for line in numbers.warnings]),
        ("Notes", [safe(line) for line in numbers.notes]),
        (
            "Left out",
            [f"<bdi>{safe(name)}</bdi>: {safe(why)}" for name, why in numbers.left_out.items()],
        ),
    )
    lists = "".join(
        f"<h3>{title}</h3>\n<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>\n"
        for title, lines in remarks
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
    layers = [layer for one in numbers.formats for layer in one.comparison.layers]
    details = [layer for one in numbers.formats for layer in one.details]
    words = [layer.words for layer in layers]
    quantized = [layer.quantized for layer in layers if layer.quantized]
    hardware, energy = numbers.options.hardware, numbers.formats[0].traffic.energy
    axes = [layer.axis for one in numbers.formats for layer in one.traffic.layers]
    zero_points = [
        f"{_zero_point(one['zero_point'])} ({one['zero_point_from']})"
        for one in words
        if "zero_point" in one
    ]
    headrooms = [one["headroom"] for one in quantized if one.get("headroom") is not None]
    return {
        "block_size": str(hardware.block_size),
        "max_burst": str(hardware.max_burst),
        "frame_axis": _listed("none" if axis is None else axis for axis in axes),
        "raw": "no",
        "tile": "a frame",
        "frames_per_second": "none",
        "energy": "none",
        "pj_per_bit": "none" if energy is None else f"{energy.pj_per_bit:g}",
        "difference": _listed(layer.difference for layer in details) + ", as the words",
        "dtype": "as in the file",
        "word_bits": _listed(sorted({layer.word_bits for layer in details})),
        "zero_point": _listed(zero_points) or "none: no integers",
        "zero_point_axis": _listed(one["axis"] for one in words if one.get("axis") is not None)
        or "none: one zero point a layer",
        "mapping": _listed(one["mapping"] for one in words if "mapping" in one)
        or "none: no floats",
        "headroom": _listed(headrooms) or "none: nothing is scaled",
        "headroom_axis": "none: a layer is scaled as a whole" if headrooms else "none",
        "order": "as in the file",
    }


def _zero_point(value: Any) -> str:
    return "one a channel" if isinstance(value, list | tuple) else str(value)


def _listed(values: Iterable[Any]) -> str:
    """List different values, or say how many there are."""
    found = list(dict.fromkeys(map(str, values)))
    more = len(found) - _MOST_LISTED
    return ", ".join(found[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
