"""Where no port ever stalls, blocks are timed instead of cycles stepped: the same numbers, faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fmcompress.kernel_loading import kernel, kernel_words, kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmcompress.hardware.parameters import Parameters

_module = kernels("hardware_timing")
_ROW = len(_module.Row._fields)


class Measured(NamedTuple):
    """What the time of transmissions depends on, as kernels/hardware_blocks.py measures it."""

    rows: NDArray[np.int64]
    firsts: NDArray[np.int32]
    lasts: NDArray[np.int32]
    extra: NDArray[np.int32]


def measure(words: NDArray[np.uint32], ends: NDArray[np.int64], parameters: Parameters) -> Measured:
    """Measure transmissions, none of them empty.

    Parameters
    ----------
    words : ndarray of uint32, shape (count,)
    ends : ndarray of int64, shape (transmissions,)
        Where each ends.
    parameters : Parameters
    """
    p = parameters
    room = words.size // p.block_size + ends.size
    firsts, lasts, extra = (np.empty(room, np.int32) for _ in range(3))
    rows = np.zeros((ends.size, _ROW), np.int64)
    w, n, z = map(np.int64, (p.word_bits, p.block_size, p.burst_bits))
    words = kernel_words(words)
    kernel("hardware_blocks", "measure")(words, ends, w, n, z, rows, firsts, lasts, extra)
    return Measured(rows, firsts, lasts, extra)


class _Timing:
    """Cycles of transmissions one after another."""

    def __init__(self, setup: Any, state: Any, side: str) -> None:
        module = kernels(f"hardware_{side}")
        self._names: tuple[str, ...] = module.PROFILE
        self._setup = setup
        self._kind = state
        self._registers = np.zeros(len(state._fields), np.int64)
        self.profile = np.zeros(len(module.PROFILE), np.int64)
        self.counts = np.zeros(module.COUNTS, np.int64)

    @property
    def cycles_of(self) -> dict[str, int]:
        """Cycles in which each of what the kernel tells apart held."""
        return dict(zip(self._names, self.profile.tolist(), strict=True))

    @property
    def state(self) -> Any:
        """What the kernel carries from transmission to transmission."""
        return self._kind._make(self._registers)


class EncoderTiming(_Timing):
    """Of the encoder, with a producer that always offers and consumers that are always ready."""

    def __init__(self, setup: Any) -> None:
        super().__init__(setup, _module.Encoder, "encoder")

    def feed(self, measured: Measured) -> None:
        """Add transmissions."""
        kernel("hardware_timing", "time_encoder")(
            *measured, self._setup, self._registers, self.profile, self.counts
        )


class DecoderTiming(_Timing):
    """Of the decoder, whose words are offered behind their transmission's number of words."""

    def __init__(self, setup: Any) -> None:
        super().__init__(setup, _module.Decoder, "decoder")

    def feed(self, measured: Measured) -> None:
        """Add transmissions."""
        rows, firsts, lasts, _ = measured
        kernel("hardware_timing", "time_decoder")(
            rows, firsts, lasts, self._setup, self._registers, self.profile, self.counts
        )
