"""What formats have in common whose files hold one tensor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fmcompress.dumps.base import TensorSpec, Writer
from fmcompress.errors import UnsupportedError


class SingleWriter(Writer):
    """Write a file of one tensor; what it keeps of the tensor is for each format to say.

    Raises
    ------
    UnsupportedError
        If there is not exactly one tensor.
    """

    # For messages; and what of a tensor stands in such a file.
    title = ""
    keeps: Iterable[str] = ()

    def __init__(
        self,
        path: Path,
        tensors: Sequence[TensorSpec],
        groups: Mapping[str, Mapping[str, Any]],
    ) -> None:
        super().__init__(path, tensors, groups)
        if len(tensors) != 1:
            raise UnsupportedError(
                f"{self.title} holds one tensor, not {len(tensors)}",
                hint="pick one with --layers",
            )
        self._file = path.open("wb")

    def finish(self) -> None:
        """Complete the file, close it, and say what it does not hold."""
        self.close()
        (tensor,) = self.tensors
        if "name" not in self.keeps:
            self.lost.append(f"the name {tensor.name!r}")
        if "dtype" not in self.keeps:
            self.lost.append(f"the dtype {tensor.element_type}")
        if "shape" not in self.keeps and len(tensor.shape) != 1:
            self.lost.append(f"the shape {list(tensor.shape)}")
        if names := sorted(set(tensor.attributes).difference(self.keeps)):
            self.lost.append(f"the attributes {', '.join(names)}")
        if any(self.groups.values()):
            self.lost.append("the attributes of groups")

    def close(self) -> None:
        """Close the file, complete or not."""
        self._file.close()
