"""Parameters of the hardware, and what it cannot have."""

from __future__ import annotations

from dataclasses import dataclass

from fmcompress.errors import ParameterError
from fmcompress.numbers import whole

WORD_BITS = BLOCK_SIZES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters of encoder and decoder.

    Parameters
    ----------
    word_bits : {8, 16, 32}
        w (RTL: DATA_W).
    block_size : {8, 16, 32}
        n (RTL: BLOCK_SIZE); at most `word_bits`.
    burst_bits : int
        z, width of the field of a run of zeros (RTL: LOG_MAX_ZRLE_LEN); z + 2 is at most
        `word_bits`.

    Raises
    ------
    ParameterError
        If the hardware cannot have these.
    """

    word_bits: int = 8
    block_size: int = 8
    burst_bits: int = 4

    def __post_init__(self) -> None:
        for name in ("word_bits", "block_size", "burst_bits"):
            object.__setattr__(self, name, whole(name, getattr(self, name)))
        if self.word_bits not in WORD_BITS:
            raise ParameterError(
                f"the hardware has no words of {self.word_bits} bits",
                hint="its words have 8, 16 or 32",
            )
        if self.block_size not in BLOCK_SIZES:
            raise ParameterError(
                f"the hardware has no blocks of {self.block_size} words",
                hint="its blocks have 8, 16 or 32",
            )
        if self.block_size > self.word_bits:
            raise ParameterError(
                f"the hardware has no blocks of {self.block_size} words of {self.word_bits} bits",
                hint="a block has at most as many words as a word has bits",
            )
        if self.burst_bits < 1 or self.burst_bits + 2 > self.word_bits:
            z = self.burst_bits
            runs = f"runs of up to {2**z} zeros" if 0 <= z <= 64 else f"a field of {z} bits"
            raise ParameterError(
                f"the hardware has no {runs} with words of {self.word_bits} bits",
                hint="the field of a run and two bits more fit into a word",
            )

    @classmethod
    def of(cls, word_bits: int, block_size: int, max_burst: int) -> Parameters:
        """Return those of a codec, whose longest run of zeros is a power of two."""
        return cls(word_bits, block_size, max_burst.bit_length() - 1)

    @property
    def max_burst(self) -> int:
        """R, the longest run of zeros in one ZNZ symbol."""
        return int(2**self.burst_bits)
