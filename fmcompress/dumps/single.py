"""What formats have in common whose files hold one tensor."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from fmcompress.dumps.base import UNNAMED, GroupAttributes, TensorSpec, Writer
from fmcompress.errors import UnsupportedError
from fmcompress.targets import open_target


class SingleWriter(Writer):
    """Write a file of one tensor; what it keeps of the tensor is for each format to say.

    Raises
    ------
    UnsupportedError
        If there is not exactly one tensor.
    """

    # For messages; what of a tensor stands in such a file; and which of its attributes.
    title = ""
    keeps: Collection[str] = ()
    keeps_attributes: Collection[str] = ()

    def __init__(self, path: Path, tensors: Sequence[TensorSpec], groups: GroupAttributes) -> None:
        super().__init__(path, tensors, groups)
        if len(tensors) != 1:
            raise UnsupportedError(
                f"{self.title} holds one tensor, not {len(tensors)}",
                hint="pick one with --layers, or another format",
            )
        (tensor,) = tensors
        if "name" not in self.keeps and tensor.name != UNNAMED:
            self.losses.note(f"the name {tensor.name!r}")
        if "dtype" not in self.keeps:
            self.losses.note(f"the dtype {tensor.element_type}", tensor.name)
        if "shape" not in self.keeps and len(tensor.shape) != 1:
            self.losses.note(f"the shape {list(tensor.shape)}", tensor.name)
        for name, attributes in groups.items():
            self.losses.attributes(attributes, name)
        lost = [key for key in tensor.attributes if key not in self.keeps_attributes]
        self.losses.attributes(lost, tensor.name)
        path.touch()
        self._file = open_target(path)

    def close(self) -> None:
        """Close the file, complete or not."""
        self._file.close()
