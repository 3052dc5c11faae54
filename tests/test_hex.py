"""Hex text: every text comes back, its words are read as ``$readmemh`` would, quickly."""

from __future__ import annotations

import io
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import examples
from hostile import assert_refused, chunk, container, dump, layers, row, template
from hypothesis import given
from hypothesis import strategies as st
from same_dump import packed_path, round_trip

import fmcompress
from fmcompress import dumps
from fmcompress.dumps import Tensor, TensorSpec, format_named, hex_text
from fmcompress.errors import DamagedError, FmcError, UnsupportedError

ODD = "its words are not all written alike"


def saved(folder: Path, text: str | bytes) -> Path:
    path = folder / "maps.hex"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def only(path: Path) -> Tensor:
    with dumps.open_dump(path) as dump_:
        assert dump_.format == "hex"
        (tensor,) = dump_.tensors
    return tensor


def expected(text: str) -> list[int]:
    """Read a text as plainly as can be."""
    tokens = without_comments(text).split()
    return [int(token.replace("_", ""), 16) for token in tokens if not token.startswith("@")]


def without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)


# --- Reading -------------------------------------------------------------------------------

# Text -> runs of lines of words, and digits.
ALIKE = {
    "plain": ("03\n00\nff\n", [(0, 9)], 2),
    "upper": ("03\n00\nFF\n", [(0, 9)], 2),
    "no newline at the end": ("03\n00\nff", [(0, 8)], 2),
    "one word": ("5", [(0, 1)], 1),
    "carriage returns": ("03\r\n00\r\nff\r\n", [(0, 12)], 2),
    "carriage returns, none at the end": ("03\r\n00\r\nff", [(0, 10)], 2),
    "three digits": ("003\n000\nabc\n", [(0, 12)], 3),
    "eight digits": ("00000003\nffffffff\n", [(0, 18)], 8),
    "comments": ("// maps\n03\n00\n/* and\nmore 12 */\n07\n", [(8, 6), (32, 3)], 2),
    "comment at the end": ("03\n00\n// end", [(0, 6)], 2),
    "comment in a comment": ("/* // */\n03\n// /*\n00\n", [(9, 3), (18, 3)], 2),
    "short comment": ("/*/ 12 */\n03\n/**/\n00\n", [(10, 3), (18, 3)], 2),
    "stars": ("/***\n***/\n03\n", [(10, 3)], 2),
    "addresses": ("@00F0\n03\n@1_000\n00\n", [(6, 3), (16, 3)], 2),
    "blank lines": ("\n\n03\n \n\t\n00\n\n", [(2, 3), (9, 3)], 2),
    "words like comments": ("//03\n03\n", [(5, 3)], 2),
    "letters in other text": ("@AB\n// CAFE\n0a\n", [(12, 3)], 2),
    "form feed": ("\f\n03\n", [(2, 3)], 2),
    "all letters": ("ff\nff\nff\n", [(0, 9)], 2),
}


@pytest.mark.parametrize("case", ALIKE)
def test_words_on_lines_of_their_own(case: str, tmp_path: Path) -> None:
    text, runs, digits = ALIKE[case]
    path = saved(tmp_path, text)
    tensor = only(path)
    assert tensor.dtype is not None
    assert tensor.carried == ""
    assert tensor.holes() == runs
    assert tensor.read().tolist() == expected(text)
    assert np.concatenate([*tensor.blocks()]).tolist() == expected(text)
    assert tensor.place == {
        "digits": digits,
        "upper": case == "upper",
        "newline": "\r\n" if "carriage" in case else "\n",
        "bytes": sum(size for _, size in runs),
    }
    assert tensor.label == ("hex 1 digit" if digits == 1 else f"hex {digits} digits")
    assert tensor.word_bits == {1: 4, 3: 12}.get(digits, 0)
    assert tensor.dtype.str == {1: "|u1", 2: "|u1", 3: "<u2", 8: "<u4"}[digits]
    assert (tensor.name, tensor.shape) == ("words", (len(expected(text)),))
    assert dict(tensor.attributes) == {}
    assert round_trip(path, chunk_words=2).read_bytes() == text.encode()
    with fmcompress.open(packed_path(path)) as file:
        assert not file["words"].carried
        assert file["words"][...].tolist() == expected(text)
        assert dict(file["words"].attrs) == {}


CARRIED = {
    "a shorter word": ("03\n00\n7\n", "line 3"),
    "a longer word": ("03\n00\n007\n", "line 3"),
    "underscores": ("0_3\n0_0\n0_7\n", "line 1"),
    "underscore at the end": ("03_\n00\n", "line 1"),
    "both cases": ("0a\n0B\n", "line 2"),
    "both cases in a word": ("0a\naB\n", "line 2"),
    "newlines of both kinds": ("03\r\n00\n", "line 2"),
    "newlines of the other kind": ("03\n00\r\n", "line 2"),
    "carriage return alone": ("03\r00\r", "line 1"),
    "two on a line": ("03\n00 07\n01\n", "line 2"),
    "space before": ("03\n 00\n", "line 2"),
    "space behind": ("03\n00 \n", "line 2"),
    "comment behind": ("03\n00// none\n01\n", "line 2"),
    "comment before": ("03\n/**/00\n01\n", "line 2"),
    "address before": ("@0 03\n@1 00\n", "line 1"),
    "words behind an address": ("@0\n03 00 05\n01\n", "line 2"),
    "a comment's end before": ("03\n/*\n*/ 00\n01\n", "line 3"),
}

# Text that is not recognised by its start: what it says may stand further on.
NOT_AT_THE_START = ("a shorter word", "a longer word", "carriage return alone")


@pytest.mark.parametrize("case", CARRIED)
def test_words_written_otherwise_are_carried(case: str, tmp_path: Path) -> None:
    text, line = CARRIED[case]
    path = saved(tmp_path, text)
    tensor = format_named("hex").open(path).tensors[0]
    assert tensor.carried == f"{ODD} ({line})"
    assert tensor.read().tolist() == expected(text)
    assert tensor.stored_bytes == len(text)
    with path.open("rb") as file:
        recognised = format_named("hex").recognise(file)
    assert recognised == (case not in NOT_AT_THE_START)
    if recognised:
        assert round_trip(path).read_bytes() == text.encode()
        with fmcompress.open(packed_path(path)) as file:
            assert file["words"].carried == tensor.carried
            assert file["words"][...].tolist() == expected(text)


def test_a_word_of_another_width_far_behind(tmp_path: Path) -> None:
    path = saved(tmp_path, "03\n" * 100_000 + "123\n")
    tensor = only(path)
    assert tensor.carried == f"{ODD} (line 100001)"
    assert tensor.label == "hex 3 digits"
    assert tensor.read()[-1] == 0x123
    assert round_trip(path).read_bytes() == path.read_bytes()


REFUSED: dict[str, tuple[str, str, type[FmcError]]] = {
    "unknown digit": ("03\n0x\n", "line 2: a word has unknown digits", UnsupportedError),
    "high impedance": ("03\n00\nZZ\n", "line 3: a word has unknown digits", UnsupportedError),
    "nine digits": ("000000003\n000000000\n", "line 1: a word has 9 digits", UnsupportedError),
    "prefix": ("0x03\n0x00\n", "line 1: a word has unknown digits", UnsupportedError),
    "behind a comment": ("/*\n\n*/\n0x\n1x\n", "line 4: a word has unknown", UnsupportedError),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    text, cause, error = REFUSED[case]
    with pytest.raises(error, match=cause) as caught:
        fmcompress.compress(saved(tmp_path, text), tmp_path / "out")
    assert caught.value.hint


WORSE = {
    "other letters": ("0g\n", "line 50001: is no text of hex words"),
    "lone slash": ("0/3\n", "line 50001: is no text"),
    "underscore first": ("_3\n", "line 50001: is no text"),
    "underscore alone": ("_\n", "line 50001: is no text"),
    "no address": ("@\n", "line 50001: is no text"),
    "no address but underscore": ("@_\n", "line 50001: is no text"),
    "address in a word": ("0@\n", "line 50001: is no text"),
    "address twice": ("@0@0\n", "line 50001: is no text"),
    "zero byte": ("0\0\n", "line 50001: is no text"),
    "no ASCII": ("0é\n", "line 50001: is no text"),
    "comment that does not end": ("/* 00\n", "ends within a comment"),
    "long word": ("0" * 4096 + "\n", "line 50001: a word has 4096 digits"),
    "endless word": ("0" * (6 << 20), "line 50001 is too long"),
    "endless comment": ("//" + "0" * (6 << 20), "line 50001 is too long"),
}


@pytest.mark.parametrize("case", WORSE)
def test_refused_behind_a_good_start(case: str, tmp_path: Path) -> None:
    text, cause = WORSE[case]
    with pytest.raises((DamagedError, UnsupportedError), match=cause):
        fmcompress.compress(saved(tmp_path, "03\n" * 50_000 + text), tmp_path / "out")


NOT_HEX = {
    "nothing": "",
    "space": " \n\n",
    "only a comment": "// 00\n",
    "words": "fade\ncafe\nbabe\ndead\n",
    "a word of them": "add\nbad\ndad\n",
    "CSV": "1,2\n3,4\n",
    "numbers in columns": "10 20 30\n11 21 31\n",
    "decimals": "0.5\n0.7\n",
    "negative": "-1\n-2\n",
    "widths": "9\n10\n",
    "text": "no maps here\n",
    "bytes": "03\n\0\0\n",
    "Intel HEX": ":10010000214601360121470136007EFE09D2190140\n",
    "S-records": "S00F000068656C6C6F202020202000003C\n",
    "comment that does not end": "03\n/* 00\n",
    "no address": "@zz\n03\n",
    "hash": "# 03\n03\n",
}


@pytest.mark.parametrize("case", NOT_HEX)
def test_not_recognised(case: str) -> None:
    assert not format_named("hex").recognise(io.BytesIO(NOT_HEX[case].encode()))


def test_recognition_looks_at_the_start_only() -> None:
    """A word or a comment that the sample cuts makes no difference."""
    recognise = format_named("hex").recognise
    for start in range(20):
        assert recognise(io.BytesIO(b"\n" * start + b"012345678\n" * 20_000))
        assert recognise(io.BytesIO(b"\n" * start + b"12\n// a comment\n/* 12\n*/\n" * 9000))
    assert not recognise(io.BytesIO(b"/* " * 40_000))
    assert recognise(io.BytesIO(b"00\n" + b"/* " * 40_000))  # `open` will see where it ends
    assert not recognise(io.BytesIO(b"0" * 200_000))


# --- Any text, in pieces of any size -------------------------------------------------------

PARTS = st.sampled_from(
    ["03\n", "0a\n", "ff\n", "\n", " ", "// 00 @\n", "/* 0\n1 */", "/*/*/", "@1F\n", "7b\n7c\n"]
)
RARE = st.sampled_from(["0A\n", "00\r\n", "1_2\n", "123\n", "00 00\n", "03", "/**/\t"])


@examples(300)
@given(st.lists(st.one_of(PARTS, PARTS, PARTS, PARTS, RARE), max_size=40), st.integers(1, 64))
def test_any_text(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], piece_bytes: int
) -> None:
    text = "".join(parts)
    path = saved(tmp_path_factory.mktemp("any"), text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hex_text, "_PIECE_BYTES", piece_bytes)
        try:
            tensor = format_named("hex").open(path).tensors[0]
        except FmcError:  # parts that make no word together, or a long line
            tokens = without_comments(text).split()
            good = all(re.fullmatch("@[0-9A-Fa-f_]+|[0-9A-Fa-f_]{1,8}", token) for token in tokens)
            assert not good or max(map(len, re.split(r"\s", text))) > 3 * piece_bytes
            return
        assert tensor.read().tolist() == expected(text)
    if tensor.carried:
        return
    whole = text.encode()
    lines = b"".join(whole[at : at + size] for at, size in tensor.holes())
    assert [int(line, 16) for line in lines.split()] == expected(text)
    if format_named("hex").recognise(io.BytesIO(whole)):
        assert round_trip(path, chunk_words=3).read_bytes() == whole


@pytest.mark.parametrize("ending", ["\n", ""])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("every", [7, 1000, 10**9])
@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5, 8])
def test_many_words(digits: int, every: int, newline: str, ending: str, tmp_path: Path) -> None:
    words = np.random.default_rng(digits).integers(0, 16**digits, 150_000)
    lines = [f"{word:0{digits}x}" for word in words.tolist()]
    for at in range(0, len(lines), every):
        lines[at] = f"// from {at} on{newline}{lines[at]}"
    text = newline.join(lines) + (newline if ending else "")
    path = saved(tmp_path, text)
    tensor = only(path)
    assert tensor.carried == ""
    assert tensor.read().tolist() == words.tolist()
    assert np.concatenate([*tensor.blocks()]).tolist() == words.tolist()
    if digits in (3, 4):
        assert round_trip(path).read_bytes() == text.encode()


def test_words_in_very_many_places_are_carried(tmp_path: Path) -> None:
    path = saved(tmp_path, "03\n//\n" * 70_000)
    tensor = only(path)
    assert tensor.carried == "its words lie in more than 65536 places"
    assert tensor.read().tolist() == [3] * 70_000
    assert len(tensor.holes()) == 1


def test_memory(tmp_path: Path) -> None:
    """A text of 60 MB in bounded memory."""
    maps = np.minimum(np.random.default_rng(3).poisson(2, 12_000_000), 4095).astype("u4")
    path = tmp_path / "maps.hex"
    path.write_bytes(hex_text.format_lines(maps, 4, upper=False, newline="\n").data)
    tensor = only(path)
    total = sum(int(block.sum(dtype="i8")) for block in tensor.blocks())
    assert total == int(maps.sum(dtype="i8"))
    tracemalloc.start()
    try:
        tensor = only(path)
        for _ in tensor.blocks():
            pass
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


# --- Damaged files, hostile containers ------------------------------------------------------


def small_texts() -> Iterator[str]:
    for cases in (ALIKE, CARRIED):
        for text, *_ in cases.values():
            yield text


def taken(data: bytes, folder: Path) -> bool:
    """Say whether a file is taken; if it is, its words must be those that are there."""
    path = saved(folder, data)
    try:
        with dumps.open_dump(path) as dump_:
            (tensor,) = dump_.tensors
            assert tensor.read().tolist() == expected(data.decode())
            if not tensor.carried:
                assert np.concatenate([*tensor.blocks()]).tolist() == expected(data.decode())
    except FmcError:
        return False
    return True


def test_cut_files(tmp_path: Path) -> None:
    found = {
        taken(text.encode()[:end], tmp_path) for text in small_texts() for end in range(len(text))
    }
    assert found == {True, False}


def test_changed_bytes(tmp_path: Path) -> None:
    text = "// 12\n@0\n03\n0a\r\n07\n/* */\n00\n"
    for at in range(len(text)):
        for byte in b"\0\n\r 0aAxg_@/*":
            taken(text[:at].encode() + bytes([byte]) + text[at + 1 :].encode(), tmp_path)


PLACE = {"digits": 2, "upper": False, "newline": "\n", "bytes": 12}
WORDS = {"format": "uint8", "zero_point": 0, "zero_point_from": "none"}


def packed(
    place: Any, nbytes: int = 18, segments: Any = ((0, b"//\n"), (9, b"//\n")), **more: Any
) -> bytes:
    description = {
        "dtype": "|u1",
        "words": WORDS,
        "codec": {"name": "ebpc", "block_size": 8, "max_burst": 16, "difference": "unsigned"},
        "place": place,
        **more,
    }
    pieces = [template(*segments)] if segments else []
    words = chunk([1, 0, 0, 0xEF], codec=0)
    return container(dump(nbytes, "hex"), *pieces, layers(row("words", **description)), words)


def test_container_by_hand(tmp_path: Path) -> None:
    for place, text in (
        (PLACE, "//\n01\n00\n//\n00\nef\n"),
        ({**PLACE, "upper": True}, "//\n01\n00\n//\n00\nEF\n"),
    ):
        fmcompress.decompress(io.BytesIO(packed(place)), tmp_path / "back")
        assert (tmp_path / "back").read_text() == text
        assert fmcompress.verify(io.BytesIO(packed(place))).ok
    data = packed({**PLACE, "bytes": 11}, 17)
    fmcompress.decompress(io.BytesIO(data), tmp_path / "back")
    assert (tmp_path / "back").read_text() == "//\n01\n00\n//\n00\nef"


HOSTILE: dict[str, Any] = {
    "no digits": {**PLACE, "digits": 0},
    "many digits": {**PLACE, "digits": 9},
    "huge digits": {**PLACE, "digits": 2**62},
    "other digits": {**PLACE, "digits": 1},
    "digits of another dtype": {**PLACE, "digits": 3, "bytes": 16},
    "digits as text": {**PLACE, "digits": "2"},
    "digits as bool": {**PLACE, "digits": True},
    "upper as number": {**PLACE, "upper": 1},
    "newline": {**PLACE, "newline": "\r"},
    "empty newline": {**PLACE, "newline": ""},
    "long newline": {**PLACE, "newline": "\n" * 1000},
    "newline of another kind": {**PLACE, "newline": ["\n"]},
    "longer newline": {**PLACE, "newline": "\r\n"},
    "fewer bytes": {**PLACE, "bytes": 11},
    "far fewer bytes": {**PLACE, "bytes": 6},
    "more bytes": {**PLACE, "bytes": 13},
    "huge": {**PLACE, "bytes": 2**62},
    "negative": {**PLACE, "bytes": -12},
    "bytes as text": {**PLACE, "bytes": "12"},
    "no bytes": {key: value for key, value in PLACE.items() if key != "bytes"},
    "an offset": {"offset": 3},
    "nothing": {},
    "unknown key": {**PLACE, "radix": 16},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_places(case: str, tmp_path: Path) -> None:
    assert_refused(packed(HOSTILE[case]), tmp_path)


def test_hostile_gaps(tmp_path: Path) -> None:
    """A line may not cross what stands between two gaps."""
    for segments in (((0, b"//\n"), (8, b"///\n")), ((0, b"//\n"), (10, b"/\n")), ()):
        nbytes = 18 + sum(len(data) for _, data in segments) - 6 if segments else 18
        assert_refused(packed(PLACE, nbytes, segments), tmp_path)
    ends_early = packed({**PLACE, "bytes": 11}, 17, ((0, b"//\n"), (8, b"//\n")))
    assert_refused(ends_early, tmp_path)


def test_words_that_have_more_digits_than_lines(tmp_path: Path) -> None:
    data = packed({**PLACE, "digits": 1, "bytes": 8}, 14, ((0, b"//\n"), (7, b"//\n")))
    error = assert_refused(data, tmp_path, (3,), verified=True)
    assert "more than 1 digits" in error.cause


def test_two_layers_in_one_text(tmp_path: Path) -> None:
    more = {
        "dtype": "|u1",
        "words": WORDS,
        "codec": {"name": "ebpc", "block_size": 8, "max_burst": 16, "difference": "unsigned"},
        "place": {**PLACE, "bytes": 12},
    }
    words = chunk([1, 0, 0, 0xEF], codec=0)
    data = container(
        dump(24, "hex"), layers(row("words", **more), row("more", **more)), words, words
    )
    assert_refused(data, tmp_path)


def test_a_template_that_is_no_text(tmp_path: Path) -> None:
    """Of a container whose layer is carried: reading it says so."""
    carried = {"reason": "so", "bytes": 6}
    keys = dict.fromkeys(("words", "codec", "place", "chunk_words"))
    data = container(
        dump(6, "hex"),
        template((0, b"no hex")),
        layers(row("words", carried=carried, **keys)),
    )
    fmcompress.decompress(io.BytesIO(data), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"no hex"
    with fmcompress.open(io.BytesIO(data)) as file, pytest.raises(DamagedError, match="line 1"):
        _ = file["words"][...]


# --- Writing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "element_type", "text"),
    [
        (np.int8([3, 0, -1]), "int8", "03\n00\nff\n"),
        (np.uint8([3, 171]), "uint8", "03\nab\n"),
        (np.array([-2, 1], ">i2"), "int16", "fffe\n0001\n"),
        (np.int32([-2]), "int32", "fffffffe\n"),
        (np.float32([1.5]), "float32", "3fc00000\n"),
        (np.float16([-2]), "float16", "c000\n"),
        (np.uint16([0x3FC0]), "bfloat16", "3fc0\n"),
        (np.int8([-1, 7, -8]), "int4", "f\n7\n8\n"),
        (np.uint8([15, 7]), "uint4", "f\n7\n"),
        (np.array([True, False]), "bool", "01\n00\n"),
    ],
    ids=str,
)
def test_written(elements: Any, element_type: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "new.hex"
    path.touch()
    spec = TensorSpec("a", elements.shape, elements.dtype, element_type)
    writer = format_named("hex").writer(path, [spec], {})
    writer.begin(spec)
    for element in elements:
        writer.write(np.array([element], elements.dtype))
    writer.end()
    writer.finish()
    writer.close()
    assert path.read_text() == text
    assert writer.lost == ["the name 'a'", f"the dtype {element_type} of 'a'"]


def test_no_words_are_not_written(tmp_path: Path) -> None:
    """An empty file would not be recognised."""
    with pytest.raises(UnsupportedError, match="no words") as caught:
        format_named("hex").writer(
            tmp_path / "new", [TensorSpec("a", (0, 3), np.dtype("i1"), "int8")], {}
        )
    assert caught.value.layer == "a"
    assert not (tmp_path / "new").exists()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    maps = np.random.default_rng(7).integers(-300, 300, (500, 40, 30), "i2")
    path = tmp_path / "new.hex"
    spec = TensorSpec("a", maps.shape, maps.dtype, "int16", {"scale": 1.0})
    writer = format_named("hex").writer(path, [spec], {})
    writer.begin(spec)
    writer.write(maps.reshape(-1))
    writer.end()
    writer.finish()
    assert writer.lost[2:] == ["the shape [500, 40, 30] of 'a'", "attribute 'scale' of 'a'"]
    np.testing.assert_array_equal(only(path).read().view("i2"), maps.reshape(-1))


def test_what_cannot_be_written(tmp_path: Path) -> None:
    hex_ = format_named("hex")
    one = TensorSpec("a", (3,), np.dtype("i1"), "int8")
    for specs in ([], [one, one]):
        with pytest.raises(UnsupportedError, match=f"holds one tensor, not {len(specs)}"):
            hex_.writer(tmp_path / "new.hex", specs, {})
    wide = TensorSpec("a", (3,), np.dtype("i8"), "int64")
    with pytest.raises(UnsupportedError, match="64 bits has more than 8 digits"):
        hex_.writer(tmp_path / "new.hex", [wide], {})
