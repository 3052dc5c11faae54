"""The dumps in a folder and their tensors: opened when needed, never many at a time."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from fmcompress.dumps.base import Dump, Tensor
from fmcompress.dumps.file_list import Entry
from fmcompress.dumps.uncoded import UncodedTensor
from fmcompress.errors import DamagedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many dumps are open at a time.
_MOST_OPEN = 16


class Members:
    """The dumps of a folder, opened when they are needed, and closed when others are.

    Parameters
    ----------
    opening : callable
        Opens the dump of an index.
    context : callable
        Gives a context that names the file of an index in errors.
    """

    def __init__(
        self,
        opening: Callable[[int], Dump],
        context: Callable[[int], contextlib.AbstractContextManager[None]],
    ) -> None:
        self._opening = opening
        self._context = context
        self._open: OrderedDict[int, Dump] = OrderedDict()
        self._uses: dict[int, int] = {}

    @contextlib.contextmanager
    def use(self, index: int) -> Iterator[Dump]:
        """Give the dump of an index, which stays open meanwhile."""
        with self._context(index):
            if index not in self._open:
                self._open[index] = self._opening(index)
            self._open.move_to_end(index)
            self._uses[index] = self._uses.get(index, 0) + 1
            try:
                self._close_unused()
                yield self._open[index]
            finally:
                self._uses[index] -= 1

    def _close_unused(self) -> None:
        for index in list(self._open):
            if len(self._open) <= _MOST_OPEN:
                return
            if not self._uses[index]:
                self._open.pop(index).close()

    def close(self) -> None:
        """Close all."""
        while self._open:
            self._open.popitem()[1].close()


class MemberTensor(Tensor):
    """A tensor of one of the dumps, which is opened when something is asked that is not known."""

    def __init__(self, members: Members, index: int, path: str, number: int, own: Tensor) -> None:
        for key in Tensor.__annotations__:
            setattr(self, key, getattr(own, key))
        self._own_name = own.name
        self._own_nbytes = own.nbytes
        self._members = members
        self._index = index
        self._number = number
        self._start = 0
        self.name = f"{path}/{own.name}"
        self.place = {**own.place, "file": index}

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return self._own_nbytes

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the tensor, read on access."""
        return _MemberAttributes(self)

    @contextlib.contextmanager
    def own(self) -> Iterator[Tensor]:
        """Give the tensor of the dump itself."""
        with self._members.use(self._index) as dump:
            tensors = dump.tensors
            if len(tensors) <= self._number or tensors[self._number].name != self._own_name:
                raise DamagedError("the file was changed while it was read")
            yield tensors[self._number]

    def starts_at(self, start: int) -> None:
        """Say where the file's bytes begin among those of the folder."""
        self._start = start

    def check(self) -> None:
        """Do as the dump's own tensor does."""
        with self.own() as tensor:
            tensor.check()
            self.carried = self.carried or tensor.carried
            self.place = {**tensor.place, "file": self._index}

    def holes(self) -> list[tuple[int, int]]:
        """Return the dump's own, shifted to where the file begins."""
        with self.own() as tensor:
            return [(self._start + offset, size) for offset, size in tensor.holes()]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield its elements in the file's order."""
        with self.own() as tensor:
            yield from tensor.blocks()

    def read(self) -> Any:
        """Return the whole tensor."""
        with self.own() as tensor:
            return tensor.read()


class _MemberAttributes(Mapping[str, Any]):
    """Attributes of a tensor in a dump that may be closed meanwhile."""

    def __init__(self, tensor: MemberTensor) -> None:
        self._tensor = tensor

    def __getitem__(self, name: str) -> Any:
        with self._tensor.own() as tensor:
            return tensor.attributes[name]

    def __iter__(self) -> Iterator[str]:
        with self._tensor.own() as tensor:
            names = [*tensor.attributes]
        return iter(names)

    def __len__(self) -> int:
        with self._tensor.own() as tensor:
            return len(tensor.attributes)


class CarriedFile(UncodedTensor):
    """A file that is carried whole."""

    def __init__(self, entry: Entry, reason: str, opening: Callable[[], BinaryIO]) -> None:
        super().__init__(entry.path, "file", (entry.nbytes,), entry.nbytes, reason)
        self._opening = opening

    def read(self) -> NDArray[Any]:
        """Return the file's bytes."""
        import numpy as np

        with self._opening() as file:
            return np.frombuffer(bytearray(file.read(self.stored_bytes)), np.uint8)


class Groups(Mapping[str, Mapping[str, Any]]):
    """Attributes of groups: those of all dumps, read when somebody asks."""

    def __init__(self, members: Members, entries: Sequence[Entry]) -> None:
        self._members = members
        self._entries = entries
        self._found: dict[str, Mapping[str, Any]] | None = None

    def _groups(self) -> dict[str, Mapping[str, Any]]:
        if self._found is None:
            self._found = {}
            for index, entry in enumerate(self._entries):
                if entry.format:
                    with self._members.use(index) as dump:
                        for path, attributes in dump.groups.items():
                            name = f"{entry.path}/{path}" if path else entry.path
                            self._found[name] = dict(attributes)
        return self._found

    def __getitem__(self, path: str) -> Mapping[str, Any]:
        return self._groups()[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups())

    def __len__(self) -> int:
        return len(self._groups())
