"""What is measured of every codec: how it cuts its input, compresses a piece and gives it back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from inputs import Input

# A thread pool gives it pieces, for it releases the GIL; or it has threads of its own, and holds it.
POOL, OWN_THREADS = "pool", "own"


class Codec(ABC):
    """A codec with its settings.

    Attributes
    ----------
    name : str
        As it stands in tables.
    threading : str
        How it uses several cores: `POOL` or `OWN_THREADS`.
    """

    name: str
    threading: ClassVar[str] = POOL

    def prepare(self, threads: int) -> None:
        """Get ready for a run with so many threads; not part of what is timed."""
        return

    @abstractmethod
    def cut(self, given: Input) -> Sequence[Any]:
        """Return the input as pieces that are compressed on their own."""

    @abstractmethod
    def compress(self, piece: Any) -> Any:
        """Compress a piece."""

    @abstractmethod
    def decompress(self, packed: Any) -> Any:
        """Give a piece back."""

    @abstractmethod
    def packed_bytes(self, packed: Any) -> int:
        """Return the size of a compressed piece."""

    @abstractmethod
    def is_same(self, piece: Any, back: Any) -> bool:
        """Tell whether what came back is what was compressed."""
