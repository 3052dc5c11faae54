"""What can go wrong, as types: each error names its place, its cause and a remedy.

The command-line exit code belongs to the error, so that it is decided once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class FmcError(Exception):
    """Base of every error that this package raises on purpose.

    Parameters
    ----------
    cause : str
        What is wrong, in one clause.
    file : str, optional
        The file concerned.
    layer : str, optional
        The layer (dataset, array) concerned.
    hint : str, optional
        What the user can do about it.
    """

    exit_code = 1

    def __init__(
        self,
        cause: str,
        *,
        file: str | None = None,
        layer: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.file = file
        self.layer = layer
        self.hint = hint

    def __str__(self) -> str:
        places = [self.file, f"layer {self.layer!r}" if self.layer is not None else None]
        text = ": ".join([place for place in places if place] + [self.cause])
        return f"{text}; {self.hint}" if self.hint else text


class ParameterError(FmcError, ValueError):
    """A parameter is outside its range, or does not fit the data."""

    exit_code = 2


class DamagedError(FmcError, ValueError):
    """The data contradicts itself, its checksum or its format: it is damaged or cut."""

    exit_code = 3


class UnsupportedError(FmcError):
    """The data may be fine, but this version cannot handle it."""

    exit_code = 4


class StreamFault(IntEnum):
    """Why an EBPC stream is invalid (docs/EBPC.md, "A strict decoder")."""

    ZNZ_TRUNCATED = 1
    ZNZ_LEFT_OVER = 2
    ZNZ_PADDING = 3
    ZNZ_RUN_TOO_LONG = 4
    BPC_TRUNCATED = 5
    BPC_LEFT_OVER = 6
    BPC_PADDING = 7
    BPC_RUN_TOO_LONG = 8
    BPC_POSITION = 9

    @property
    def stream(self) -> str:
        """Name of the stream at fault, ``"ZNZ"`` or ``"BPC"``."""
        return self.name[:3]

    @property
    def reason(self) -> str:
        """The fault in words."""
        return _REASONS[self]


_REASONS = {
    StreamFault.ZNZ_TRUNCATED: "the stream ends too early",
    StreamFault.ZNZ_RUN_TOO_LONG: "a zero run is longer than the words that are left",
    StreamFault.ZNZ_LEFT_OVER: "stream words are left over",
    StreamFault.ZNZ_PADDING: "a padding bit is not 0",
    StreamFault.BPC_TRUNCATED: "the stream ends too early",
    StreamFault.BPC_RUN_TOO_LONG: "a run of zero planes crosses the last plane of its block",
    StreamFault.BPC_POSITION: "a position field points past the plane",
    StreamFault.BPC_LEFT_OVER: "stream words are left over",
    StreamFault.BPC_PADDING: "a padding bit is not 0",
}


class CodeFault(IntEnum):
    """Why a stream of another codec is invalid (docs/CODECS.md)."""

    TRUNCATED = 1
    LEFT_OVER = 2
    PADDING = 3
    RUN_TOO_LONG = 4
    SYMBOL = 5

    @property
    def stream(self) -> str:
        """Nothing: which stream is at fault, `StreamError` is told."""
        return ""

    @property
    def reason(self) -> str:
        """The fault in words."""
        return _CODE_REASONS[self]


_CODE_REASONS = {
    CodeFault.TRUNCATED: "the stream ends too early",
    CodeFault.LEFT_OVER: "bytes are left over",
    CodeFault.PADDING: "a padding bit is not 0",
    CodeFault.RUN_TOO_LONG: "a zero run is longer than the words that are left",
    CodeFault.SYMBOL: "these bits stand for nothing that an encoder writes",
}


class StreamError(DamagedError):
    """A stream does not hold exactly the symbols that its words need.

    Parameters
    ----------
    fault : StreamFault or CodeFault
        What is wrong.
    word : int
        Index of the word that was being decoded; the number of words if the fault
        was found behind the last one.
    bit : int
        Position in the stream, in bits: the first bit of the symbol at fault, of the
        left-over stream word, or the padding bit that is not 0.
    stream : str
        Name of the stream, where the fault does not tell.
    """

    def __init__(
        self, fault: StreamFault | CodeFault, word: int, bit: int, stream: str = ""
    ) -> None:
        self.stream = stream or fault.stream
        super().__init__(f"{self.stream} stream, word {word}, bit {bit}: {fault.reason}")
        self.fault = fault
        self.word = word
        self.bit = bit

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.fault, self.word, self.bit, self.stream), self.__dict__


@contextmanager
def error_context(*, file: str | None = None, layer: str | None = None) -> Iterator[None]:
    """Name the file and the layer in any `FmcError` that passes, where it names none yet."""
    try:
        yield
    except FmcError as error:
        error.file = error.file if error.file is not None else file
        error.layer = error.layer if error.layer is not None else layer
        raise
