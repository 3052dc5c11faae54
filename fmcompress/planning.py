"""What is to be done with every tensor of a dump, settled before anything is written."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fmcompress.channels_last import channels_first, is_channels_last
from fmcompress.coding import AUTO, Options
from fmcompress.contents import LayerInfo
from fmcompress.dumps import Dump, Tensor
from fmcompress.element_types import FOUR_BIT, holding_dtype
from fmcompress.errors import ParameterError, error_context
from fmcompress.fitting import OTHER_LAYERS, Fitting
from fmcompress.in_order import Each
from fmcompress.layer_plan import LayerPlan
from fmcompress.numbers import plain
from fmcompress.picking import pick
from fmcompress.quantizing import FLOAT_TYPES
from fmcompress.recipe import Unquantizable
from fmcompress.trial_orders import best_axes
from fmcompress.words import (
    NO_WORD_FORMAT,
    FloatWords,
    WordFormat,
    format_for,
    type_of,
)
from fmcompress.words.flags import is_plain
from fmcompress.words.integers import IntegerWords, small_fit, type_bits
from fmcompress.words.zero_points import (
    noted_zero_point,
    unreadable_zero_point,
    zero_points_attribute,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.codecs import Codec

# A layer of up to this size is read once and kept while its parameters are chosen.
_KEPT_BYTES = 1 << 26
# Shares of a layer's values that quantising turned to 0: worth a word where nothing was scaled, and
# where it was, as the recipe has it.
_SOME, _MUCH = 0.01, 0.5


class Prepared(NamedTuple):
    """A layer of which everything is chosen.

    Attributes
    ----------
    layer : LayerPlan
    words : WordFormat
    codec : Codec
    info : LayerInfo
    blocks : callable
        Returns an iterator over its elements in file order.
    """

    layer: LayerPlan
    words: WordFormat
    codec: Codec
    info: LayerInfo
    blocks: Callable[[], Iterator[NDArray[Any]]]


@dataclass(slots=True)
class Plan:
    """What is to be done with every tensor of a dump.

    Attributes
    ----------
    dump : Dump
    options : Options
    each : callable
        With which blocks of a layer are looked at: `map`, or that of `Workers`.
    picked : list of bool
        For every tensor, whether the user picked it.
    layers : dict
        Of the tensors that are coded, by name.
    warnings : list of str
        What a reader of the numbers should know.
    notes : list of str
        What was decided on the way.

    Raises
    ------
    ParameterError
        If an option fits no layer, or not one that was picked by name.
    """

    dump: Dump
    patterns: Sequence[str] | str | None
    options: Options
    each: Each = map
    picked: list[bool] = field(init=False)
    layers: dict[str, LayerPlan] = field(init=False, default_factory=dict)
    warnings: list[str] = field(init=False, default_factory=list)
    notes: list[str] = field(init=False, default_factory=list)
    _fitting: Fitting = field(init=False)
    _tried: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self.picked = pick([tensor.name for tensor in self.dump.tensors], self.patterns)
        self.notes += self.dump.notes
        given = [name for name in _SOME_LAYERS if getattr(self.options, name) not in (None, False)]
        self._fitting = Fitting(given, bool(self.patterns))
        for tensor, picked in zip(self.dump.tensors, self.picked, strict=True):
            self._fitting.layer = tensor.name
            with error_context(layer=tensor.name):
                self._settle(tensor, picked)
        self._fitting.check()

    @property
    def coded(self) -> list[Tensor]:
        """The tensors that are coded, in file order."""
        return [plan.tensor for plan in self.layers.values()]

    def _settle(self, tensor: Tensor, picked: bool) -> None:
        """Decide about one tensor; what it is carried for stands in `carried` then."""
        if not picked:
            tensor.carried = tensor.carried or "not picked"
            return
        plan = LayerPlan(tensor, self._element_type(tensor), self._packed(tensor))
        floats = self.options.quantize is not None and plan.element_type in FLOAT_TYPES
        if tensor.dtype is None or not (floats or format_for(plan.element_type)):
            tensor.carried = tensor.carried or NO_WORD_FORMAT
        else:
            tensor.check()
        if not tensor.carried:
            self._quantize(plan)
        if not tensor.carried and plan.element_type == "bool":
            plain = all(map(is_plain, tensor.blocks()))
            tensor.carried = "" if plain else "holds bytes that are neither 0 nor 1"
        if tensor.carried:
            self._fitting.carried(tensor.carried)
            return
        if self.options.dtype:
            fits = plan.element_type == self.options.dtype or plan.quantization is not None
            self._fitting.note("dtype", fits, *self._no_dtype(tensor))
        self._narrow(plan)
        self._order(plan)
        self.layers[tensor.name] = plan
        self._wish(plan)

    def _no_dtype(self, tensor: Tensor) -> tuple[str, str]:
        return (
            f"{tensor.label} elements cannot be {self.options.dtype}",
            "give a dtype of their size, or pick other layers with --layers",
        )

    def _element_type(self, tensor: Tensor) -> str:
        own = type_of(tensor.dtype, tensor.element_type)
        wanted = self.options.dtype
        if wanted is None:
            # What a dump says is 4-bit integers, and is not, is no reason to refuse the data. Of a
            # raw file it is the user who says so.
            small = own in FOUR_BIT and not tensor.packed and not tensor.carried
            small = small and self.dump.format != "raw"
            if small and not small_fit(own, tensor.blocks):
                return type_of(tensor.dtype)
            return own
        held = (
            tensor.dtype is not None
            and not tensor.carried
            and (
                own == wanted
                or (
                    tensor.dtype.kind in "iuV"
                    and tensor.dtype.fields is None
                    and tensor.dtype.itemsize == holding_dtype(wanted).itemsize
                )
            )
        )
        return wanted if held else own

    def _packed(self, tensor: Tensor) -> bool:
        return self.options.packed or tensor.packed

    def _quantize(self, plan: LayerPlan) -> None:
        """Settle how a layer is quantised; one that cannot be is carried or coded as it is."""
        recipe, tensor = self.options.recipe, plan.tensor
        if recipe is None:
            return
        if plan.element_type not in FLOAT_TYPES:
            self._fitting.note(
                "quantize",
                False,
                f"{plan.element_type} elements: only floats are quantised",
                "pick layers of floats with --layers",
            )
            return
        assert tensor.dtype is not None
        try:
            plan.quantization = recipe.quantization(
                plan.element_type, tensor.dtype, plan.file_order, tensor.blocks, self.each
            )
        except ParameterError as error:  # it has no such axis
            self._fitting.note("quantize", False, error.cause, error.hint or OTHER_LAYERS)
            self.warnings.append(f"layer {tensor.name!r} is not quantised: {error.cause}")
        except Unquantizable as error:
            self._fitting.note("quantize", False, error.cause, error.hint or OTHER_LAYERS)
            self.warnings.append(f"layer {tensor.name!r} is stored unchanged: {error.cause}")
            tensor.carried = f"cannot be quantised: {error.cause}"
        else:
            self._fitting.note("quantize", True)
            self._warn_of_vanished(plan)
            plan.element_type = plan.quantization.element_type

    def _warn_of_vanished(self, plan: LayerPlan) -> None:
        """Say where quantising made a layer look sparser than it is."""
        how = plan.quantization
        assert how is not None
        scaled = how.headroom is not None
        share = how.vanished / max(math.prod(plan.tensor.shape), 1)
        if share > (_MUCH if scaled else _SOME):
            hint = "" if scaled else "; --headroom scales"
            self.warnings.append(
                f"layer {plan.tensor.name!r}: {100 * share:.1f} % of its values are not 0 but become "
                f"0 as {how.target}{hint}"
            )

    def _wish(self, plan: LayerPlan) -> None:
        """See whether zero point and mapping fit a layer; nothing is read for that."""
        format_ = format_for(plan.element_type)
        if self.options.mapping is not None:
            fits = format_ is FloatWords
            what = f"{plan.element_type} elements have no mapping"
            self._fitting.note("mapping", fits, what, OTHER_LAYERS)
        if self.options.zero_point is None:
            self._wish_axis(plan)
            return
        if plan.quantization is not None or format_ is not IntegerWords:
            what = "quantised layers" if plan.quantization else f"{plan.element_type} elements"
            self._fitting.note("zero_point", False, f"{what} have no zero point", OTHER_LAYERS)
            return
        try:
            plan.choose_words(self.options.wishes, lambda: iter(()))
        except ParameterError as error:
            plan.own_zero_point = True
            self._fitting.note("zero_point", False, error.cause, error.hint or OTHER_LAYERS)
        else:
            self._fitting.note("zero_point", True)
            self._fitting.note("zero_point_axis", True)

    def _wish_axis(self, plan: LayerPlan) -> None:
        """See whether a layer's attributes have zero points along the axis that is asked for."""
        axis, tensor = self.options.zero_point_axis, plan.tensor
        whole = plan.quantization is None and format_for(plan.element_type) is IntegerWords
        found = whole and zero_points_attribute(tensor.attributes, tensor.shape, axis)
        self._fitting.note(
            "zero_point_axis",
            bool(found),
            f"no attribute has zero points along axis {axis} of shape {tensor.shape}",
            "give --zero-point, too, or leave --zero-point-axis out",
        )

    def _narrow(self, plan: LayerPlan) -> None:
        bits = self.options.word_bits
        if bits is None:
            return
        whole = plan.quantization is None and format_for(plan.element_type) is IntegerWords
        fits = whole and type_bits(plan.element_type) >= bits
        what = f"{plan.element_type} elements" if plan.quantization is None else "quantised layers"
        self._fitting.note(
            "word_bits", fits, f"{what} do not become words of {bits} bits", OTHER_LAYERS
        )

    def _order(self, plan: LayerPlan) -> None:
        rank = len(plan.tensor.shape)
        wanted = self.options.order
        if wanted == AUTO:
            self._fitting.note("order", True)
        elif wanted is not None:
            axes = tuple(int(axis) for axis in wanted)
            fits = len(axes) == rank
            plan.axes = axes if fits else ()
            self._fitting.note(
                "order",
                fits,
                f"order {','.join(map(str, axes))} has {len(axes)} axes, its shape "
                f"{plan.tensor.shape} has {rank}",
                OTHER_LAYERS,
            )
        if self.options.serpentine:
            self._fitting.note("serpentine", rank > 1, "a single axis has no rows", OTHER_LAYERS)
            plan.serpentine = rank > 1

    def prepare(self, name: str) -> Prepared:
        """Choose what depends on a layer's elements."""
        plan = self.layers[name]
        tensor = plan.tensor
        blocks: Callable[[], Iterator[NDArray[Any]]] = tensor.blocks
        kept = tensor.nbytes <= _KEPT_BYTES
        if kept:
            parts = [*tensor.blocks()]
            blocks = lambda: iter(parts)
        words = plan.choose_words(self.options.wishes, blocks, self.each)
        self._warn_of_zero_point(tensor, words)
        codec = self.options.codec_for(words).fitted(
            lambda: plan.words_in_file_order(blocks(), words), words.bits
        )
        if self.options.order == AUTO:
            plan.axes = best_axes(plan, words, codec, blocks, kept)
            self._tried[_shown(plan.axes)] += 1
        chunk_words = self.options.chunk_words
        return Prepared(plan, words, codec, plan.describe(words, codec, chunk_words), blocks)

    def _warn_of_zero_point(self, tensor: Tensor, words: WordFormat) -> None:
        ignored = isinstance(words, IntegerWords) and words.zero_point_from in ("none", "found")
        if not ignored or self.layers[tensor.name].quantization:
            return
        type_ = self.layers[tensor.name].element_type
        noted = noted_zero_point(tensor.attributes)
        unreadable = unreadable_zero_point(tensor.attributes)
        if noted is None:
            if unreadable is None:
                return
            value = f"{plain(tensor.attributes[unreadable])!r:.40}"
            doubt = f"its attribute {unreadable} is {value}, no number; it is ignored"
        elif np.ndim(noted) or not float(noted).is_integer():
            doubt = (
                f"its attribute's zero points fit no axis of shape {tensor.shape}, or several, or "
                f"not {type_}; they are ignored: give --zero-point and --zero-point-axis"
            )
        else:
            doubt = f"its attribute says zero point {int(noted)}, which is outside {type_}; it is ignored"
        self.warnings.append(f"layer {tensor.name!r}: {doubt}")

    def say_orders(self, advice: list[str] | None = None) -> None:
        """Say which orders were chosen where they were tried, and where one should be.

        Parameters
        ----------
        advice : list of str, optional
            Where the latter goes; by default, to the warnings.
        """
        left = [p.tensor for p in self.layers.values() if not p.axes and self.options.order != AUTO]
        last = [t for t in left if is_channels_last(t.shape, t.order, t.attributes)]
        last += [t for t in left if t.order == "F"]
        if last:
            seem = f" and {len(last) - 1} more seem" if len(last) > 1 else " seems"
            why = "with channels last (NHWC)" if last[0].order != "F" else "in Fortran order"
            wanted = channels_first(last[0].shape, last[0].order)
            (self.warnings if advice is None else advice).append(
                f"layer {last[0].name!r}{seem} to lie {why}, which EBPC mostly codes worse: try --order "
                f"{wanted}{'' if wanted == AUTO else ', or auto'}"
            )
        if self._tried:
            parts = [f"{order} for {count}" for order, count in self._tried.items()]
            self.notes.append(f"order auto chose, by layers: {', '.join(parts)}")


# Options that apply to the layers that they fit.
_SOME_LAYERS = (
    *(
        "dtype",
        "word_bits",
        "zero_point",
        "zero_point_axis",
        "mapping",
        "quantize",
        "order",
        "serpentine",
    ),
)


def _shown(axes: tuple[int, ...]) -> str:
    return ",".join(map(str, axes)) if axes else "the file's"
