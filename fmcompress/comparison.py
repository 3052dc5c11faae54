"""All codecs side by side on the words of a dump or a container: `compare`.

Every chunk is measured by every codec, without streams being made; sizes are those of the streams
that `compress` would write with that codec, to the byte (tests hold them together).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from fmcompress.advice import Advisor
from fmcompress.apack import MOST_WORD_BITS, apack_size
from fmcompress.batches import chunks_in_batch
from fmcompress.bounds import Bounds
from fmcompress.coding import Coding, Options
from fmcompress.compared import Comparison, LayerComparison, MethodSizes, Sums
from fmcompress.files import Sources
from fmcompress.in_order import Workers
from fmcompress.layer_words import RECODING, LayerWords, open_words
from fmcompress.methods import APACK, Methods
from fmcompress.progress import Progress, silent
from fmcompress.surveying import LayerSurvey, nothing_left, survey

if TYPE_CHECKING:
    from numpy.typing import NDArray


def compare(
    source: Sources,
    *,
    codecs: Sequence[str] | str | None = None,
    layers: Sequence[str] | str | None = None,
    raw: Mapping[str, Any] | None = None,
    never_store: bool = False,
    threads: int = 1,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> Comparison:
    """Measure the words of a dump's or a container's layers with many codecs.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
        A dump, several, or a container, whose words are taken as they are.
    codecs : str or sequence of str, optional
        Codecs, as `compress` takes them; by default all, general compressors that are installed,
        and the size model of APack.
    layers, raw, threads, progress
        As of `compress`.
    never_store : bool
        Count every chunk as its codec codes it, even where that is larger than the words, as
        hardware without an escape does.
    **coding
        How the words are made, and parameters of those codecs that have them.

    Returns
    -------
    Comparison

    Raises
    ------
    ParameterError, DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    options = Options(**coding)
    methods = Methods(codecs, dict(coding))
    counting = {*RECODING, "chunk_words"} - {"codec"}
    with (
        Workers(threads) as workers,
        open_words(source, layers, raw, coding, counting=counting) as words,
    ):
        found = Comparison(
            words.file,
            methods.listed,
            options.chunk_words,
            never_store,
            left_out=words.left_out,
            warnings=words.warnings,
            notes=words.notes,
        )
        found.notes += methods.notes
        words.advice = found.advice
        advisor = Advisor(methods.listed, has_options=not words.is_container)
        begin = partial(
            _Layer, methods=methods, chunk_words=found.chunk_words, never_store=never_store
        )
        for layer in survey(words, begin, workers, progress):
            result = layer.result()
            found.layers.append(result)
            advisor.look_at(result, layer.layer.format, layer.bounds.times)
    if not found.layers:
        raise nothing_left("compared", found.left_out, found.file)
    found.advice += advisor.advice()
    return found


class _Batch(NamedTuple):
    """Some chunks of a layer, measured."""

    words: NDArray[Any]
    zero_words: int
    chunks: int
    methods: dict[str, MethodSizes]


class _Layer(LayerSurvey[_Batch]):
    """A layer, by all methods."""

    def __init__(
        self, layer: LayerWords, methods: Methods, chunk_words: int, never_store: bool
    ) -> None:
        super().__init__(layer, chunks_in_batch(chunk_words, layer.word_bits) * chunk_words)
        self._codecs = methods.codecs(self.words, layer.word_bits, layer.difference)
        self._methods, self._chunk_words, self._never_store = methods, chunk_words, never_store
        self.bounds = Bounds(layer.word_bits)
        self._words = self._zero_words = self._chunks = 0
        self._sizes: dict[str, MethodSizes] = {}

    def measure(self, words: NDArray[Any]) -> _Batch:
        """Measure some chunks."""
        bits, chunk_words = self.layer.word_bits, self._chunk_words
        return _Batch(
            words,
            words.size - int(np.count_nonzero(words)),
            -(-words.size // chunk_words),
            self._methods.measure(words, bits, self._codecs, chunk_words, self._never_store),
        )

    def add(self, measured: _Batch) -> None:
        """Add the chunks that come next."""
        self._words += measured.words.size
        self._zero_words += measured.zero_words
        self._chunks += measured.chunks
        self.bounds.add(measured.words)
        for name, sizes in measured.methods.items():
            self._sizes[name] = self._sizes.get(name, MethodSizes()) + sizes

    def result(self) -> LayerComparison:
        """Return the layer's sizes, with tables and models."""
        info, bits = self.layer.info, self.layer.word_bits
        sizes: dict[str, MethodSizes | None] = dict(self._sizes)
        for name, table_bits in self._methods.tables(self._codecs).items():
            sizes[name] = self._sizes[name] + MethodSizes(table_bits, table_bits)
        if APACK in self._methods.listed:
            sizes[APACK.name] = None
            if bits <= MOST_WORD_BITS and self.bounds.times is not None:
                model_bits = apack_size(self.bounds.times, bits).bits
                sizes[APACK.name] = MethodSizes(model_bits, model_bits)
        sums = Sums(
            words=self._words,
            zero_words=self._zero_words,
            chunks=self._chunks,
            word_bits=self._words * bits,
            methods=sizes,
            entropy_bits=self.bounds.order0_bits,
            conditional_entropy_bits=self.bounds.given_left_bits,
        )
        words = self.layer.format.describe()
        return LayerComparison(info.name, info.shape, info.dtype, words, info.quantized, sums)
