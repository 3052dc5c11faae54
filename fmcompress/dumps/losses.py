"""What a new dump's format cannot hold, told in few clauses however many tensors there are."""

from __future__ import annotations

from collections.abc import Iterable


class Losses:
    """Collect what is lost, and of which tensors and groups; `clauses` tells it."""

    def __init__(self) -> None:
        self._owners: dict[str, list[str]] = {}

    def attributes(self, keys: Iterable[str], owner: str) -> None:
        """Note attributes of a tensor or group that are not in the new dump."""
        for key in keys:
            self.note(f"attribute {key!r}", owner)

    def note(self, what: str, owner: str | None = None) -> None:
        """Note anything else; without an owner, `what` is the whole clause."""
        owners = self._owners.setdefault(what, [])
        if owner is not None:
            owners.append(owner)

    def clauses(self) -> list[str]:
        """Say what is lost, as ``attribute 'unit' of 12 tensors and groups``."""
        found = []
        for what, owners in self._owners.items():
            if len(owners) > 1:
                found.append(f"{what} of {len(owners)} tensors and groups")
            elif owners:
                found.append(f"{what} of {repr(owners[0]) if owners[0] else 'the file'}")
            else:
                found.append(what)
        return found
