"""The codecs: from the words of one chunk to two streams and back.

To add one, write a module beside this one and name it in `CODECS`: CONTRIBUTING.md shows how.
Importing this package imports no kernel; a codec loads its own on first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from fmcompress.codecs.ebpc import Ebpc
from fmcompress.codecs.stored import Stored
from fmcompress.errors import DamagedError, ParameterError, UnsupportedError

__all__ = ["CODECS", "CODEC_NAMES", "Codec", "codec_from_description"]


class Codec(Protocol):
    """What every codec offers. Words are bit patterns, in arrays of `word_dtype`."""

    name: ClassVar[str]
    number: ClassVar[int]

    def describe(self) -> dict[str, Any]:
        """Return the parameters as they stand in the container, with ``name``."""
        ...

    def encode(self, words: Any, word_bits: int) -> tuple[bytes, bytes]:
        """Encode the words of one transmission to both streams."""
        ...

    def encode_chunks(
        self, words: Any, word_bits: int, chunk_words: int
    ) -> list[tuple[bytes, bytes]]:
        """Encode words as transmissions of `chunk_words` words each; the last may be shorter."""
        ...

    def decode(self, znz: bytes, bpc: bytes, count: int, word_bits: int) -> Any:
        """Decode `count` words, strictly; raise `StreamError` where the streams are invalid."""
        ...

    def decode_chunks(
        self, transmissions: Sequence[tuple[bytes, bytes, int]], word_bits: int
    ) -> list[Any]:
        """Decode several (znz, bpc, count): of each its words, or what `decode` would raise."""
        ...


# Name in the container's layer descriptions -> class. Numbers stand in chunk records.
CODECS: dict[str, type[Ebpc | Stored]] = {codec.name: codec for codec in (Stored, Ebpc)}
CODEC_NAMES: dict[int, str] = {codec.number: name for name, codec in CODECS.items()}


def codec_from_description(description: dict[str, Any]) -> Codec:
    """Build the codec that `Codec.describe` described.

    Raises
    ------
    UnsupportedError
        If the codec or one of its parameters is unknown to this version.
    DamagedError
        If a parameter is outside its range.
    """
    parameters = dict(description)
    name = parameters.pop("name", None)
    if not isinstance(name, str) or name not in CODECS:
        raise UnsupportedError(f"unknown codec {name!r}", hint="upgrade fmcompress")
    try:
        return CODECS[name](**parameters)
    except TypeError as error:
        raise UnsupportedError(
            f"unknown parameter of codec {name!r}: {sorted(parameters)}", hint="upgrade fmcompress"
        ) from error
    except ParameterError as error:
        raise DamagedError(f"the codec's description is not valid: {error.cause}") from error
