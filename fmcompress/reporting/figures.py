"""The figures of a report: what they show, in numbers and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fmcompress.compared import COMPRESSOR, EBPC, MODEL, Method
from fmcompress.reporting.bar_charts import Bar, Stack, lying_bars, nested_bars, stacked_bars
from fmcompress.reporting.charts import Box, Series, box_plot, heat_map
from fmcompress.reporting.collecting import FormatNumbers, Numbers
from fmcompress.reporting.colours import codec_colours
from fmcompress.reporting.figure import Figure
from fmcompress.reporting.histogram_figures import differences, values
from fmcompress.reporting.tables import number
from fmcompress.reporting.word_details import SYMBOLS
from fmcompress.tile_traffic import Traffic

FRAME_NOTE = (
    "A frame of a layer is one transmission, stored where coding would make it larger; ratio = bits of "
    "the words / bits of the streams."
)
# Of fewer, percentiles say what lies between frames rather than what frames are like.
_MANY_FRAMES = 20
BOX_NOTE = "Boxes are the quartiles, whiskers the 1st and 99th percentile, the line is the median."
ONE_NOTE = "Of one frame there is no spread: lines are its values."


def figures(numbers: Numbers) -> Iterator[Figure]:
    """Yield all figures, section by section."""
    yield from _network(numbers)
    for make in (_methods, _ratios, _sparsities, values, differences, _symbols, _heat, _traffic):
        for one in numbers.formats:
            yield from make(numbers, one)


def _boxed(name: str, box: Box, form: str = ".3f") -> str:
    """Say in words what a box shows."""
    low, q1, median, q3, high = (format(value, form) for value in box)
    if low == high:
        return f"{name}: {median}"
    return f"{name}: {median}, quartiles {q1} to {q3}, 1 to 99 % {low} to {high}"


def _network(numbers: Numbers) -> Iterator[Figure]:
    formats = [one for one in numbers.formats if one.network_ratios]
    if not formats:
        return
    frames = max(formats[0].frames.values())
    names = [_format_name(numbers, one) for one in formats]
    series, colours = [], codec_colours(numbers.codecs)
    for codec in numbers.codecs:
        boxes = {
            name: one.network_ratios[codec]
            for name, one in zip(names, formats, strict=True)
            if codec in one.network_ratios
        }
        texts = {name: _boxed(codec, box) for name, box in boxes.items()}
        series.append(Series(codec, boxes, texts, colours[codec]))
    picture = box_plot(
        "Ratio of the network by codec and number format",
        names,
        series,
        "ratio",
        reference=1.0,
        numbers=True,
    )
    missing = [_format_name(numbers, one) for one in numbers.formats if not one.network_ratios]
    absent = (
        f" {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: layers have different "
        "numbers of frames."
        if missing
        else ""
    )
    yield Figure(
        *("ratio_of_network", "", "", any(one.lossy for one in formats)),
        picture,
        f"Ratio of all layers together{_partly(numbers, formats)}, frame by frame, over "
        f"{_frames(frames)}; the number is the median. {_spread(frames)} {FRAME_NOTE} {_sizes(numbers)}{absent}",
    )


def _partly(numbers: Numbers, formats: Sequence[FormatNumbers]) -> str:
    """Say which formats lack layers."""
    parts = [f"{one.name}: {part}" for one in formats if (part := numbers.part(one))]
    return f" ({'; '.join(parts)})" if parts else ""


def _spread(most_frames: int) -> str:
    if most_frames == 1:
        return ONE_NOTE
    few = "; of so few frames they are interpolated" if most_frames < _MANY_FRAMES else ""
    return BOX_NOTE.removesuffix(".") + few + "."


def _frames(count: int) -> str:
    return "one frame" if count == 1 else f"{count:,} frames"


def _format_name(numbers: Numbers, one: FormatNumbers) -> str:
    name = f"{one.name} LOSSY" if one.lossy else one.name
    return ", ".join(filter(None, (name, numbers.part(one))))


def _sizes(numbers: Numbers) -> str:
    sizes = numbers.options.hardware
    tables = any(name.startswith("huffman") for name in numbers.codecs)
    more = " Huffman's table of a layer counts in no frame." if tables else ""
    return f"Block size {sizes.block_size}, longest burst {sizes.max_burst}.{more}"


def _methods(_: Numbers, one: FormatNumbers) -> Iterator[Figure]:
    found = one.comparison
    total = found.total
    known = [(method, total.ratio(method.name)) for method in found.methods]
    ranked = sorted(
        ((ratio, method) for method, ratio in known if ratio), key=lambda pair: -pair[0]
    )
    bars = [
        Bar(
            method.name,
            ratio,
            _kind(method),
            f"{ratio:.3f}",
            method.kind if method.kind in (MODEL, COMPRESSOR) else "",
            f"{method.title}\nratio {ratio:.4f}",
        )
        for ratio, method in ranked
    ]
    bound = None
    if total.entropy_bits:
        ratio = total.word_bits / total.entropy_bits
        bound = (ratio, f"order-0 entropy {ratio:.3f}")
    yield Figure(
        *("methods", "", one.name, one.lossy),
        lying_bars("Ratio of all layers by method", bars, "ratio", _KINDS, bound),
        "All layers together, by every method: EBPC, existing codecs, and others: words as they are, "
        "auto, a choice among codecs, APack, of which there is a size model alone, and general "
        f"compressors. A chunk of {found.chunk_words:,} words is one transmission, stored where coding "
        "would make it larger; what a method knows of a whole layer (a table) counts, too."
        + (" The dashed line is the bound of any code of single words." if bound else "")
        + _without_bits(one),
    )


def _without_bits(one: FormatNumbers) -> str:
    """Name the methods that take no bits, and so have no bar."""
    sizes = one.comparison.total.methods
    names = [name for name, some in sizes.items() if some is not None and not some.bits]
    if not names:
        return ""
    return (
        f" No bar: {', '.join(names)}, which write{'s' * (len(names) == 1)} nothing of zeros alone."
    )


_KINDS = (("EBPC", "s0"), ("existing codec", "s1"), ("other", "raw"))


def _kind(method: Method) -> str:
    if method.name == EBPC:
        return "s0"
    if method.is_existing:
        return "s1"
    return "raw"


def _ratios(numbers: Numbers, one: FormatNumbers) -> Iterator[Figure]:
    if not any(one.ratios.values()):
        return
    names = list(one.sparsities)
    series, colours = [], codec_colours(numbers.codecs)
    for codec, boxes in one.ratios.items():
        texts = {name: _boxed(codec, box) for name, box in boxes.items()}
        series.append(Series(codec, boxes, texts, colours[codec]))
    frames = sorted(set(one.frames.values()))
    count = _frames(frames[0]) if len(frames) == 1 else f"{frames[0]:,} to {_frames(frames[-1])}"
    yield Figure(
        *("ratio_per_layer", "", one.name, one.lossy),
        box_plot("Ratio per layer and codec", names, series, "ratio", reference=1.0),
        f"Ratio of each layer over {count}. {_spread(frames[-1])} {FRAME_NOTE} {_sizes(numbers)}",
    )


def _sparsities(_: Numbers, one: FormatNumbers) -> Iterator[Figure]:
    names = list(one.sparsities)
    boxes = {name: box.times(100) for name, box in one.sparsities.items()}
    texts = {name: _boxed("zero words, %", box, ".1f") for name, box in boxes.items()}
    yield Figure(
        *("sparsity_per_layer", "", one.name, one.lossy),
        box_plot(
            *("Sparsity per layer", names, [Series("sparsity", boxes, texts)]),
            *("zero words, %",),
            most=100,
        ),
        "Sparsity of each layer, the share of its words that are zero, over frames. "
        + _spread(max(one.frames.values())),
    )


def _symbols(_: Numbers, one: FormatNumbers) -> Iterator[Figure]:
    layers = one.details
    if not any(layer.symbol_bits.any() for layer in layers):
        return
    stacks = []
    for layer in layers:
        per_word = layer.symbol_bits / max(layer.nonzero_words, 1)
        shares = layer.symbol_bits / max(layer.symbol_bits.sum(), 1)
        lines = [
            f"{name}: {bits:.2f} ({100 * share:.1f} %)"
            for name, bits, share in zip(SYMBOLS, per_word, shares, strict=True)
            if bits
        ]
        head = f"{layer.name}\n{per_word.sum():.2f} bits per non-zero word"
        stacks.append(Stack(per_word.tolist(), "\n".join([head, *lines])))
    bits = np.sum([layer.symbol_bits for layer in layers], axis=0)
    widths = {layer.word_bits for layer in layers}
    width = float(widths.pop()) if len(widths) == 1 else None
    largest = int(bits.argmax())
    yield Figure(
        *("bpc_symbols", "", one.name, one.lossy),
        stacked_bars(
            "Bits of the BPC stream by symbol",
            [layer.name for layer in layers],
            SYMBOLS,
            stacks,
            "bits per non-zero word",
            width,
        ),
        "What EBPC's BPC stream spends its bits on, per non-zero word, by symbol (docs/EBPC.md, section "
        "4.4): every chunk coded, padding left out. "
        f"{'' if width is None else f'The dashed line is a word of {width:g} bits as it is. '}"
        "Over all layers "
        f"{SYMBOLS[largest]} takes most, {100 * bits[largest] / bits.sum():.1f} %.",
    )


def _heat(_: Numbers, one: FormatNumbers) -> Iterator[Figure]:
    if len(one.heat) < 2:
        return
    rows, columns = (sorted({key[at] for key in one.heat}) for at in (0, 1))
    greatest = max(one.heat.values())
    best = [
        f"block size {size} with burst {burst}"
        for (size, burst), ratio in one.heat.items()
        if ratio == greatest
    ]
    said = f"Best, and framed: {', '.join(best)}: {greatest:.3f}."
    if len(best) == len(one.heat):
        said = f"All have the same, {greatest:.3f}: none is best."
    yield Figure(
        *("sweep", "", one.name, one.lossy),
        heat_map(
            "EBPC's ratio by block size and longest burst",
            rows,
            columns,
            one.heat,
            ("block size", "longest burst"),
        ),
        "EBPC's ratio over all layers and frames, by block size, the words of a block, and longest "
        f"burst, the longest zero run of one symbol. {said} {FRAME_NOTE}",
    )


def better_setting(numbers: Numbers, one: FormatNumbers) -> str:
    """Say which block size and burst would give EBPC more, in a sentence; nothing if none does."""
    sizes = numbers.options.hardware
    own = one.heat.get((sizes.block_size, sizes.max_burst))
    if own is None:
        return ""
    block_size, max_burst = max(one.heat, key=lambda key: one.heat[key])
    best = one.heat[block_size, max_burst]
    if f"{best:.3f}" == f"{own:.3f}":
        return ""
    return (
        f"Frame by frame, block size {block_size} and longest burst {max_burst} would give EBPC {best:.3f} "
        f"instead of {own:.3f}."
    )


def _traffic(_: Numbers, one: FormatNumbers) -> Iterator[Figure]:
    found = one.traffic
    pairs, texts = [], []
    for layer in found.layers:
        mean = layer.mean
        pairs.append((mean.raw_memory_bytes / 1e3, mean.total_bytes / 1e3))
        texts.append(
            f"{layer.name}\nraw {mean.raw_memory_bytes:,} bytes a frame\n"
            f"compressed {mean.total_bytes:,.0f} bytes, ratio {number(mean.ratio)}\n"
            f"nominal ratio {number(mean.nominal_ratio)}"
        )
    yield Figure(
        *("traffic", "", one.name, one.lossy),
        nested_bars(
            "Bytes a frame per layer, raw and compressed",
            [layer.name for layer in found.layers],
            ("raw", "compressed"),
            pairs,
            texts,
            "kB a frame",
        ),
        "What one frame of each layer moves when it is written, or read, once: raw (wide, grey) and as "
        f"{found.codec} (narrow, blue), in whole bursts of {found.burst_bytes} bytes"
        f"{', with the index' if found.index else ''}; {_tile(found)}. 1 kB is 1,000 bytes.",
    )


def _tile(found: Traffic) -> str:
    if not found.tile:
        return "a tile, which is one transmission, is a frame"
    return f"tiles, each one transmission, of {'x'.join(map(str, found.tile))} words"


def why_none(section: str, numbers: Numbers, one: FormatNumbers) -> str:
    """Say why a section has no figure of a format; nothing where there is one."""
    if section == "sweep" and len(one.heat) < 2:
        return (
            "No picture: it would show ebpc by block size and longest burst, and among the codecs asked "
            f"for, {', '.join(numbers.codecs)}, there is no ebpc that has both left open. Other codecs "
            "have only one of these parameters, or none."
        )
    if section == "ratio_per_layer" and not any(one.ratios.values()):
        return f"No frame has a ratio: {', '.join(numbers.codecs)} takes no bits for zeros alone."
    if section == "differences" and not any(layer.differences.total for layer in one.details):
        return "No layer has two words that are not zero: there are no differences."
    if section == "bpc_symbols" and not any(layer.symbol_bits.any() for layer in one.details):
        return "All words are zero: BPC streams are empty."
    return ""
