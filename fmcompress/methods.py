"""With what the words of layers are measured: codecs, a size model, general compressors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.codecs import CODECS, Codec, codec_named, free_parameters
from fmcompress.codecs.signed_words import all_fitted
from fmcompress.codecs.stored import Stored
from fmcompress.compared import CODEC, COMPRESSOR, MODEL, Method, MethodSizes
from fmcompress.errors import ParameterError
from fmcompress.general_compressors import HOW_TO_GET, GeneralCompressor, general_compressors

if TYPE_CHECKING:
    from numpy.typing import NDArray

APACK = Method("apack", MODEL, "APack (Lascorz et al., 2022): sizes alone, as it is patented")
# Parameters of codecs that are options, too.
_OPTIONS = ("block_size", "max_burst", "difference")


class Methods:
    """The methods of a comparison.

    Parameters
    ----------
    names : str or sequence of str, optional
        Codecs as users name them; by default all there are, with all else.
    options : mapping
        Values of `block_size`, `max_burst` and `difference`, for the codecs that have them.

    Attributes
    ----------
    listed : list of Method
    notes : list of str
        What is not there.

    Raises
    ------
    ParameterError
        If there is no such codec, or an option is a parameter of none of them.
    """

    def __init__(self, names: Sequence[str] | str | None, options: dict[str, Any]) -> None:
        chosen = [names] if isinstance(names, str) else list(names or [])
        self._codecs = list(dict.fromkeys(chosen)) or list(CODECS)
        given = {name: options[name] for name in _OPTIONS if options.get(name) is not None}
        self._options = {name: self._fitting(name, given) for name in self._codecs}
        for option in given:
            if not any(option in fitting for fitting in self._options.values()):
                raise ParameterError(f"{option} is a parameter of none of these codecs")
        self.listed = [Method(name, CODEC, type(self._codec(name)).title) for name in self._codecs]
        self.notes: list[str] = []
        self._compressors: list[GeneralCompressor] = []
        if not chosen:
            self.listed.append(APACK)
            self._compressors, missing = general_compressors()
            self.listed += [Method(c.name, COMPRESSOR, c.title) for c in self._compressors]
            if missing:
                self.notes.append(f"not installed: {', '.join(missing)}; {HOW_TO_GET}")

    def _fitting(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        return {key: given[key] for key in given if key in free_parameters(name)}

    def _codec(self, name: str, difference: str = "signed") -> Codec:
        return codec_named(name, self._options[name], difference)

    def codecs(
        self, words: Callable[[], Iterable[NDArray[Any]]], word_bits: int, difference: str
    ) -> list[Codec]:
        """Return the codecs, as they suit a layer.

        Parameters
        ----------
        words : callable
            Returns an iterator over its words.
        word_bits : int
        difference : str
            That which suits its words.
        """
        codecs = [self._codec(name, difference) for name in self._codecs]
        return all_fitted(codecs, words, word_bits)

    def tables(self, codecs: Sequence[Codec]) -> dict[str, int]:
        """Return the bits of what codecs know of a whole layer, where there are any."""
        pairs = zip(self._codecs, codecs, strict=True)
        return {name: codec.table_bits for name, codec in pairs if codec.table_bits}

    def measure(
        self,
        words: NDArray[Any],
        word_bits: int,
        codecs: Sequence[Codec],
        chunk_words: int,
        never_store: bool,
    ) -> dict[str, MethodSizes]:
        """Return the sizes that each codec and each general compressor makes of some chunks."""
        raw = Stored().chunk_bytes(words, word_bits, chunk_words)
        sizes = {
            name: codec.chunk_bytes(words, word_bits, chunk_words)
            for name, codec in zip(self._codecs, codecs, strict=True)
        }
        plain = np.ascontiguousarray(words)
        chunks = [plain[at : at + chunk_words] for at in range(0, words.size, chunk_words)]
        # Words that are no whole bytes are given as they lie in memory, and without gaps.
        packed = []
        if word_bits % 8 and self._compressors:
            packed = [_packed(chunk, word_bits) for chunk in chunks]
        for compressor in self._compressors:
            own = [compressor.size(chunk) for chunk in chunks]
            if packed:
                own = [min(pair) for pair in zip(own, map(compressor.size, packed), strict=True)]
            sizes[compressor.name] = np.array(own)
        return {
            name: MethodSizes(
                8 * int((own if never_store else np.minimum(own, raw)).sum()),
                8 * int(own.sum()),
                int((own > raw).sum()),
            )
            for name, own in sizes.items()
        }


def _packed(words: NDArray[Any], word_bits: int) -> NDArray[np.uint8]:
    _, octets = Stored().encode(words, word_bits)
    return np.frombuffer(octets, np.uint8)
