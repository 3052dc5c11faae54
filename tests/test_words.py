"""Word formats: every value of every dtype, bit for bit; which zero point is chosen, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import JIT
from harness import INTEGER_DTYPES, examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmcompress.errors import DamagedError, ParameterError, UnsupportedError
from fmcompress.kernel_loading import kernel, kernel_words, kernels
from fmcompress.stream_words import word_dtype
from fmcompress.words import (
    WORD_FORMATS,
    FlagWords,
    FloatWords,
    IntegerWords,
    Subject,
    Wishes,
    format_for,
    format_from_description,
    type_of,
)
from fmcompress.words.zero_points import ZERO_POINT_NAMES, most_frequent, zero_point_attribute

NARROW = ("int8", "uint8", "int16", "uint16")
WIDE = ("int32", "uint32")
BYTE_ORDERS = ("<", ">")


def range_of(name: str) -> tuple[int, int]:
    """Give the least and the greatest value of a dtype."""
    return int(np.iinfo(name).min), int(np.iinfo(name).max)


def every_value(name: str, order: str = "<") -> NDArray[Any]:
    """Give each value of an 8- or 16-bit dtype once, in this byte order."""
    least, greatest = range_of(name)
    return np.arange(least, greatest + 1).astype(np.dtype(name).newbyteorder(order))


def extreme_zero_points(name: str) -> list[int]:
    """Give the ends of the range, and what lies around 0 and around the middle."""
    least, greatest = range_of(name)
    middle = (least + greatest) // 2
    points = {least, least + 1, middle - 1, middle, middle + 1, -1, 0, 1, greatest - 1, greatest}
    return sorted(point for point in points if least <= point <= greatest)


def check_words(elements: NDArray[Any], zero_point: int) -> None:
    """Compare with the definition, in integers that cannot overflow; then the way back."""
    name = elements.dtype.newbyteorder("=").name
    words_format = IntegerWords(name, zero_point)
    before = elements.tobytes()
    words = words_format.to_words(elements)
    expected = [(value - zero_point) % 2**words_format.bits for value in elements.tolist()]
    assert words.dtype == word_dtype(words_format.bits)
    assert words.tolist() == expected
    np.testing.assert_array_equal(words == 0, elements == zero_point)
    words_before = words.copy()
    back = words_format.to_elements(words, elements.dtype)
    assert back.dtype.str == elements.dtype.str
    assert back.tobytes() == elements.tobytes() == before
    np.testing.assert_array_equal(words, words_before)


# --- Bit for bit --------------------------------------------------------------------------


@pytest.mark.parametrize("order", BYTE_ORDERS)
@pytest.mark.parametrize("name", NARROW)
def test_every_value(name: str, order: str) -> None:
    """Each value of the dtype, under each of the zero points at the ends and in the middle."""
    elements = every_value(name, order)
    assert len(elements) == 2 ** (8 * elements.itemsize)
    for zero_point in extreme_zero_points(name):
        check_words(elements, zero_point)


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_every_value_under_every_zero_point(name: str) -> None:
    """All pairs of an element and a zero point that 8 bits have."""
    elements = every_value(name)
    for zero_point in elements.tolist():
        check_words(elements, zero_point)


@pytest.mark.parametrize("order", BYTE_ORDERS)
@pytest.mark.parametrize("name", INTEGER_DTYPES)
def test_any_values(name: str, order: str) -> None:
    """Any elements under any zero point, which is among them or not."""
    least, greatest = range_of(name)
    value = st.sampled_from(extreme_zero_points(name)) | st.integers(least, greatest)

    @examples(100)
    @given(st.lists(value, max_size=30), value)
    def check(values: list[int], zero_point: int) -> None:
        elements = np.array(values, np.dtype(name).newbyteorder(order))
        check_words(elements, zero_point)
        check_words(elements[::-2], zero_point)

    check()


@pytest.mark.parametrize(
    ("name", "zero_point", "values", "words"),
    [
        ("int8", 0, [0, 1, -1, 127, -128], [0, 1, 0xFF, 0x7F, 0x80]),
        ("int8", -128, [-128, -127, 127, 0], [0, 1, 0xFF, 0x80]),
        ("uint8", 3, [3, 4, 2, 255, 0], [0, 1, 0xFF, 0xFC, 0xFD]),
        ("int16", 0, [-2, 0x1234], [0xFFFE, 0x1234]),
        ("uint16", 0xFFFF, [0xFFFF, 0], [0, 1]),
        ("int32", -(2**31), [-(2**31), 2**31 - 1], [0, 2**32 - 1]),
        ("uint32", 2**31, [0, 2**32 - 1], [2**31, 2**31 - 1]),
    ],
)
def test_words_by_hand(name: str, zero_point: int, values: list[int], words: list[int]) -> None:
    """Patterns that anyone can check."""
    elements = np.array(values, name)
    assert IntegerWords(name, zero_point).to_words(elements).tolist() == words


@pytest.mark.parametrize("name", INTEGER_DTYPES)
def test_widths_and_differences(name: str) -> None:
    """The word is as wide as the dtype; the difference follows its sign."""
    words = IntegerWords(name)
    assert words.bits == np.dtype(name).itemsize * 8
    assert words.difference == ("unsigned" if name.startswith("u") else "signed")


@pytest.mark.parametrize("name", INTEGER_DTYPES)
def test_zero_point_out_of_range(name: str) -> None:
    """Neither beyond the dtype's ends nor of another type."""
    least, greatest = range_of(name)
    for wrong in (least - 1, greatest + 1, 2**64, -(2**64), 1.0, None, "0", [0]):
        with pytest.raises(ParameterError, match="zero point") as raised:
            IntegerWords(name, wrong)  # type: ignore[arg-type]
        assert raised.value.hint == f"give one from {least} to {greatest}"


@pytest.mark.parametrize("name", INTEGER_DTYPES)
def test_zero_point_of_numpy(name: str) -> None:
    """NumPy's integers are as good as Python's, and kept as Python's."""
    for scalar in (np.int8(5), np.uint8(5), np.int64(5), np.uint64(5)):
        words = IntegerWords(name, scalar)  # type: ignore[arg-type]
        assert words == IntegerWords(name, 5)
        assert type(words.zero_point) is int


# --- Formats by dtype and description -----------------------------------------------------


@pytest.mark.parametrize("order", BYTE_ORDERS)
@pytest.mark.parametrize("name", INTEGER_DTYPES)
def test_format_for_integers(name: str, order: str) -> None:
    """Both byte orders have the format of their name."""
    assert type_of(np.dtype(name).newbyteorder(order)) == name
    assert format_for(name) is IntegerWords
    assert name in WORD_FORMATS


@pytest.mark.parametrize("dtype", ["f2", ">f2", "f4", ">f4"])
def test_format_for_floats(dtype: str) -> None:
    """NumPy's own floats up to 32 bits, in both byte orders."""
    assert format_for(type_of(np.dtype(dtype))) is FloatWords


def test_format_for_what_the_dtype_does_not_tell() -> None:
    """The dump's own word for it counts."""
    for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        assert format_for(type_of(np.dtype("u2"), name)) is FloatWords
    assert format_for(type_of(np.dtype("u1"), "int4")) is IntegerWords
    assert format_for(type_of(np.dtype("?"))) is FlagWords


@pytest.mark.parametrize(
    "dtype", ["f8", "i8", "u8", "c8", "O", "S3", "U3", "M8[s]", "V2", "i4,i4", "(2,)i4"]
)
def test_format_for_others(dtype: str) -> None:
    """They have none, and are carried."""
    assert format_for(type_of(np.dtype(dtype))) is None


@pytest.mark.parametrize("name", INTEGER_DTYPES)
def test_description_round_trip(name: str) -> None:
    """A format is built again from what it says of itself."""
    for zero_point in extreme_zero_points(name):
        words = IntegerWords(name, zero_point, "option")
        assert words.describe() == {
            "format": name,
            "zero_point": zero_point,
            "zero_point_from": "option",
        }
        assert format_from_description(words.describe()) == words


@pytest.mark.parametrize(
    "description",
    [
        {},
        *({"format": name} for name in (None, "int64", "float64", 8, ["int8"], {})),
        {"format": "int8", "scale": 0.5},
    ],
    ids=str,
)
def test_unknown_description(description: dict[str, Any]) -> None:
    """Another version's format or parameter is no damage."""
    with pytest.raises(UnsupportedError, match="unknown"):
        format_from_description(description)


@pytest.mark.parametrize("wrong", [128, -129, 0.0, "0", None, True, []], ids=repr)
def test_description_with_wrong_zero_point(wrong: Any) -> None:
    """It is damage, whatever JSON holds."""
    with pytest.raises(DamagedError, match="zero point"):
        format_from_description({"format": "int8", "zero_point": wrong})


@pytest.mark.parametrize("wrong", ["", "Option", None, 0, []], ids=repr)
def test_description_with_wrong_source(wrong: Any) -> None:
    """Who chose the zero point is one of four."""
    with pytest.raises(DamagedError, match="zero_point_from"):
        format_from_description({"format": "int8", "zero_point_from": wrong})


# --- Attributes ---------------------------------------------------------------------------

SPELLINGS = [
    *("zero_point", "Zero_Point", "zeroPoint", "ZEROPOINT", "zero-point", "zero.point", "ZP"),
    *("zero_points", "q_zero_point", "quant.zero_point", "output_zero_point"),
    *ZERO_POINT_NAMES,
    *("_".join(name) for name in ZERO_POINT_NAMES),
    *(f"-{name.title()}." for name in ZERO_POINT_NAMES),
]


@pytest.mark.parametrize("name", SPELLINGS)
def test_attribute_names(name: str) -> None:
    """Case and separators do not matter."""
    assert zero_point_attribute({"scale": 0.1, name: -7}) == -7


@pytest.mark.parametrize(
    "name", ["", "zero", "point", "my_zero_point", "zero point", "zp2", "scale"]
)
def test_other_attribute_names(name: str) -> None:
    """Nothing else is taken for a zero point."""
    assert zero_point_attribute({name: 5}) is None


@pytest.mark.parametrize(
    "value",
    [
        *(5, 5.0, [5], np.int8(5), np.uint64(5), np.float16(5), np.float32(5)),
        *(np.array(5), np.array([5]), np.array([5], ">i4"), np.array([[[5.0]]], np.float32)),
    ],
    ids=repr,
)
def test_attribute_values(value: Any) -> None:
    """One whole number, however it is wrapped, as a plain int."""
    found = zero_point_attribute({"zero_point": value})
    assert found == 5
    assert type(found) is int


NO_ZERO_POINTS = [
    *(np.array([5, 5]), np.zeros(0), [], 5.5, np.float32(0.1)),
    *(float("nan"), np.float32("nan"), np.array([np.nan], np.float16)),
    *(float("inf"), -float("inf"), np.float32("inf")),
    *("5", b"5", np.array(["5"]), np.array(b"5")),
    *(True, np.True_, 5 + 0j, None, {"zero_point": 5}),
    *(np.array([(5,)], "i4,"), np.datetime64(5, "s")),
]


@pytest.mark.parametrize("value", NO_ZERO_POINTS, ids=repr)
def test_attribute_values_that_are_none(value: Any) -> None:
    """Vectors, fractions, NaN, texts and the like are passed over, and the next name is tried."""
    assert zero_point_attribute({"zero_point": value}) is None
    assert zero_point_attribute({"zero_point": value, "zp": 4}) == 4


# --- Choice -------------------------------------------------------------------------------


def choose(
    dtype: np.dtype[Any],
    zero_point: int | None,
    attributes: dict[str, Any],
    blocks: Iterable[NDArray[Any]],
) -> IntegerWords:
    """Choose the words of a layer."""
    name = dtype.newbyteorder("=").name
    subject = Subject(name, attributes=attributes, blocks=lambda: blocks)
    return IntegerWords.choose(subject, Wishes(zero_point))


def unread() -> Iterator[NDArray[Any]]:
    """Give blocks that must not be asked for."""
    raise AssertionError("the elements were read although the zero point was known")
    yield


@pytest.mark.parametrize("order", BYTE_ORDERS)
def test_choice_in_order(order: str) -> None:
    """Option before attribute before found before none; elements are read only when needed."""
    dtype = np.dtype("int16").newbyteorder(order)
    blocks = [np.array([7, 7, 0], dtype)]
    noted = {"zero_point": -5}
    assert choose(dtype, 3, noted, unread()) == IntegerWords("int16", 3, "option")
    assert choose(dtype, 0, noted, unread()) == IntegerWords("int16", 0, "option")
    assert choose(dtype, None, noted, unread()) == IntegerWords("int16", -5, "attribute")
    zero = {"zero_point": 0}
    assert choose(dtype, None, zero, unread()) == IntegerWords("int16", 0, "attribute")
    assert choose(dtype, None, {"scale": 3}, blocks) == IntegerWords("int16", 7, "found")
    assert choose(dtype, None, {}, blocks[:0]) == IntegerWords("int16", 0, "none")
    assert choose(dtype, None, {}, [np.zeros(3, dtype)]) == IntegerWords("int16", 0, "none")


@pytest.mark.parametrize("name", INTEGER_DTYPES)
def test_choice_at_the_ends(name: str) -> None:
    """An option beyond the dtype is an error; an attribute beyond it is passed over."""
    least, greatest = range_of(name)
    dtype = np.dtype(name)
    blocks = [np.array([greatest, greatest, 0], dtype)]
    for point in (least, greatest):
        chosen = choose(dtype, point, {}, unread())
        assert chosen == IntegerWords(name, point, "option")
        chosen = choose(dtype, None, {"zp": np.float64(point)}, unread())
        assert chosen == IntegerWords(name, point, "attribute")
    for point in (least - 1, greatest + 1):
        with pytest.raises(ParameterError, match="outside"):
            choose(dtype, point, {}, unread())
        chosen = choose(dtype, None, {"zp": point}, blocks)
        assert chosen == IntegerWords(name, greatest, "found")


@pytest.mark.parametrize("value", NO_ZERO_POINTS, ids=repr)
def test_choice_with_useless_attribute(value: Any) -> None:
    """It is as good as none."""
    blocks = [np.array([9, 9], np.uint8)]
    chosen = choose(np.dtype("uint8"), None, {"zero_point": value}, blocks)
    assert chosen == IntegerWords("uint8", 9, "found")


# --- The most frequent value --------------------------------------------------------------


@pytest.mark.parametrize("order", BYTE_ORDERS)
@pytest.mark.parametrize("name", INTEGER_DTYPES)
def test_most_frequent_by_hand(name: str, order: str) -> None:
    """One winner, ties, zeros, several blocks, and none at all."""
    least, greatest = range_of(name)
    dtype = np.dtype(name).newbyteorder(order)

    def found(*blocks: list[int]) -> int:
        return most_frequent(np.array(block, dtype) for block in blocks)

    assert found() == 0
    assert found([]) == 0
    assert found([], []) == 0
    assert found([0]) == 0
    assert found([greatest]) == greatest
    assert found([greatest, greatest, 0]) == greatest
    assert found([greatest, 0]) == 0  # a tie with 0 goes to 0
    assert found([7, 5, 7, 5]) == 5  # other ties go to the least
    assert found([7, 5], [5], [7, 0, 0]) == 0
    assert found([5, 7], [7, 9], [9, 7]) == 7
    assert found([5, 5, 5], [0, 0], [0, 0]) == 0
    assert found([least, greatest, greatest], [least], [least, 1]) == least


@pytest.mark.parametrize("name", NARROW)
def test_most_frequent_is_exact(name: str) -> None:
    """For 8 and 16 bits it is that of a full histogram, however the elements are cut."""
    least, greatest = range_of(name)
    value = st.sampled_from([0, 1, 2, least, greatest]) | st.integers(least, greatest)

    @examples(150)
    @given(st.lists(st.lists(value, max_size=20), max_size=4))
    def check(blocks: list[list[int]]) -> None:
        together = [value for block in blocks for value in block]
        found = most_frequent(np.array(block, name) for block in blocks)
        times = together.count(found)
        assert times == max(map(together.count, together), default=0) or found == 0
        rivals = {value for value in together if together.count(value) >= times} - {found}
        if found:
            assert times > together.count(0)
            assert all(found < rival for rival in rivals)
        else:
            assert all(together.count(rival) <= times for rival in rivals)

    check()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("size", [*range(10), 1001])
def test_patterns_are_counted(bits: int, size: int) -> None:
    patterns = np.random.default_rng(size).integers(0, 1 << bits, size).astype(f"u{bits // 8}")
    patterns[size // 3 :: 2] = 7
    times = np.zeros((kernels("histogram").ROWS, 1 << bits), np.uint32)
    for _ in range(2):  # what is there is added to
        kernel("histogram", "count")(kernel_words(patterns, patterns.dtype), times)
    expected = 2 * np.bincount(patterns, minlength=1 << bits)
    np.testing.assert_array_equal(times.sum(axis=0), expected)


@pytest.mark.parametrize("name", NARROW)
def test_most_frequent_in_a_large_block(name: str) -> None:
    """A million elements, in any layout: those at the end count like those at the beginning."""
    least, greatest = range_of(name)
    block = np.full(1 << 20 if JIT else 1 << 12, greatest, name)
    block[: len(block) // 3] = 1
    for other in (block, block[::-1], block[::2], np.roll(block, len(block) // 2)):
        assert most_frequent([other]) == greatest
    block[len(block) // 2 :] = least
    assert most_frequent([block]) == least


@pytest.mark.parametrize("name", WIDE)
def test_most_frequent_of_wide_words(name: str) -> None:
    """A value frequent in each block is found among thousands; a rare one may be missed."""
    random = np.random.default_rng(3)
    noise = random.integers(1000, 2**31 - 1, (4, 5000)).astype(name)
    noise[:, ::50] = 17
    assert most_frequent(noise) == 17
    noise[:, 1::40] = 0
    assert most_frequent(noise) == 0


@pytest.mark.parametrize("name", WIDE)
def test_zeros_of_wide_words_are_counted_in_full(name: str) -> None:
    """Where 0 is not among a block's most frequent values, it counts all the same."""
    # Zeros: two in each block, where 16 other values are more frequent; six in all.
    blocks = [np.repeat([*range(16 * k + 1, 16 * k + 17), 0], [3] * 16 + [2]) for k in range(3)]
    winner = [np.full(5, 99)]
    assert most_frequent(block.astype(name) for block in blocks + winner) == 0
    assert most_frequent(block.astype(name) for block in blocks + 2 * winner) == 99
