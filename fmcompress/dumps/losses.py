"""What a new dump's format cannot hold, told in few clauses however many tensors there are."""

from __future__ import annotations

from collections.abc import Iterable


class Losses:
    """Collect what is lost, and of which tensors and groups; `clauses` tells it."""

    def __init__(self) -> None:
        self._owners: dict[str, list[str]] = {}

    def attribute(self, key: str, owner: str) -> None:
        """Note an attribute of a tensor or group that is not in the new dump."""
        self.note(f"attribute {key!r}", owner)

    def attributes(self, keys: Iterable[str], owner: str) -> None:
        """Note several."""
        for key in keys:
            self.attribute(key, owner)

    def note(self, what: str, owner: str) -> None:
        """Note anything else."""
        owners = self._owners.setdefault(what, [])
        owners.append(owner)

    def clauses(self) -> list[str]:
        """Say what is lost, as ``attribute 'unit' of 12 tensors and groups``."""
        found = []
        for what, owners in self._owners.items():
            one = repr(owners[0]) if owners[0] else "the file"
            many = f"{len(owners)} tensors and groups"
            found.append(f"{what} of {one if len(owners) == 1 else many}")
        return found
