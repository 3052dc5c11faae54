"""What is to be done with every tensor of a dump, settled before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.channels_last import is_channels_last
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.coding import AUTO, Options
from fmcompress.contents import LayerInfo
from fmcompress.dumps import Dump, Tensor
from fmcompress.element_types import ELEMENT_TYPES, FOUR_BIT, holding_dtype, is_held
from fmcompress.errors import FmcError, ParameterError, error_context
from fmcompress.ordering import Stretch, WordOrder, cut, file_axes
from fmcompress.picking import pick
from fmcompress.quantizing import FLOAT_TYPES, Quantization
from fmcompress.recipe import Unquantizable
from fmcompress.trial_orders import best_axes
from fmcompress.words import NO_WORD_FORMAT, Subject, WordFormat, format_for, type_of
from fmcompress.words.flags import is_plain
from fmcompress.words.integers import IntegerWords, small_fit, type_bits
from fmcompress.words.zero_points import zero_point_attribute

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A layer of up to this size is read once and kept while its parameters are chosen.
_KEPT_BYTES = 1 << 26


@dataclass(slots=True)
class LayerPlan:
    """How one tensor is coded."""

    tensor: Tensor
    element_type: str
    packed: bool
    quantization: Quantization | None = None
    axes: tuple[int, ...] = ()  # empty: as in the file, or to be tried
    serpentine: bool = False

    @property
    def file_order(self) -> WordOrder:
        """The order of the tensor's elements in the file."""
        shape = self.tensor.shape
        return WordOrder(shape, file_axes(len(shape), self.tensor.order))

    @property
    def word_order(self) -> WordOrder:
        """The order of its words."""
        plain = self.file_order
        return replace(plain, axes=self.axes or plain.axes, serpentine=self.serpentine)

    def quantized(self, elements: NDArray[Any], stretch: Stretch) -> NDArray[Any]:
        """Return elements as they are coded."""
        return (
            elements if self.quantization is None else self.quantization.quantize(elements, stretch)
        )

    def describe(self, words: WordFormat, codec: Ebpc, chunk_words: int) -> LayerInfo:
        """Return the layer's description."""
        tensor, how = self.tensor, self.quantization
        assert tensor.dtype is not None
        order = self.word_order
        return LayerInfo(
            name=tensor.name,
            shape=tensor.shape,
            dtype=tensor.dtype.str if how is None else how.dtype.str,
            order=tensor.order,
            axes=() if order.axes == self.file_order.axes else order.axes,
            serpentine=self.serpentine,
            quantized={} if how is None else how.describe(),
            words=words.describe(),
            codec=codec.describe(),
            chunk_words=chunk_words,
            place=tensor.place,
        )

    def words(
        self, blocks: Iterator[NDArray[Any]], words: WordFormat, info: LayerInfo
    ) -> Iterator[NDArray[np.uint32]]:
        """Yield the layer's words chunk by chunk; `blocks` are its elements in file order."""
        assert self.tensor.dtype is not None
        order = self.word_order
        push = order.to_words(self.tensor.order, self.tensor.dtype)
        ordered = (part for block in blocks for part in push(block))
        at = 0
        for elements in cut(ordered, info.chunk_elements):
            stretch = Stretch(order, at)
            at += elements.size
            yield words.to_words(self.quantized(elements, stretch), stretch)


@dataclass(slots=True)
class _Asked:
    """Whether an option, which applies to the layers that it fits, fits any."""

    fits: bool = False
    misfit: FmcError | None = None


@dataclass(slots=True)
class Plan:
    """What is to be done with every tensor of a dump.

    Attributes
    ----------
    dump : Dump
    options : Options
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
    picked: list[bool] = field(init=False)
    layers: dict[str, LayerPlan] = field(init=False, default_factory=dict)
    warnings: list[str] = field(init=False, default_factory=list)
    notes: list[str] = field(init=False, default_factory=list)
    _name: str = field(init=False)  # of the layer in hand
    _asked: dict[str, _Asked] = field(init=False)
    _tried: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self._name = ""
        self.picked = pick([tensor.name for tensor in self.dump.tensors], self.patterns)
        names = ("dtype", "word_bits", "quantize", "order", "serpentine")
        self._asked = {name: _Asked() for name in names if getattr(self.options, name)}
        for tensor, picked in zip(self.dump.tensors, self.picked, strict=True):
            self._name = tensor.name
            with error_context(layer=tensor.name):
                self._settle(tensor, picked)
        for name, asked in self._asked.items():
            if not asked.fits:
                option = name.replace("_", "-")
                raise asked.misfit or ParameterError(
                    f"no layer fits --{option}", hint=f"leave --{option} out, or pick other layers"
                )

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
        if tensor.carried:
            self._misfits(tensor)
            return
        self._quantize(plan)
        if plan.element_type == "bool" and not all(map(is_plain, tensor.blocks())):
            tensor.carried = "holds bytes that are neither 0 nor 1"
        if tensor.carried:
            return
        self._narrow(plan)
        self._order(plan)
        self.layers[tensor.name] = plan
        if self.options.zero_point is not None:  # is it in the range? Nothing is read for that
            self._word_format(plan, lambda: iter(()))

    def _element_type(self, tensor: Tensor) -> str:
        own = type_of(tensor.dtype, tensor.element_type)
        wanted = self.options.dtype
        if wanted is None:
            # What is said to be 4-bit integers, and is not, is no reason to refuse the data.
            small = own in FOUR_BIT and not tensor.packed and not tensor.carried
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
                    and tensor.dtype.itemsize == np.dtype(ELEMENT_TYPES[wanted]).itemsize
                )
            )
        )
        self._fit(
            "dtype",
            held,
            f"{tensor.label} elements cannot be {wanted}",
            "give a dtype of their size, or pick other layers with --layers",
        )
        return wanted if held else own

    def _packed(self, tensor: Tensor) -> bool:
        return self.options.packed or tensor.packed

    def _misfits(self, tensor: Tensor) -> None:
        for name in self._asked.keys() - {"dtype"}:
            self._fit(name, False, f"is stored unchanged: {tensor.carried}", "pick other layers")

    def _quantize(self, plan: LayerPlan) -> None:
        """Settle how a layer is quantised; one that cannot be is carried or coded as it is."""
        recipe, tensor = self.options.recipe, plan.tensor
        if recipe is None:
            return
        if plan.element_type not in FLOAT_TYPES:
            self._fit(
                "quantize",
                False,
                f"is {plan.element_type}: only floats are quantised",
                "pick layers of floats with --layers",
            )
            return
        assert tensor.dtype is not None
        try:
            plan.quantization = recipe.quantization(
                plan.element_type, tensor.dtype, plan.file_order, tensor.blocks
            )
        except Unquantizable as error:
            self._fit("quantize", False, error.cause, error.hint or _OTHER_LAYERS)
            self.warnings.append(f"layer {tensor.name!r} is stored unchanged: {error.cause}")
            tensor.carried = f"cannot be quantised: {error.cause}"
        else:
            self._fit("quantize", True)
            plan.element_type = plan.quantization.element_type

    def _narrow(self, plan: LayerPlan) -> None:
        bits = self.options.word_bits
        if bits is None:
            return
        whole = plan.quantization is None and format_for(plan.element_type) is IntegerWords
        fits = whole and type_bits(plan.element_type) >= bits
        what = f"{plan.element_type} elements" if plan.quantization is None else "quantised layers"
        self._fit("word_bits", fits, f"{what} do not become words of {bits} bits", _OTHER_LAYERS)

    def _order(self, plan: LayerPlan) -> None:
        rank = len(plan.tensor.shape)
        wanted = self.options.order
        if wanted == AUTO:
            self._fit("order", True)
        elif wanted is not None:
            axes = tuple(int(axis) for axis in wanted)
            fits = len(axes) == rank
            plan.axes = axes if fits else ()
            self._fit(
                "order",
                fits,
                f"order {','.join(map(str, axes))} has {len(axes)} axes, its shape "
                f"{plan.tensor.shape} has {rank}",
                _OTHER_LAYERS,
            )
        if self.options.serpentine:
            self._fit("serpentine", rank > 1, "a single axis has no rows", _OTHER_LAYERS)
            plan.serpentine = rank > 1

    def _fit(self, option: str, fits: bool, cause: str = "", hint: str = "") -> None:
        """Note whether an option fits the layer; it must fit one that was picked by name."""
        asked = self._asked.get(option)
        if asked is None:
            return
        if fits:
            asked.fits = True
            return
        error = ParameterError(cause, hint=hint)
        if self.patterns:
            raise error
        error.layer = self._name
        asked.misfit = asked.misfit or error

    def prepare(
        self, name: str
    ) -> tuple[LayerPlan, WordFormat, LayerInfo, Callable[[], Iterator[NDArray[Any]]]]:
        """Choose what depends on a layer's elements.

        Returns
        -------
        plan, words, info
            Of the layer, complete.
        blocks : callable
            Returns an iterator over its elements in file order.
        """
        plan = self.layers[name]
        tensor = plan.tensor
        blocks: Callable[[], Iterator[NDArray[Any]]] = tensor.blocks
        kept = tensor.nbytes <= _KEPT_BYTES
        if kept:
            parts = [*tensor.blocks()]
            blocks = lambda: iter(parts)
        words = self._word_format(plan, blocks)
        self._warn_of_zero_point(tensor, words)
        codec = self.options.codec(words)
        if self.options.order == AUTO:
            plan.axes = best_axes(plan, words, codec, blocks, kept)
            self._tried[_shown(plan.axes)] += 1
        chunk_words = self.options.chunk_words
        return plan, words, plan.describe(words, codec, chunk_words), blocks

    def _word_format(
        self, plan: LayerPlan, blocks: Callable[[], Iterator[NDArray[Any]]]
    ) -> WordFormat:
        wishes = self.options.wishes
        attributes = plan.tensor.attributes
        how = plan.quantization
        if how is not None:  # its zero is 0
            wishes = replace(wishes, zero_point=0, word_bits=how.bits)
            order, file_blocks = plan.file_order, blocks
            blocks = lambda: _quantized(how, order, file_blocks())
        elif wishes.word_bits is None and plan.tensor.word_bits:
            wishes = replace(wishes, word_bits=plan.tensor.word_bits)
        subject = Subject(
            element_type=plan.element_type,
            shape=plan.tensor.shape,
            attributes=attributes,
            blocks=lambda: _as_type(blocks(), plan.element_type),
            packed=plan.packed and plan.element_type in FOUR_BIT,
        )
        format_ = format_for(plan.element_type)
        assert format_ is not None
        chosen = format_.choose(subject, wishes)
        if how is not None and isinstance(chosen, IntegerWords):
            chosen = replace(chosen, zero_point_from="none")
        return chosen

    def _warn_of_zero_point(self, tensor: Tensor, words: WordFormat) -> None:
        noted = zero_point_attribute(tensor.attributes)
        ignored = isinstance(words, IntegerWords) and words.zero_point_from in ("none", "found")
        if noted is not None and ignored and not self.layers[tensor.name].quantization:
            self.warnings.append(
                f"layer {tensor.name!r}: its attribute says zero point {noted}, "
                f"which is outside {tensor.label}; it is ignored"
            )

    def say_orders(self) -> None:
        """Say which orders were chosen where they were tried, and where one should be."""
        if self.options.order is None:
            last = [t for t in self.coded if is_channels_last(t.shape, t.order, t.attributes)]
            if last:
                more = f" and {len(last) - 1} more" if len(last) > 1 else ""
                wanted = "nhwc:nchw" if last[0].order == "C" else "0,1,2,3"
                self.warnings.append(
                    f"layer {last[0].name!r}{more} seem to lie with channels last (NHWC), which EBPC "
                    f"codes worse: try --order {wanted}, or auto"
                )
        if self._tried:
            parts = [f"{order} for {count} layers" for order, count in self._tried.items()]
            self.notes.append(f"order auto chose {', '.join(parts)}")


_OTHER_LAYERS = "pick other layers with --layers"


def _shown(axes: tuple[int, ...]) -> str:
    return ",".join(map(str, axes)) if axes else "the file's"


def _as_type(blocks: Iterator[NDArray[Any]], element_type: str) -> Iterator[NDArray[Any]]:
    """See opaque bytes or integers as what the user says they are, where NumPy has that."""
    if is_held(element_type):
        held = holding_dtype(element_type)
        yield from (_viewed(block, held) for block in blocks)
    else:
        yield from (_viewed(block, np.dtype(ELEMENT_TYPES[element_type])) for block in blocks)


def _viewed(block: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return block.view(dtype.newbyteorder(block.dtype.byteorder if block.dtype.kind != "V" else "<"))


def _quantized(
    how: Quantization, order: WordOrder, blocks: Iterator[NDArray[Any]]
) -> Iterator[NDArray[Any]]:
    at = 0
    for block in blocks:
        yield how.quantize(block, Stretch(order, at))
        at += block.size
