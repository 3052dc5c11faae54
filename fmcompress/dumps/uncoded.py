"""Tensors of which nothing is coded: what is no array, and what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fmcompress.dumps.base import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


class UncodedTensor(Tensor):
    """Something that stays in the template, whole."""

    order = "C"
    dtype = None

    def __init__(
        self, name: str, label: str, shape: tuple[int, ...], stored_bytes: int, reason: str
    ) -> None:
        self.name = name
        self.label = label
        self.shape = shape
        self.stored_bytes = stored_bytes
        self.carried = reason
        self.place = {}

    def holes(self) -> list[tuple[int, int]]:
        """Nothing is coded."""
        return []

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Nothing is coded."""
        return iter(())


class AbsentTensor(UncodedTensor):
    """A tensor whose data was taken out of the file."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "", (), 0, "not here")

    def read(self) -> None:
        """Return nothing: there is nothing."""
