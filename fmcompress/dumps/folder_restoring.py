"""Put a folder of dumps back: the template of all files first, then each dump's own layers."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmcompress.contents import LayerInfo
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.dumps.file_list import Entry, FileList
from fmcompress.dumps.formats import Format, format_named
from fmcompress.dumps.layout import Layout as BaseLayout
from fmcompress.dumps.tree import TreeWriter, remove_empty_folders
from fmcompress.errors import DamagedError, FmcError
from fmcompress.records import Piece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _format(entry: Entry) -> Format:
    """Return the format of a file that is a dump.

    Raises
    ------
    DamagedError
        If its description does not fit it.
    UnsupportedError
        If this version does not know it.
    """
    format_ = format_named(entry.format)
    if format_.name == "folder" or format_.folder != ("files" in entry.description):
        raise DamagedError(f"the description of its file {entry.path[:80]!r} is not valid")
    return format_


def _of_member(files: FileList, layer: LayerInfo) -> tuple[int, LayerInfo]:
    """Return the index of the file that a layer lies in, and the layer as that file's own.

    Raises
    ------
    DamagedError
        If its place and its name do not fit each other, or the file is no dump.
    """
    index, owner = layer.place.get("file"), files.owner(layer.name)
    if (
        type(index) is not int
        or owner is None
        or owner[0] != index
        or not files.entries[index].format
    ):
        raise DamagedError("its place in the dump is not valid", layer=layer.name)
    place = {key: value for key, value in layer.place.items() if key != "file"}
    return index, replace(layer, name=owner[1], place=place)


@contextlib.contextmanager
def inside_file(entry: Entry) -> Iterator[None]:
    """Name layers by their whole names in errors, and the file where there is no layer."""
    try:
        yield
    except FmcError as error:
        error.layer = entry.path if error.layer is None else f"{entry.path}/{error.layer}"
        raise


class Layout(BaseLayout):
    """Where a folder's bytes come from: each dump by the rules of its format, others whole.

    Parameters
    ----------
    description : mapping
        Of the folder.
    places : sequence of set of str
        None: each file's are those of its own format.

    Raises
    ------
    DamagedError, UnsupportedError
        If its list of files is not valid.
    """

    def __init__(self, description: Mapping[str, Any], places: Sequence[frozenset[str]]) -> None:
        super().__init__(description, places)
        self._files = FileList(description)
        self._layouts: dict[int, BaseLayout] = {}
        self._other_bytes = 0  # of files that are no dump
        self._last = 0
        for entry in self._files.entries:
            if entry.format:
                _format(entry)
            else:
                self._other_bytes += entry.nbytes

    def template(self, piece: Piece) -> None:
        """Take notice of a piece of the template."""
        super().template(piece)
        for index, part in self._files.split_piece(piece):
            if self._files.entries[index].format:
                self._layout(index).template(part)
            else:
                self._other_bytes -= len(part.data)

    def layer(self, layer: LayerInfo, nbytes: int) -> None:
        """Take notice of a coded layer; layers come in the order of their files."""
        index, own = _of_member(self._files, layer)
        if index < self._last:
            raise DamagedError("layers do not stand in the order of their files", layer=layer.name)
        self._last = index
        with inside_file(self._files.entries[index]):
            self._layout(index).layer(own, nbytes)

    def check_whole(self) -> None:
        """Check every file."""
        if self._other_bytes:  # segments ascend and never overlap: what is missing is left over
            raise DamagedError("template and layers do not make up the whole dump")
        for index, entry in enumerate(self._files.entries):
            if entry.nbytes and entry.format:
                with inside_file(entry):
                    self._layout(index).check_whole()

    def _layout(self, index: int) -> BaseLayout:
        if index not in self._layouts:
            entry = self._files.entries[index]
            self._layouts[index] = _format(entry).layout(entry.description)
        return self._layouts[index]


class Restorer(BaseRestorer):
    """Put a folder of dumps back.

    Each dump has its own format's restorer, made when its first layer begins and closed when the
    stream has moved on to another file. It works on the file elsewhere, in a folder of its own:
    whatever it puts beside the file could have the name of another one.

    Parameters
    ----------
    path : Path
        An empty folder, to be filled.
    description : mapping
        Of the folder.
    """

    def __init__(self, path: Path, description: Mapping[str, Any]) -> None:
        self.path = path
        self.nbytes = description["bytes"]
        self._files = FileList(description)
        self._writer = TreeWriter(path, self._files.flat())
        sizes = [len(entry.description.get("files", "1")) for entry in self._files.entries]
        self._flat_index = [0, *itertools.accumulate(sizes)]  # of the first file of each entry
        self._announced: dict[int, list[tuple[LayerInfo, bool]]] = {}
        self._begun: set[int] = set()
        self._index = -1
        self._member: BaseRestorer | None = None
        # No file of the list has this name, which nobody can foresee.
        self._workshop = path / f".fmc-{secrets.token_hex(8)}"

    def template(self, piece: Piece) -> None:
        """Write a piece of the template."""
        self._writer.template(piece)

    def announce(self, layer: LayerInfo, wanted: bool) -> None:
        """Take notice of a coded layer."""
        index, own = _of_member(self._files, layer)
        if index == self._index and self._member is not None:
            self._member.announce(own, wanted)
        else:
            self._announced.setdefault(index, []).append((own, wanted))

    def begin(self, layer: LayerInfo, dtype: np.dtype[Any]) -> None:
        """Start with a coded layer, and with its file, if that is another one."""
        index, own = _of_member(self._files, layer)
        if index != self._index or self._member is None:
            self._writer.close()
            self._end_member()
            self._begin_member(index, self._files.entries[index].description)
        assert self._member is not None
        with inside_file(self._files.entries[index]):
            self._member.begin(own, dtype)

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next elements of the layer."""
        assert self._member is not None
        self._member.write(elements)

    def end(self) -> None:
        """End the layer."""
        assert self._member is not None
        self._member.end()

    def finish(self, picked: list[str] | None = None) -> None:
        """Complete all files; keep only what is picked, and the files that it lies in."""
        self._end_member()
        if picked is None:
            for index, entry in enumerate(self._files.entries):
                self._make(index)
                if "files" in entry.description and index not in self._begun:
                    self._begin_member(index, entry.description)
                    self._end_member()
        else:
            self._keep(picked)
        self.close()

    def close(self) -> None:
        """Close what is open."""
        self._writer.close()
        if self._member is not None:
            member, self._member = self._member, None
            member.close()
        shutil.rmtree(self._workshop, ignore_errors=True)

    def _begin_member(self, index: int, description: Mapping[str, Any]) -> None:
        """Move a file to the workshop, and prepare to restore it there."""
        path = self._make(index)
        format_ = _format(self._files.entries[index])
        self._begun.add(index)
        self._index = index
        self._workshop.mkdir(exist_ok=True)
        place = path.rename(self._workshop / f"{index}{format_.suffixes[0]}")
        self._member = format_.restorer(place, description)
        for layer, wanted in self._announced.pop(index, ()):
            self._member.announce(layer, wanted)

    def _end_member(self, picked: list[str] | None = None) -> None:
        """Complete the file in the workshop, if there is one, and move it back."""
        if self._member is None:
            return
        entry = self._files.entries[self._index]
        member, self._member = self._member, None
        try:
            with inside_file(entry):
                member.finish(picked)
        finally:
            member.close()
        member.path.rename(self.path / entry.path)

    def _make(self, index: int) -> Path:
        """Make a file where it was not made yet, and return its path."""
        entry = self._files.entries[index]
        path = self.path / entry.path
        if "files" in entry.description:
            path.mkdir(parents=True, exist_ok=True)
        elif index not in self._begun:
            self._writer.make(self._flat_index[index])
        return path

    def _keep(self, picked: list[str]) -> None:
        """Remove all but the files of the picked tensors, and from these all but the tensors."""
        kept: dict[int, list[str]] = {}
        for name in picked:
            owner = self._files.owner(name)
            if owner is None:
                raise DamagedError("the list of files has none for it", layer=name)
            kept.setdefault(owner[0], []).append(owner[1])
        for index, entry in enumerate(self._files.entries):
            path = self.path / entry.path
            if index not in kept and path.is_dir():
                shutil.rmtree(path)
            elif index not in kept:
                path.unlink(missing_ok=True)
            else:
                path = self._make(index)
                if entry.format:
                    nbytes = entry.nbytes if path.is_dir() else path.stat().st_size
                    self._begin_member(index, {**entry.description, "bytes": nbytes})
                    self._end_member(kept[index])
        remove_empty_folders(self.path)
