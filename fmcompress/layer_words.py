"""The words of a dump's or a container's layers, chunk by chunk: what the hardware would be given."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from fmcompress.chunks import LayerDecoder
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.coding import Coding, Options
from fmcompress.contents import LayerInfo
from fmcompress.dumps import open_sources
from fmcompress.errors import ParameterError, error_context
from fmcompress.files import Sources, name_of, source_paths
from fmcompress.hardware.parameters import Parameters
from fmcompress.ordering import Stretch, cut
from fmcompress.picking import pick
from fmcompress.planning import Plan
from fmcompress.reader import File, are_container

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.layer_plan import LayerPlan
    from fmcompress.words import WordFormat


class Fronts(Protocol):
    """Which axes are to run slowest, from a layer's shape and attributes."""

    def front(self, shape: Sequence[int], attributes: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the axes that are to run slowest, in this order."""
        ...

    def doubts(self, shape: Sequence[int], attributes: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with attributes that should name axes."""
        ...


# Options that count where the words of a container are coded anew.
RECODING = ("codec", "block_size", "max_burst", "difference")


@dataclass(frozen=True, slots=True)
class LayerWords:
    """One layer's words.

    Attributes
    ----------
    info : LayerInfo
        The layer's description, as it stands in a container.
    format : WordFormat
        How its elements became words.
    attributes : callable
        Returns the attributes that the layer has in its dump.
    difference : str
        How differences are formed that are coded anew: as was asked for, or as suits the words.
    block_size, max_burst : int
        Of the hardware that is to code them.
    pieces : callable
        Takes a number of words, a multiple of those in an element; returns an iterator over the
        layer's words, cut to arrays of so many: of each, a function that makes it, in any thread.
    """

    info: LayerInfo
    format: WordFormat
    attributes: Callable[[], Mapping[str, Any]]
    difference: str
    block_size: int
    max_burst: int
    pieces: Callable[[int], Iterator[Callable[[], NDArray[Any]]]]

    @property
    def word_bits(self) -> int:
        """Word width w."""
        return self.format.bits

    @property
    def own_difference(self) -> str:
        """How `compress` forms the layer's differences, or has formed a container's."""
        return str(self.info.codec.get("difference", self.format.difference))

    def chunks(self) -> Iterator[NDArray[Any]]:
        """Return an iterator over the words, an array for each chunk, in order."""
        return (piece() for piece in self.pieces(self.info.chunk_words))

    def parameters(self) -> Parameters:
        """Return those of the hardware; ParameterError says what it cannot have."""
        return Parameters.of(self.word_bits, self.block_size, self.max_burst)


@dataclass(slots=True)
class Words:
    """An open dump or container.

    Attributes
    ----------
    file : str
        Its name.
    total_words : int
        Of all picked layers, about.
    is_container : bool
    left_out : dict
        Why picked layers have no words, by name.
    warnings, notes : list of str
        What a reader of numbers should know, and what was decided; complete behind the last layer.
    advice : list of str, optional
        Where advice on the order of axes goes; by default, to the warnings.
    """

    file: str
    _layers: Callable[[Words], Iterator[LayerWords]]
    total_words: int = 0
    is_container: bool = False
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    advice: list[str] | None = None

    def layers(self) -> Iterator[LayerWords]:
        """Yield the picked layers that have words, in file order; once."""
        return self._layers(self)


def check_hardware(coding: Coding) -> Ebpc:
    """Refuse codecs and differences that the hardware's encoder does not have.

    Returns
    -------
    Ebpc
        With block size and longest burst as they were asked for.

    Raises
    ------
    ParameterError
        If one is asked for.
    """
    options = Options(**coding)
    if options.codec != Ebpc.name:
        raise ParameterError(
            f"codec is {options.codec!r}, but the hardware is EBPC's", hint="leave codec out"
        )
    if options.difference not in (None, "signed"):
        raise ParameterError(
            f"difference is {options.difference!r}, but the hardware's encoder forms signed ones",
            hint="leave --difference out",
        )
    return options.hardware


def difference_note(difference: str, where: str) -> str:
    """Say where differences are not as `compress` forms them."""
    return f"differences are signed, as in the RTL, where compress forms {difference} ones: {where}"


@contextmanager
def open_words(
    source: Sources,
    layers: Sequence[str] | str | None,
    raw: Mapping[str, Any] | None,
    coding: Coding,
    fronts: Fronts | None = None,
    counting: Collection[str] = ("block_size", "max_burst"),
) -> Iterator[Words]:
    """Open a dump, or a container, for its words.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
    layers : glob or globs, optional
        Layers to pick.
    raw : mapping, optional
        As `compress`.
    coding : Coding
        How the words are made of a dump's elements, and the block size and longest burst of the
        hardware. A container's words are as they are; block size and burst, too, unless they are
        given.
    fronts : Fronts, optional
        Which axes are to run slowest. Those of a container's words run as they do.
    counting : collection of str
        Options of `coding` that count for a container, too; of others, a warning says that they
        do not.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    options = Options(**coding)
    with error_context(file=name_of(source)), source_paths(source) as paths:
        if are_container(paths):
            with File(paths[0]) as file:
                infos = file.contents.layers
                picked = pick([info.name for info in infos], layers)
                words = Words(
                    name_of(source),
                    lambda words: _of_container(file, picked, coding, fronts, words),
                    sum(
                        info.word_count
                        for info, wanted in zip(infos, picked, strict=True)
                        if wanted
                    ),
                    is_container=True,
                )
                words.warnings += options.idle(raw, counting)
                yield words
        else:
            with open_sources(paths, raw) as dump:
                plan = Plan(dump, layers, options)
                words = Words(
                    name_of(source),
                    lambda words: _of_dump(plan, fronts, words),
                    sum(math.prod(tensor.shape) for tensor in plan.coded),
                )
                words.warnings, words.notes = plan.warnings, plan.notes
                yield words


def _of_dump(plan: Plan, fronts: Fronts | None, words: Words) -> Iterator[LayerWords]:
    for tensor, picked in zip(plan.dump.tensors, plan.picked, strict=True):
        with error_context(layer=tensor.name):
            if tensor.name in plan.layers:
                layer, format_, _, info, blocks = plan.prepare(tensor.name)
                hardware = plan.options.hardware
                first = _first(fronts, info, tensor.attributes, words)
                if first:
                    rest = (axis for axis in layer.word_order.axes if axis not in first)
                    layer.axes = (*first, *rest)
                    info = replace(info, axes=layer.axes)
                yield LayerWords(
                    info,
                    format_,
                    partial(getattr, tensor, "attributes"),
                    plan.options.difference or format_.difference,
                    hardware.block_size,
                    hardware.max_burst,
                    partial(_pieces, layer, format_, info.name, blocks),
                )
            elif picked:
                words.left_out[tensor.name] = tensor.carried
    plan.say_orders(words.advice)


def _pieces(
    layer: LayerPlan,
    format_: WordFormat,
    name: str,
    blocks: Callable[[], Iterator[NDArray[Any]]],
    size: int,
) -> Iterator[Callable[[], NDArray[Any]]]:
    """Yield the layer's words, `size` at a time, as functions that make them."""
    with error_context(layer=name):
        for elements, stretch in layer.in_word_order(blocks(), size // format_.words_per_element):
            yield partial(_to_words, layer, format_, name, elements, stretch)


def _to_words(
    layer: LayerPlan, format_: WordFormat, name: str, elements: NDArray[Any], stretch: Stretch
) -> NDArray[Any]:
    with error_context(layer=name):
        return layer.to_words(elements, format_, stretch)


def _of_container(
    file: File, picked: Sequence[bool], coding: Coding, fronts: Fronts | None, words: Words
) -> Iterator[LayerWords]:
    plain = Ebpc()
    for number, (info, pick_) in enumerate(zip(file.contents.layers, picked, strict=True)):
        if not pick_:
            continue
        if info.carried:
            words.left_out[info.name] = info.carried["reason"]
            continue
        decoder = LayerDecoder(info)
        with error_context(layer=info.name):
            _check_front(info, _first(fronts, info, file[info.name].attrs, words))
        yield LayerWords(
            info,
            decoder.words,
            partial(_attributes, file, info.name),
            coding.get("difference") or decoder.words.difference,
            coding.get("block_size") or info.codec.get("block_size", plain.block_size),
            coding.get("max_burst") or info.codec.get("max_burst", plain.max_burst),
            partial(_decoded, file, number, decoder),
        )


def _first(
    fronts: Fronts | None, info: LayerInfo, attributes: Mapping[str, Any], words: Words
) -> tuple[int, ...]:
    """Return the axes of a layer that are to run slowest; add warnings of its attributes."""
    if fronts is None:
        return ()
    words.warnings += [
        f"layer {info.name!r}: {doubt}" for doubt in fronts.doubts(info.shape, attributes)
    ]
    return fronts.front(info.shape, attributes)


def _check_front(info: LayerInfo, first: tuple[int, ...]) -> None:
    """Refuse a layer in which other axes run slower; those of length 1 do not matter."""
    axes = [axis for axis in info.word_axes if info.shape[axis] > 1]
    wanted = [axis for axis in first if info.shape[axis] > 1]
    if axes[: len(wanted)] != wanted:
        raise ParameterError(
            f"its words run along the axes {', '.join(map(str, info.word_axes))}, the first slowest, "
            f"not along {', '.join(map(str, first))}",
            hint="decompress it first",
        )


def _attributes(file: File, name: str) -> Mapping[str, Any]:
    return file[name].attrs


def _decoded(
    file: File, layer: int, decoder: LayerDecoder, size: int
) -> Iterator[Callable[[], NDArray[Any]]]:
    chunks = range(len(file.contents.chunks[layer]))
    words = (file.read_words(layer, number, decoder) for number in chunks)
    return (partial(_same, piece) for piece in cut(words, size))


def _same(words: NDArray[Any]) -> NDArray[Any]:
    return words
