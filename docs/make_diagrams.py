"""Draw docs/encoder.svg, docs/decoder.svg and docs/block.svg, the pictures of docs/HARDWARE.md.

Run by hand, or by ``make docs``; tests/test_hardware_doc.py compares. Lengths are in pixels, on a
grid of 10. The last picture is drawn from the cycle table in the document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER / "HARDWARE.md"

INK, QUIET, LINE, PAPER = "#1b2733", "#5b6875", "#ccd3da", "#ffffff"
READY, SIGNAL = "#b4540a", "#6b4fa0"
CONTROL, ZNZ, BPC = ("#eceff3", "#8593a3"), ("#e4f3ea", "#4f9a6e"), ("#e5effa", "#4d80b8")
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"

Point = tuple[int, int]


class Drawing:
    """SVG text, an element a line."""

    def __init__(self, width: int, height: int, title: str, beside: str) -> None:
        self.width, self.height = width, height
        size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        self.lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{FONT}">',
            f"<title>{escape(title)}</title>",
        ]
        # A background of its own: the picture looks the same on light and dark pages.
        self.box(0, 0, width, height, PAPER, LINE, radius=10)
        self.lines.append(
            f'<text x="20" y="34" font-size="19" fill="{INK}">'
            f'<tspan font-weight="bold">{escape(title)}</tspan> '
            f'<tspan font-size="13" fill="{QUIET}">{escape(beside)}</tspan></text>'
        )

    def box(
        self, x: int, y: int, width: int, height: int, fill: str, line: str, radius: int = 6
    ) -> None:
        """Draw a rectangle."""
        self.lines.append(
            f'<rect x="{x + 0.5}" y="{y + 0.5}" width="{width - 1}" height="{height - 1}" '
            f'rx="{radius}" fill="{fill}" stroke="{line}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: int = 13,
        *,
        colour: str = INK,
        anchor: str = "start",
        weight: str = "normal",
    ) -> None:
        """Write a line of text; y is that of the base line."""
        self.lines.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
        )

    def path(
        self,
        points: Sequence[Point],
        colour: str = INK,
        width: float = 1.5,
        *,
        dashed: bool = False,
        arrow: bool = True,
    ) -> None:
        """Draw straight lines from point to point, and an arrow's head at the end."""
        d = "M" + " L".join(f"{x} {y}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.lines.append(
            f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
            f'stroke-linejoin="round"{dash}/>'
        )
        if arrow:
            (x0, y0), (x, y) = points[-2:]
            dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
            base = [(x - 9 * dx - 5 * dy * s, y - 9 * dy - 5 * dx * s) for s in (-1, 1)]
            corners = " ".join(f"{a},{b}" for a, b in [(x, y), *base])
            self.lines.append(f'<polygon points="{corners}" fill="{colour}"/>')

    def dot(self, x: int, y: int, colour: str) -> None:
        """Mark a place where a line branches off."""
        self.lines.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>')

    def register(self, x: int, y: int, width: int, text: str) -> None:
        """Draw a register: a white box with the clock's wedge."""
        self.box(x, y, width, 25, PAPER, QUIET, radius=2)
        self.lines.append(
            f'<path d="M{x + 1} {y + 8} l7 4.5 l-7 4.5" fill="none" stroke="{QUIET}"/>'
        )
        self.text(x + 14, y + 17, text)

    def unit(
        self,
        x: int,
        y: int,
        width: int,
        height: int,
        names: tuple[str, str],
        registers: Sequence[str],
        colours: tuple[str, str],
    ) -> None:
        """Draw a unit: its name, the RTL's module, its registers."""
        self.box(x, y, width, height, *colours)
        self.text(x + width / 2, y + 23, names[0], 15, anchor="middle", weight="bold")
        self.text(x + width / 2, y + 40, names[1], 12, anchor="middle", colour=QUIET)
        for i, register in enumerate(registers):
            self.register(x + 10, y + 50 + 30 * i, width - 20, register)

    def link(self, start: Point, end: Point, label: str = "") -> None:
        """Draw a handshake: valid and data one way, ready the other."""
        (x0, y0), (x1, y1) = start, end
        self.path([start, end], INK, 2.5)
        if y0 == y1:
            self.path([(x1, y1 + 14), (x0, y0 + 14)], READY)
            self.text((x0 + x1) / 2, y0 - 8, label, anchor="middle")
        else:
            self.path([(x1 + 14, y1), (x0 + 14, y0)], READY)
            self.text(x0 - 8, (y0 + y1) / 2 + 5, label, anchor="end")

    def port(self, x: int, y: int, above: Sequence[str], below: str, anchor: str = "start") -> None:
        """Name a port's signals above and below its arrows."""
        for i, line in enumerate(reversed(above)):
            self.text(x, y - 9 - 16 * i, line, anchor=anchor)
        self.text(x, y + 31, below, colour=READY, anchor=anchor)

    def wire(self, points: Sequence[Point], label: str, x: int, y: int) -> None:
        """Draw a signal without handshake, and its name at a place."""
        self.path(points, SIGNAL, dashed=True)
        self.text(x, y, label, colour=SIGNAL)

    def legend(self) -> None:
        """Explain the signs."""
        y = self.height - 22
        self.register(20, y - 17, 80, "register")
        self.path([(130, y - 4), (180, y - 4)], INK, 2.5)
        self.text(190, y, "valid, data, last")
        self.path([(370, y - 4), (320, y - 4)], READY)
        self.text(380, y, "ready", colour=READY)
        self.path([(450, y - 4), (500, y - 4)], SIGNAL, dashed=True)
        self.text(510, y, "level or pulse, no handshake", colour=SIGNAL)
        self.text(self.width - 20, y, "grey: module of the RTL", anchor="end", colour=QUIET)

    def svg(self) -> str:
        """Return the whole text."""
        return "\n".join([*self.lines, "</svg>", ""])


# A unit of the BPC side: x, width, name, module, registers, and what it gives.
Unit = tuple[int, int, str, str, Sequence[str], str]


def chain(d: Drawing, y: int, units: Sequence[Unit]) -> None:
    """Draw units in a row, each linked to the one behind it."""
    for i, (x, width, name, module, registers, gives) in enumerate(units):
        d.unit(x, y, width, 150, (name, module), registers, BPC)
        if i + 1 < len(units):
            d.link((x + width, y + 75), (units[i + 1][0], y + 75), gives)


def control(d: Drawing, x: int, y: int, width: int, module: str, registers: Sequence[str]) -> None:
    """Draw the top control: a flat box with its registers in two rows."""
    d.box(x, y, width, 110, *CONTROL)
    d.text(x + width / 2, y + 21, "Control", 15, anchor="middle", weight="bold")
    d.text(x + width / 2, y + 37, module, 12, anchor="middle", colour=QUIET)
    half = (width - 30) // 2
    for i, register in enumerate(registers):
        d.register(x + 10 + (half + 10) * (i % 2), y + 46 + 30 * (i // 2), half, register)


def encoder() -> str:
    """Draw the encoder."""
    d = Drawing(1130, 640, "Encoder", "ebpc_encoder")
    registers: Sequence[str] = ("shift register (2w)", "state, bits held", "zeros pending (z)")
    d.unit(140, 60, 200, 150, ("ZNZ coder", "zrle"), registers, ZNZ)
    d.link((340, 130), (1110, 130))
    d.port(1110, 130, ("znz_data_o (w)", "znz_last_o, znz_vld_o"), "znz_rdy_i", "end")

    registers = ("word (w), last", "state", "side awaited", "words of block")
    control(d, 140, 270, 400, "ebpc_encoder", registers)
    d.link((20, 320), (140, 320))
    d.port(20, 320, ("data_i (w)", "last_i, vld_i"), "rdy_o")
    d.link((190, 270), (190, 210), "flag")
    d.link((160, 380), (160, 430), "word")
    d.wire([(140, 365), (20, 365)], "idle_o", 20, 380)
    d.wire([(300, 210), (300, 270)], "znz_idle", 310, 245)
    d.wire([(440, 430), (440, 380)], "bpc_idle", 450, 410)
    d.wire([(520, 380), (520, 405), (715, 405), (715, 430)], "flush", 620, 398)
    d.wire([(540, 325), (910, 325), (910, 430)], "was_last", 620, 318)

    units = (
        (20, 180, "Difference block", "dbp_dbx_enc", ("n differences (w + 1)", "previous (w)", "state, count"), "block"),
        (255, 100, "Slice", "fifo_slice", ("block", "full"), "block"),
        (410, 180, "Plane coder", "seq_coder, dbx_compressor", ("state, plane j", "zero planes pending"), "code"),
        (645, 140, "Bit packer", "shift_streamer", ("shift reg. (2w)", "state, bits held"), "word"),
        (840, 140, "Output buffer", "bpc_buffer", ("word (w)", "state"), ""),
    )  # fmt: skip
    chain(d, 430, units)
    d.link((980, 505), (1110, 505))
    d.port(1110, 505, ("bpc_data_o (w)", "bpc_last_o,", "bpc_vld_o"), "bpc_rdy_i", "end")

    d.unit(760, 200, 130, 90, ("Done", "done_gen"), ("state",), CONTROL)
    d.path([(825, 130), (825, 200)], SIGNAL, dashed=True)
    d.dot(825, 130, SIGNAL)
    d.path([(996, 505), (996, 265), (890, 265)], SIGNAL, dashed=True)
    d.dot(996, 505, SIGNAL)
    d.wire([(890, 225), (1110, 225)], "blk_done_o", 1030, 217)
    d.legend()
    return d.svg()


def decoder() -> str:
    """Draw the decoder."""
    d = Drawing(1130, 640, "Decoder", "ebpc_decoder")
    registers: Sequence[str] = ("shift register (2w)", "state, bits held", "zeros left (z)")
    d.link((20, 130), (700, 130))
    d.port(20, 130, ("znz_i (w)", "znz_last_i, znz_vld_i"), "znz_rdy_o")
    d.unit(700, 60, 200, 150, ("ZNZ decoder", "zrle_decoder"), registers, ZNZ)

    control(
        d, 540, 270, 460, "ebpc_decoder", ("running", "words left (24)", "ZNZ ended", "BPC ended")
    )
    d.link((20, 320), (540, 320))
    d.port(20, 320, ("num_words_i (24)", "num_words_vld_i"), "num_words_rdy_o")
    d.link((860, 210), (860, 270), "flag")
    d.link((980, 430), (980, 380), "word")
    d.link((1000, 320), (1110, 320))
    d.port(1110, 320, ("data_o (w)", "last_o, vld_o"), "rdy_i", "end")
    d.wire([(740, 270), (740, 210)], "flush", 750, 245)
    d.path([(570, 380), (570, 405)], SIGNAL, dashed=True, arrow=False)
    d.path([(215, 405), (920, 405)], SIGNAL, dashed=True, arrow=False)
    for x in (215, 430, 640, 920):
        d.path([(x, 405), (x, 430)], SIGNAL, dashed=True)
    d.text(480, 398, "clear", colour=SIGNAL)

    units = (
        (145, 140, "Unpacker", "unpacker", ("shift reg. (2w)", "state, bits held"), "bits"),
        (340, 180, "Symbol decoder", "symbol_decoder, expander", ("state, plane j", "previous (n − 1)", "zero planes left"), "plane"),
        (570, 140, "Plane collector", "buffer", ("base, planes", "state"), "block"),
        (760, 90, "Slice", "fifo_slice", ("block", "full"), "block"),
        (905, 150, "Delta integrator", "delta_reverse", ("sum (w)", "state, count"), ""),
    )  # fmt: skip
    chain(d, 430, units)
    d.link((20, 505), (145, 505))
    d.port(20, 505, ("bpc_i (w)", "bpc_last_i,", "bpc_vld_i"), "bpc_rdy_o")
    d.legend()
    return d.svg()


def cycle_table() -> list[dict[str, str]]:
    """Read the cycle table of docs/HARDWARE.md: a dictionary a cycle."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(r"^\| cycle \|.*\n\|[-:| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found is not None
    heads, *rows = (
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in [found[0].splitlines()[0], *found[1].splitlines()]
    )
    return [dict(zip(heads, row, strict=True)) for row in rows]


# Rows of the picture of a block: the table's column, what the row is called, its colours.
ROWS = (
    ("word in", "word accepted", CONTROL),
    ("control", "control", CONTROL),
    ("ZNZ coder", "ZNZ coder, bits held", ZNZ),
    ("ZNZ word", "ZNZ port", ZNZ),
    ("difference block", "difference block, words", BPC),
    ("plane coder", "plane coder, plane", BPC),
    ("code", "bits sent to the packer", BPC),
    ("packer", "bit packer, bits held", BPC),
    ("buffer", "output buffer", BPC),
    ("BPC word", "BPC port", BPC),
)
LEFT, TOP, STEP, HIGH = 190, 80, 38, 34


def cells(d: Drawing, y: int, texts: Sequence[str], colours: tuple[str, str]) -> None:
    """Draw what a unit does in each cycle; words without a digit span cycles."""
    start = 0
    for c, text in enumerate(texts):
        d.box(LEFT + STEP * c + 1, y + 2, STEP - 2, HIGH - 4, "#f7f8fa", "#f0f2f5", radius=3)
        goes_on = text.isupper() and texts[c : c + 2] == [text, text]
        if text and not goes_on:
            x, width = LEFT + STEP * start, STEP * (c + 1 - start)
            d.box(x + 1, y + 2, width - 2, HIGH - 4, *colours, radius=3)
            weight = "bold" if text.endswith(" last") else "normal"
            shown = text.removesuffix(" last")
            d.text(x + width / 2, y + 22, shown, 12, anchor="middle", weight=weight)
        start = start if goes_on else c + 1


def bracket(d: Drawing, y: int, first: int, last: int, label: str) -> None:
    """Mark the cycles from first to last."""
    x0, x1 = LEFT + STEP * first + 2, LEFT + STEP * (last + 1) - 2
    d.path([(x0, y), (x0, y + 7), (x1, y + 7), (x1, y)], QUIET, arrow=False)
    d.text((x0 + x1) / 2, y + 23, label, 12, anchor="middle")


def block() -> str:
    """Draw what each unit does with one block, cycle by cycle."""
    table = cycle_table()
    bottom = TOP + HIGH * len(ROWS)
    d = Drawing(LEFT + STEP * len(table) + 20, bottom + 80, "One block", "w = n = 8, ideal ports")
    for c in range(len(table)):
        d.text(LEFT + STEP * (c + 0.5), TOP - 8, str(c), 12, anchor="middle", colour=QUIET)
    d.text(20, TOP - 8, "cycle", colour=QUIET)
    for i, (column, name, colours) in enumerate(ROWS):
        texts = [row[column] for row in table]
        if column == "control":
            texts = [text.split(" ")[0].replace("IDLE", "") for text in texts]
        elif column == "code":
            texts = [str(len(text)) if text else "" for text in texts]
        d.text(20, TOP + HIGH * i + 22, name)
        cells(d, TOP + HIGH * i, texts, colours)

    planes = [row["plane coder"] for row in table]
    steps = [c for c, plane in enumerate(planes) if plane]
    extra = next(c for c in steps if planes[c] == planes[c + 1])
    y = TOP + HIGH * [row[0] for row in ROWS].index("plane coder")
    d.box(LEFT + STEP * extra + 1, y + 2, STEP - 2, HIGH - 4, "none", READY, radius=3)
    loads = [row["difference block"] for row in table].index("full")
    bracket(d, bottom + 6, 0, loads - 2, f"{loads - 1} words accepted")
    bracket(d, bottom + 6, loads - 1, loads - 1, "D")
    bracket(d, bottom + 6, loads, loads, "L")
    bracket(d, bottom + 6, steps[0], steps[-1], f"w + 2 + s = {len(steps)} cycles, the last is E")
    bracket(d, bottom + 6, steps[-1] + 1, len(table) - 1, "the rest leaves")
    y = bottom + 60
    d.box(20, y - 14, 26, 18, BPC[0], READY, radius=3)
    d.text(54, y, "the cycle that s counts: plane 3 waits for the code of plane 2, a zero plane")
    d.text(d.width - 20, y, "bold: the last word", weight="bold", anchor="end")
    return d.svg()


PICTURES = {"encoder.svg": encoder, "decoder.svg": decoder, "block.svg": block}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw(), encoding="utf-8")
