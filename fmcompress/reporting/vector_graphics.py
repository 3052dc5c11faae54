"""Pictures as SVG text: elements, scales and their ticks. Colours are classes, for the style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# About as wide as a character is, of the size of the font.
_CHARACTER = 0.56
# Characters that XML has no place for, and halves of surrogate pairs.
_UNPRINTABLE = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), *range(55296, 57344), 65534, 65535), "�"
)


def safe(text: str) -> str:
    """Escape text for HTML and XML, attributes too; what neither can hold is replaced."""
    return escape(text.translate(_UNPRINTABLE))


def shortened(text: str, most: int) -> str:
    """Cut the middle out of a text that is longer than `most` characters."""
    if len(text) <= most:
        return text
    front = (most - 1) // 2
    return f"{text[:front]}…{text[front + 1 - most :]}"


def text_width(text: str, size: float) -> float:
    """Return about how wide a text is, in pixels."""
    return len(text) * size * _CHARACTER


def place(value: float) -> str:
    """Write a coordinate, to a tenth of a pixel."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers from the last one up to `low` to the first one from `high` on.

    Steps are 1, 2 or 5 times a power of ten; there are `most` of them at most.
    """
    if not high > low:
        high = low + (abs(low) or 1.0)
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    while True:
        for times in (1, 2, 5):
            first = math.floor(low / (step * times) + 1e-9)
            last = math.ceil(high / (step * times) - 1e-9)
            if last - first <= most:
                digits = max(0, 1 - math.floor(math.log10(step)))
                return [round(k * step * times, digits) for k in range(first, last + 1)]
        step *= 10


def logarithmic_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten from the last one up to `low` on, to the first one from `high` on.

    Where there are few of these, 2 and 5 times them, too.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = range(first, max(last, first + 1) + 1)
    times = (1, 2, 5) if len(powers) < 4 else (1,)
    ticks = [factor * 10.0**power for power in powers for factor in times]
    start = max(i for i, tick in enumerate(ticks) if tick <= low)
    end = next(i for i, tick in enumerate(ticks) if tick >= high and i > start)
    return ticks[start : end + 1]


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers to pixels.

    Parameters
    ----------
    ticks : sequence of float
        Marked numbers, ascending; the scale runs from the first to the last.
    start, end : float
        Pixels of these two.
    logarithmic : bool
    """

    ticks: Sequence[float]
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a number."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.logarithmic:
            low, high, value = (math.log10(v) for v in (low, high, max(value, low)))
        return self.start + (value - low) / (high - low) * (self.end - self.start)


class Picture:
    """SVG text, an element a line.

    Parameters
    ----------
    width, height : float
    title : str
        What it shows, for those who cannot see it.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height, self.title = round(width), round(height), title
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Add an element as it stands."""
        self._lines.append(line)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Draw a line of a class."""
        self.add(f'<path class="{kind}" d="M{place(x1)} {place(y1)}L{place(x2)} {place(y2)}"/>')

    def text(
        self, x: float, y: float, text: str, kind: str = "", anchor: str = "", turned: float = 0
    ) -> None:
        """Write a line of text; y is that of the base line, `anchor` what of it is at x."""
        kinds = " ".join(filter(None, (kind, anchor)))
        more = f' class="{kinds}"' if kinds else ""
        where = f'x="{place(x)}" y="{place(y)}"'
        if turned:
            where = f'transform="translate({place(x)} {place(y)})rotate({turned:g})"'
        self.add(f"<text {where}{more}>{safe(text)}</text>")

    def svg(self, style: str = "") -> str:
        """Return the whole picture.

        Parameters
        ----------
        style : str
            A style sheet for it alone, where no page has one.
        """
        size = f'viewBox="0 0 {self.width} {self.height}"'
        size += f' width="{self.width}" height="{self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" class="figure" {size} role="img"'
        lines = [f'{head} aria-label="{safe(self.title)}">']
        if style:
            lines.append(f"<style>\n{style}</style>")
            lines.append(f'<rect class="paper" width="{self.width}" height="{self.height}"/>')
        return "\n".join([*lines, *self._lines, "</svg>\n"])


def slab(x: float, y: float, width: float, height: float) -> str:
    """Return the outline of a rectangle, for a path: the shortest way to write one."""
    return f"M{place(x)} {place(y)}h{place(width)}v{place(height)}h-{place(width)}z"


def filled(outline: str, kind: str) -> str:
    """Return a path of a class."""
    return f'<path class="{kind}" d="{outline}"/>'


def told(elements: str, text: str) -> str:
    """Return elements as one, with what it says when it is pointed at."""
    return f"<g><title>{safe(text)}</title>{elements}</g>"


def plain_number(value: float) -> str:
    """Write a tick's number: with commas, as few digits as it needs."""
    if value == 0 or 0.001 <= abs(value) < 1e5:
        return f"{value:,.10g}" if abs(value) < 1000 else f"{value:,.0f}"
    mantissa, exponent = f"{value:.2e}".split("e")
    times = f"{float(mantissa):g}·"
    return f"{'' if times == '1·' else times}10{_raised(int(exponent))}"


def count_number(value: float) -> str:
    """Write a tick's number of a logarithmic scale: from 10,000 on as a power of ten."""
    mantissa, exponent = f"{value:.0e}".split("e")
    if value < 1e4:
        return plain_number(value)
    return f"{'' if mantissa == '1' else mantissa + '·'}10{_raised(int(exponent))}"


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
