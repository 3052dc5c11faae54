"""A report in a browser: nothing is fetched, nothing fails, and all of it can be seen."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import fmcompress
from fmcompress.codecs import CODECS

CHROMIUM = Path(os.environ.get("FMC_CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESKTOP, PHONE = 1280, 390
HOSTILE = "</script><img src=x onerror=alert(1)>"

playwright = pytest.importorskip("playwright.sync_api")
if not CHROMIUM.exists():
    pytest.skip(f"no browser: {CHROMIUM}", allow_module_level=True)


@dataclass
class Visit:
    """A page that is open, and what went wrong on it."""

    page: Any
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def button(self, name: str, within: str = "body") -> Any:
        """The visible button of this name."""
        buttons = self.page.locator(within).get_by_role("button", name=name, exact=True)
        (found,) = (button for button in buttons.all() if button.is_visible())
        return found

    def shown(self, selector: str) -> int:
        """How many elements can be seen."""
        return sum(one.is_visible() for one in self.page.locator(selector).all())

    def colour(self) -> str:
        """The paper's."""
        text = self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return "dark" if int(re.findall(r"\d+", text)[0]) < 128 else "light"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all tests."""
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def report(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of floats, in four formats."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    fmcompress.report(samples / "digits_f32.h5", path)
    return path


@pytest.fixture(scope="module")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of many layers, with long names, and hostile ones."""
    folder = tmp_path_factory.mktemp("long")
    random = np.random.default_rng(1)
    with h5py.File(folder / "maps.h5", "w") as file:
        for i in range(64):
            name = f"{i:02}_{HOSTILE.replace('/', '_')}_a_very_long_name_without_any_blank"
            file[name] = np.maximum(random.normal(0, 9, (3, 64)), 0).astype(np.uint8)
    fmcompress.report(folder / "maps.h5", folder / "report.html")
    return folder / "report.html"


def visit(browser: Any, path: Path, width: int = DESKTOP, **options: Any) -> Visit:
    """Open a page."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    found = Visit(context.new_page())
    found.page.on("console", lambda message: found.said.append(message.text))
    found.page.on("pageerror", lambda error: found.said.append(str(error)))
    found.page.on("dialog", lambda dialog: found.said.append(dialog.message))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.goto(path.as_uri())
    return found


def check_quiet(found: Visit, path: Path) -> None:
    """Nothing was said, nothing fetched."""
    assert found.said == []
    assert found.requests == [path.as_uri()]
    found.page.context.close()


def test_formats_are_switched(browser: Any, report: Path) -> None:
    found = visit(browser, report)
    for name in ("fixed8", "float16", "native"):
        found.button(name).click()
        assert found.button(name).get_attribute("aria-pressed") == "true"
        shown = {
            one.get_attribute("data-format")
            for one in found.page.locator("[data-format]").all()
            if one.is_visible()
        }
        assert shown == {name}
    check_quiet(found, report)


def test_views_and_codecs_are_switched(browser: Any, report: Path) -> None:
    found = visit(browser, report)
    assert found.shown("#values figure") == 1
    together = found.page.locator("#values figure >> visible=true").get_attribute("data-view")
    found.button("by layer, float32", "#values").click()
    assert found.shown("#values figure") == 1
    by_layer = found.page.locator("#values figure >> visible=true").get_attribute("data-view")
    assert (together, by_layer) == ("together, float32", "by layer, float32")
    found.button("fixed8").click()  # shows the same, as its own is called
    shown = found.page.locator("#values figure >> visible=true")
    assert shown.get_attribute("data-view") == "by layer"
    found.button("native").click()
    codecs = "#ratio_per_layer svg > g[class]"
    assert found.shown(codecs) == 4
    found.button("bpc", "#ratio_per_layer").click()
    assert found.shown(codecs) == found.shown(f"{codecs}.s1") == 1
    legend = found.page.locator("#ratio_per_layer svg > g[data-codec]:not([class*=s])")
    assert [one.text_content().strip() for one in legend.all() if one.is_visible()] == ["bpc"]
    found.button("all", "#ratio_per_layer").click()
    assert found.shown(codecs) == 4
    check_quiet(found, report)


def test_tables_are_sorted(browser: Any, report: Path) -> None:
    found = visit(browser, report)
    table = found.page.locator("#layers table >> visible=true")

    def column(number: int) -> list[str]:
        rows = table.locator("tbody tr").all()
        return [row.locator("th, td").nth(number).inner_text() for row in rows]

    before = column(3)
    head = table.locator("th", has_text="count")
    head.get_by_role("button").click()
    ascending = sorted(before, key=lambda text: int(text.replace(",", "")))
    assert column(3) == ascending[::-1]
    assert head.get_attribute("aria-sort") == "descending"
    head.get_by_role("button").press("Enter")
    assert column(3) == ascending
    assert head.get_attribute("aria-sort") == "ascending"
    table.locator("th", has_text="layer").first.get_by_role("button").click()
    assert column(0) == sorted(column(0))
    assert head.get_attribute("aria-sort") is None
    check_quiet(found, report)


def test_one_codec_of_many_is_shown(browser: Any, samples: Path, tmp_path: Path) -> None:
    """Also where there are more codecs than colours; another codec's are other looks."""
    codecs = [name for name in CODECS if name != "stored"]
    fmcompress.report(samples / "digits_int8.h5", tmp_path / "r.html", codecs=codecs)
    found = visit(browser, tmp_path / "r.html")
    drawn = "#ratio_per_layer svg > g[class]"
    assert found.shown(drawn) == len(codecs)
    for name in codecs[-2:]:
        found.button(name, "#ratio_per_layer").click()
        shown = [one for one in found.page.locator(drawn).all() if one.is_visible()]
        assert [one.get_attribute("data-codec") for one in shown] == [name]
    check_quiet(found, tmp_path / "r.html")


def test_missing_numbers_come_last(browser: Any, report: Path) -> None:
    found = visit(browser, report)
    table = found.page.locator("#methods table >> visible=true")
    for _ in range(2):
        table.locator("thead button", has_text="ratio").click()
        assert table.locator("tbody tr").last.inner_text().startswith("apack")
    check_quiet(found, report)


def test_pictures_tell_what_is_pointed_at(browser: Any, report: Path) -> None:
    found = visit(browser, report)
    tip = found.page.locator("#tip")
    assert not tip.is_visible()
    layer = found.page.locator("#ratio_per_layer svg >> visible=true").locator(".touch").nth(4)
    layer.scroll_into_view_if_needed()
    found.page.wait_for_timeout(200)  # scrolling hides what was said
    layer.hover()
    assert tip.is_visible()
    lines = tip.inner_text().splitlines()
    assert lines[0] == "stage2_relu1"
    assert [line.partition(":")[0] for line in lines[1:]] == ["ebpc", "bpc", "zrle", "zvc"]
    found.page.mouse.move(5, 5)
    assert not tip.is_visible()
    check_quiet(found, report)


@pytest.mark.parametrize("system", ["light", "dark"])
def test_colours_are_the_systems_or_chosen(browser: Any, report: Path, system: str) -> None:
    found = visit(browser, report, color_scheme=system)
    assert found.colour() == system
    for chosen in ("dark", "light"):
        found.button(chosen).click()
        assert found.colour() == chosen
    found.button("as the system").click()
    assert found.colour() == system
    check_quiet(found, report)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("script", [True, False])
def test_pages_do_not_overflow(
    browser: Any, report: Path, long_report: Path, width: int, script: bool
) -> None:
    for path in (report, long_report):
        found = visit(browser, path, width, java_script_enabled=script)
        # Without a script on the page, the browser's own still runs.
        assert found.page.evaluate("document.documentElement.scrollWidth") == width
        check_quiet(found, path)


def test_64_layers_fit_on_a_desk(browser: Any, long_report: Path) -> None:
    found = visit(browser, long_report)
    assert "<img" not in found.page.content().lower()
    for section in ("ratio_per_layer", "sparsity_per_layer", "bpc_symbols", "traffic"):
        frame = found.page.locator(f"#{section} .scroll").first
        assert frame.evaluate("one => one.scrollWidth <= one.clientWidth")
    check_quiet(found, long_report)


def test_everything_is_there_without_a_script(browser: Any, report: Path) -> None:
    found = visit(browser, report, java_script_enabled=False)
    for selector in ("figure", ":not(details) > .scroll > table", "[data-format]", "svg"):
        assert found.shown(selector) == found.page.locator(selector).count() > 4
    assert found.shown("button") == 0
    assert found.page.locator("svg title").count() > 50
    check_quiet(found, report)


def test_everything_is_on_paper(browser: Any, report: Path) -> None:
    """Whatever is switched off on the screen; on white, without buttons."""
    found = visit(browser, report, color_scheme="dark")
    found.button("dark").click()
    found.page.emulate_media(media="print")
    assert found.colour() == "light"
    for selector in ("figure", "svg", "table", "[data-format]"):
        assert found.shown(selector) == found.page.locator(selector).count()
    assert found.shown(".switch") == found.shown("#bar") == 0
    check_quiet(found, report)


def test_keys_lead_to_what_can_be_pressed(browser: Any, report: Path) -> None:
    found = visit(browser, report)
    seen = set()
    for _ in range(30):
        found.page.keyboard.press("Tab")
        seen.add(found.page.evaluate("document.activeElement.tagName"))
        outline = found.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    assert {"BUTTON", "A", "DIV"} <= seen
    check_quiet(found, report)


def test_no_column_is_off_the_paper(browser: Any, long_report: Path) -> None:
    """The large table has a page that lies; its headings are as small as its numbers."""
    found = visit(browser, long_report, 1032)  # A4 lying, less its margins
    found.page.emulate_media(media="print")
    width = found.page.evaluate(
        "Math.max(...[...document.querySelectorAll('#layers table')]"
        ".map(table => table.getBoundingClientRect().right))"
    )
    assert width <= 1032
    foot = found.page.locator("#layers tfoot").first
    # A foot proper would come again on every page.
    assert foot.evaluate("one => getComputedStyle(one).display") == "table-row-group"
    heads = found.page.locator("#layers tbody th").first
    assert heads.evaluate("one => one.getBoundingClientRect().width") >= 120


def test_bars_fit_a_phone(browser: Any, report: Path) -> None:
    found = visit(browser, report, PHONE)
    for bar in found.page.locator("#methods svg .fill >> visible=true").all():
        box = bar.bounding_box()
        assert box["x"] + box["width"] <= PHONE
    check_quiet(found, report)


def test_switching_formats_keeps_the_place(browser: Any, report: Path) -> None:
    """Also where what is above, or looked at, is of another height."""
    found = visit(browser, report)
    found.button("fixed8").click()
    for section in ("#values", "#traffic", "#layers"):
        found.page.locator(f"{section} h2").evaluate("one => scrollTo(0, one.offsetTop - 100)")
        places = []
        for name in ("native", "float16", "fixed8"):
            found.button(name).click()
            places.append(found.page.locator(f"{section} h2").bounding_box()["y"])
        assert max(places) - min(places) < 2
        assert found.page.evaluate("scrollY") > 500
    check_quiet(found, report)


def test_headings_stand_below_the_bar(browser: Any, report: Path) -> None:
    """Of several lines, too."""
    found = visit(browser, report, 300)
    found.page.locator("nav a", has_text="Differences").click()
    found.page.wait_for_timeout(100)
    bar = found.page.locator("#bar").bounding_box()
    heading = found.page.locator("#differences h2").bounding_box()
    assert bar["height"] > 60
    assert bar["y"] + bar["height"] <= heading["y"] < bar["y"] + bar["height"] + 40
    found.page.context.close()


def test_a_phone_shows_what_is_switched(browser: Any, report: Path) -> None:
    found = visit(browser, report, PHONE)
    assert found.page.locator("#bar").get_by_text("Number format", exact=True).is_visible()
    check_quiet(found, report)


@pytest.mark.parametrize("script", [True, False])
def test_numbers_are_folded_away_but_for_paper(browser: Any, report: Path, script: bool) -> None:
    found = visit(browser, report, java_script_enabled=script)
    numbers = found.page.locator("#ratio_per_layer [data-format=native] details")
    assert not numbers.locator("table").is_visible()
    found.page.emulate_media(media="print")
    assert numbers.locator("table").is_visible()
    found.page.emulate_media(media="screen")
    numbers.locator("summary").click()
    assert numbers.locator("table").is_visible()
    check_quiet(found, report)


def test_labels_stay_when_one_codec_is_chosen(browser: Any, long_report: Path) -> None:
    found = visit(browser, long_report)
    labels = found.page.locator("#ratio_per_layer svg > g[text-anchor] text")
    found.button("zvc", "#ratio_per_layer").click()
    assert labels.count() == 64
    assert labels.first.is_visible()
    assert found.shown("#ratio_per_layer svg > g.s3") == 1
    check_quiet(found, long_report)


def test_a_phone_shows_where_most_is(browser: Any, report: Path) -> None:
    """Of a picture that it has no room for; also of one that was hidden at first."""
    found = visit(browser, report, PHONE)
    found.button("fixed16").click()
    found.button("together", "#differences").click()
    frame = found.page.locator("#differences .scroll >> visible=true")
    assert frame.evaluate("one => one.scrollWidth > 3 * one.clientWidth")
    middle = frame.evaluate("one => (one.scrollLeft + one.clientWidth / 2) / one.scrollWidth")
    assert 0.3 < middle < 0.7
    check_quiet(found, report)
