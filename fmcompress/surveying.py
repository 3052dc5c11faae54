"""The words of layers, batch by batch in any thread, measured by whatever wants to know of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fmcompress.errors import ParameterError, error_context
from fmcompress.in_order import Task, Workers
from fmcompress.layer_words import LayerWords, Words
from fmcompress.progress import Progress, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
NO_WORDS = "has no words"
_SHOWN_NAMES = 3


class LayerSurvey(ABC, Generic[T]):
    """What is to be known of one layer.

    Attributes
    ----------
    layer : LayerWords
    batch_words : int
        Words that are measured together: always so many, but for the last ones.
    """

    def __init__(self, layer: LayerWords, batch_words: int) -> None:
        self.layer = layer
        self.batch_words = batch_words

    def words(self) -> Iterator[NDArray[Any]]:
        """Yield all words of the layer, as `Codec.fitted` wants them."""
        return (piece() for piece in self.layer.pieces(self.batch_words))

    @abstractmethod
    def measure(self, words: NDArray[Any]) -> T:
        """Measure a batch of words; called in any thread, and touches nothing that is shared."""

    @abstractmethod
    def add(self, measured: T) -> None:
        """Add what `measure` returned; called in the order of the words, in one thread."""


def nothing_left(
    done: str, left_out: Mapping[str, str], file: str, hint: str | None = "pick layers of numbers"
) -> ParameterError:
    """Return what is wrong where no layer has words: that nothing can be `done`, and why."""
    why = "; ".join(sorted(set(left_out.values()))) or "no layer"
    return ParameterError(f"nothing can be {done}: {why}", file=file, hint=hint)


def left_out_texts(left_out: Mapping[str, str]) -> list[str]:
    """Say which layers have no words, those of one reason together."""
    return [
        f"left out: {listed([name for name, its in left_out.items() if its == reason])}: {reason}"
        for reason in dict.fromkeys(left_out.values())
    ]


def listed(names: Sequence[str], most: int = _SHOWN_NAMES) -> str:
    """List names, of many the first `most`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


S = TypeVar("S", bound=LayerSurvey[Any])


def survey(
    words: Words, begin: Callable[[LayerWords], S | None], workers: Workers, progress: Progress
) -> Iterator[S]:
    """Measure layer by layer, in file order; yield each layer's survey when it is complete.

    Parameters
    ----------
    words : Words
        An open dump or container. Layers without words are added to what it left out.
    begin : callable
        Called with every layer; returns its survey, empty, or None to pass it over.
    workers : Workers
        Who measure; layers that are small are measured side by side.
    progress : callable
        Called with a `Step` now and then, in words.
    """
    current: Any = None  # an S
    before = done = 0
    for part in workers.results(_parts(words, begin)):
        if isinstance(part, LayerSurvey):
            before, current, done = before + done, part, 0
            continue
        count, measured = part
        with error_context(layer=current.layer.info.name):
            current.add(measured)
        done += count
        info = current.layer.info
        progress(Step(info.name, before + done, max(words.total_words, before + done)))
        if done == info.word_count:
            yield current


def _parts(words: Words, begin: Callable[[LayerWords], S | None]) -> Iterator[Any]:
    for layer in words.layers():
        info = layer.info
        if not info.word_count:
            words.left_out[info.name] = NO_WORDS
            continue
        with error_context(layer=info.name):
            found = begin(layer)
        if found is None:
            continue
        yield found
        for piece in layer.pieces(found.batch_words):
            yield Task(partial(_measured, found, piece))


def _measured(found: LayerSurvey[Any], piece: Callable[[], NDArray[Any]]) -> tuple[int, Any]:
    words = piece()
    with error_context(layer=found.layer.info.name):
        return words.size, found.measure(words)
