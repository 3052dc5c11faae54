"""Pictures as SVG text: elements, scales and their ticks. Colours are classes, for the style sheet."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# About as wide as a character is, of the size of the font.
_CHARACTER = 0.56
# Controls, halves of surrogate pairs, and marks that turn the direction of the text behind them.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    r"\ud800-\udfff\ufeff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """Name what cannot be seen in a text; one of blanks alone is of marks."""
    if text and not text.strip():
        return "␣" * len(text)
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def safe(text: str) -> str:
    """Escape text for HTML and XML, attributes too; what cannot be seen is named."""
    return escape(visible(text))


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

    Attributes
    ----------
    has_cut : bool
        Whether names were too long for their labels; false until a chart says so.
    centre : float or None
        Where to look first, in pixels from the left, if there is no room for all.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height, self.title = round(width), round(height), title
        self.has_cut = False
        self.centre: float | None = None
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

    def leaning_texts(self, texts: Sequence[tuple[float, float, str]], degrees: float) -> None:
        """Write texts that end at x and y and lean to the right: turned as one, which is short."""
        sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        self.add(f'<g text-anchor="end" transform="rotate(-{degrees:g})">')
        for x, y, text in texts:
            self.text(x * cosine - y * sine, x * sine + y * cosine, text)
        self.add("</g>")

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
    """Return paths and texts as one, with what it says when it is pointed at."""
    title = f"<title>{safe(text)}</title>"
    if elements.count("<") == 1:
        return f"{elements.removesuffix('/>')}>{title}</path>"
    return f"<g>{title}{elements}</g>"


def plain_number(value: float) -> str:
    """Write a number: with commas and as few digits as it needs, or with a power of ten."""
    if not _is_handy(value):
        return _with_power(value)
    return _signed(f"{value:,.10g}" if abs(value) < 1000 else f"{value:,.0f}")


def whole_number(value: int) -> str:
    """Write a whole number: all of it, unless it is so large that nobody reads that."""
    return _signed(f"{value:,}") if abs(value) < 10**7 else _with_power(value)


def tick_numbers(values: Sequence[float]) -> list[str]:
    """Write the numbers of an axis alike: all plain, or all with powers of ten if one needs that."""
    if all(map(_is_handy, values)):
        return [plain_number(value) for value in values]
    return [_with_power(value) for value in values]


def _is_handy(value: float) -> bool:
    return value == 0 or 0.001 <= abs(value) < 1e5


def _with_power(value: float) -> str:
    """Write a number of four digits at most times a power of ten; below 100 the power is 1 or 10."""
    mantissa, exponent = f"{value:.3e}".split("e")
    times, power = f"{float(mantissa):g}", int(exponent)
    if value == 0 or (times in ("1", "-1") and power in (0, 1)):
        return _signed(f"{value:g}")
    raised = f"10{_raised(power)}" if power else ""
    shown = {"1": "", "-1": "-"}.get(times, f"{times}·" if raised else times)
    return _signed(shown + raised)


def _signed(text: str) -> str:
    """Write a minus as one."""
    return text.replace("-", "−")


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
