"""Put NPZ files back: in place where members are stored, else member by member."""

from __future__ import annotations

import base64
import contextlib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import LayerInfo
from fmcompress.dumps.base import Restorer as BaseRestorer
from fmcompress.dumps.zip_archives import open_archive, reading
from fmcompress.errors import DamagedError


class Restorer(BaseRestorer):
    """Put an NPZ back: in place where its members are stored, else member by member."""

    def __init__(self, path: Path, description: Mapping[str, Any]) -> None:
        super().__init__(path, description)
        self._template_path = path.with_name(path.name + ".template")
        self._template: zipfile.ZipFile | None = None
        self._output: zipfile.ZipFile | None = None
        self._members: Iterator[zipfile.ZipInfo] = iter(())
        self._stream: IO[bytes] | None = None
        self._skipped: set[str] = set()

    def announce(self, layer: LayerInfo, wanted: bool) -> None:
        """Take notice of a coded layer; a member whose data will not come is left out."""
        if not wanted:
            self._skipped.add(str(layer.place.get("member")))

    def begin(self, layer: LayerInfo, dtype: np.dtype[Any]) -> None:
        """Start with a coded layer."""
        if "member" not in layer.place:
            if self._output is not None:
                raise DamagedError("its place in the archive is not valid", layer=layer.name)
            super().begin(layer, dtype)
            return
        if self._output is None:
            self._begin_anew()
        try:
            header = base64.b64decode(layer.place["header"], validate=True)
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedError("its place in the archive is not valid", layer=layer.name) from error
        member = self._copy_up_to(layer.place["member"], layer.name)
        assert self._output is not None
        member.file_size = len(header) + layer.size * dtype.itemsize
        with reading(layer.name):
            self._stream = self._output.open(member, "w", force_zip64=member.file_size >= 2**31)
        self._stream.write(header)

    def write(self, elements: NDArray[Any]) -> None:
        """Take the next elements of the layer."""
        if self._stream is None:
            super().write(elements)
        else:
            self._stream.write(elements.view("u1").data)

    def end(self) -> None:
        """End the layer."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def finish(self, picked: list[str] | None = None) -> None:
        """Complete the archive, or make one of the picked members only."""
        if self._output is not None:
            self._copy_up_to(None, "")
            self._output.close()
            self._output = None
        self.close()
        if picked is not None:
            self._pick({*picked, *(f"{name}.npy" for name in picked)})

    def close(self) -> None:
        """Close and remove what is not the result."""
        for archive in (self._stream, self._output, self._template):
            if archive is not None:
                with contextlib.suppress(ValueError, OSError):  # incomplete: to be removed
                    archive.close()
        self._stream = self._output = self._template = None
        super().close()
        self._template_path.unlink(missing_ok=True)

    def _begin_anew(self) -> None:
        """Put the template aside and start the archive from the first member on."""
        super().close()
        self.path.rename(self._template_path)
        try:
            self._template = open_archive(self._template_path)
        except DamagedError as error:
            raise DamagedError("the archive's template is no zip archive") from error
        self._members = iter(
            sorted(self._template.infolist(), key=lambda member: member.header_offset)
        )
        self._output = zipfile.ZipFile(self.path, "w")
        self._output.comment = self._template.comment

    def _copy_up_to(self, name: str | None, layer: str) -> zipfile.ZipInfo:
        """Copy members unchanged up to the one that is named, and return a new head for it."""
        assert self._template is not None
        assert self._output is not None
        for member in self._members:
            fresh = _same_head(member)
            if member.filename == name:
                return fresh
            if member.filename in self._skipped:
                continue
            with reading(member.filename):
                _copy_member(self._template, member, self._output, fresh)
        if name is not None:
            raise DamagedError(f"the archive's template has no member {name!r}", layer=layer)
        return zipfile.ZipInfo()

    def _pick(self, names: set[str]) -> None:
        whole = self.path.rename(self._template_path)
        try:
            with zipfile.ZipFile(whole) as old, zipfile.ZipFile(self.path, "w") as new:
                for member in old.infolist():
                    if member.filename in names:
                        with reading(member.filename):
                            _copy_member(old, member, new, _same_head(member))
        finally:
            whole.unlink()


def _copy_member(
    old: zipfile.ZipFile, member: zipfile.ZipInfo, new: zipfile.ZipFile, fresh: zipfile.ZipInfo
) -> None:
    with old.open(member) as source, new.open(fresh, "w") as target:
        while data := source.read(1 << 20):
            target.write(data)


def _same_head(member: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Return a member's head without what depends on where it stands."""
    fresh = zipfile.ZipInfo(member.filename, member.date_time)
    for attribute in (
        "compress_type",
        "comment",
        "create_system",
        "external_attr",
        "internal_attr",
    ):
        setattr(fresh, attribute, getattr(member, attribute))
    fresh.file_size = member.file_size
    return fresh
