"""The words of a dump's or a container's layers, chunk by chunk: what the hardware would be given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from fmcompress.chunks import LayerDecoder
from fmcompress.coding import Options
from fmcompress.contents import LayerInfo
from fmcompress.dumps import open_sources
from fmcompress.errors import ParameterError, error_context
from fmcompress.files import Sources, name_of, source_paths
from fmcompress.picking import pick
from fmcompress.planning import Plan
from fmcompress.reader import File, is_container

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fmcompress.layer_plan import LayerPlan
    from fmcompress.words import WordFormat


@dataclass(frozen=True, slots=True)
class LayerWords:
    """One layer's words.

    Attributes
    ----------
    info : LayerInfo
        The layer's description, as it stands in a container.
    word_bits : int
        w.
    chunks : callable
        Returns an iterator over the words, an array of uint32 for each chunk, in order.
    """

    info: LayerInfo
    word_bits: int
    chunks: Callable[[], Iterator[NDArray[np.uint32]]]

    @property
    def difference(self) -> str:
        """How `compress` forms the layer's differences."""
        return str(self.info.codec["difference"])


@dataclass(slots=True)
class Words:
    """An open dump or container.

    Attributes
    ----------
    file : str
        Its name.
    left_out : dict
        Why picked layers have no words, by name.
    warnings, notes : list of str
        What a reader of numbers should know, and what was decided; complete behind the last layer.
    """

    file: str
    _layers: Callable[[Words], Iterator[LayerWords]]
    left_out: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def layers(self) -> Iterator[LayerWords]:
        """Yield the picked layers that have words, in file order; once."""
        return self._layers(self)


def check_difference(options: Options) -> None:
    """Refuse differences that the hardware's encoder does not form.

    Raises
    ------
    ParameterError
        If others than signed ones are asked for.
    """
    if options.difference not in (None, "signed"):
        raise ParameterError(
            f"difference is {options.difference!r}, but the hardware's encoder forms signed ones",
            hint="leave --difference out",
        )


def difference_note(difference: str, where: str) -> str:
    """Say where differences are not as `compress` forms them."""
    return f"differences are signed, as in the RTL, where compress forms {difference} ones: {where}"


@contextmanager
def open_words(
    source: Sources,
    layers: Sequence[str] | str | None,
    raw: Mapping[str, Any] | None,
    options: Options,
) -> Iterator[Words]:
    """Open a dump, or a container, for its words.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
    layers : glob or globs, optional
        Layers to pick.
    raw : mapping, optional
        As `compress`.
    options : Options
        How the words are made of a dump's elements; a container's are as they are, and its block
        size and burst length, too, are those of `options`.

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    with error_context(file=name_of(source)), source_paths(source) as paths:
        if len(paths) == 1 and is_container(paths[0]):
            with File(paths[0]) as file:
                picked = pick([info.name for info in file.contents.layers], layers)
                words = Words(name_of(source), lambda words: _of_container(file, picked, words))
                words.warnings += options.idle(raw, counting=("block_size", "max_burst"))
                yield words
        else:
            with open_sources(paths, raw) as dump:
                plan = Plan(dump, layers, options)
                words = Words(name_of(source), lambda words: _of_dump(plan, words))
                words.warnings, words.notes = plan.warnings, plan.notes
                yield words


def _of_dump(plan: Plan, words: Words) -> Iterator[LayerWords]:
    for tensor, picked in zip(plan.dump.tensors, plan.picked, strict=True):
        with error_context(layer=tensor.name):
            if tensor.name in plan.layers:
                layer, format_, info, blocks = plan.prepare(tensor.name)
                yield LayerWords(
                    info,
                    format_.bits,
                    partial(_of_blocks, layer, format_, info, blocks),
                )
            elif picked:
                words.left_out[tensor.name] = tensor.carried
    plan.say_orders()


def _of_blocks(
    layer: LayerPlan,
    format_: WordFormat,
    info: LayerInfo,
    blocks: Callable[[], Iterator[NDArray[Any]]],
) -> Iterator[NDArray[np.uint32]]:
    with error_context(layer=info.name):
        yield from layer.words(blocks(), format_, info)


def _of_container(file: File, picked: Sequence[bool], words: Words) -> Iterator[LayerWords]:
    for number, (info, pick_) in enumerate(zip(file.contents.layers, picked, strict=True)):
        if not pick_:
            continue
        if info.carried:
            words.left_out[info.name] = info.carried["reason"]
            continue
        decoder = LayerDecoder(info)
        yield LayerWords(
            info,
            decoder.words.bits,
            partial(_decoded, file, number, decoder),
        )


def _decoded(file: File, layer: int, decoder: LayerDecoder) -> Iterator[NDArray[np.uint32]]:
    for number in range(len(file.contents.chunks[layer])):
        yield file.read_words(layer, number, decoder)
