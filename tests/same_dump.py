"""Compare two dumps, whole: `assert_same_hdf5`, `assert_same_npz`, `assert_same_npy`.

Nothing here uses the product but `round_trip`. An HDF5 file is walked through h5py and told as
plain values (`describe_hdf5`), so that a difference shows as one; where Debian's `h5diff` is
installed, it has to agree.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5o, h5p, h5r, h5s, h5t, h5z

import fmcompress


def round_trip(path: Path, **options: Any) -> Path:
    """Compress a dump, verify that, decompress it; return the new dump, which lies beside it."""
    packed, restored = packed_path(path), path.with_name(f"restored_{path.name}")
    fmcompress.compress(path, packed, **options)
    assert fmcompress.verify(packed).damages == []
    fmcompress.decompress(packed, restored)
    return restored


def packed_path(path: Path) -> Path:
    """Say where `round_trip` leaves the container."""
    return path.with_name(f"{path.name}.bin")


def assert_same_dump(a: Path, b: Path) -> None:
    """Compare two dumps of a kind that their name tells."""
    {".h5": assert_same_hdf5, ".npz": assert_same_npz, ".npy": assert_same_npy}[a.suffix](a, b)


# --- NPY and NPZ --------------------------------------------------------------------------


def assert_same_npy(a: Path, b: Path) -> None:
    """Compare two NPY files: every byte."""
    assert a.read_bytes() == b.read_bytes()


def assert_same_npz(a: Path, b: Path) -> None:
    """Compare two NPZ files: members in order, what each holds and how it is packed."""
    assert describe_npz(a) == describe_npz(b)


def describe_npz(path: Path) -> dict[str, Any]:
    """Tell an archive as plain values; a member is read, so its checksum is compared."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        members = [
            {
                "name": member.filename,
                "compress_type": member.compress_type,
                "date_time": member.date_time,
                "comment": member.comment,
                "create_system": member.create_system,
                "external_attr": member.external_attr,
                "content": archive.read(member),
            }
            for member in archive.infolist()
        ]
        return {"comment": archive.comment, "members": members}


# --- HDF5 ---------------------------------------------------------------------------------


def assert_same_hdf5(a: Path, b: Path) -> None:
    """Compare two HDF5 files: everything that h5py can see, and everything that h5diff sees."""
    ours, theirs = describe_hdf5(a), describe_hdf5(b)
    assert [*ours] == [*theirs]
    for name in ours:
        assert ours[name] == theirs[name], name
    assert_h5diff_agrees(a, b)


def assert_h5diff_agrees(a: Path, b: Path) -> None:
    """Run h5diff, where it is installed and can read such a file at all."""
    if shutil.which("h5diff") is None:
        return
    result = _h5diff("-r", a, b)
    if result.returncode == 0:
        return
    # An old h5diff may not know the file's version or filters; then it finds a mere copy wanting.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(a, folder))
        assert _h5diff(a, copy).returncode != 0, f"h5diff: {result.stdout}{result.stderr}"


def _h5diff(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["h5diff", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def describe_hdf5(path: Path) -> dict[str, Any]:
    """Tell an HDF5 file as plain values: its head, then each link by its path, in file order."""
    with h5py.File(path, "r") as file:
        fcpl = file.id.get_create_plist()
        found: dict[str, Any] = {
            "": {"user block": path.read_bytes()[: fcpl.get_userblock()], "sizes": fcpl.get_sizes()}
        }
        _Walk(file, found).object("/", file["/"])
        return found


class _Walk:
    """Visit every object once, by hard links; of further links to it only note where they lead."""

    def __init__(self, file: h5py.File, found: dict[str, Any]) -> None:
        self.file = file
        self.found = found
        self.first_name: dict[tuple[int, int], str] = {}

    def object(self, name: str, item: Any) -> None:
        info = h5o.get_info(item.id)
        key = (info.fileno, info.addr)
        if key in self.first_name:
            self.found[name] = {"same object as": self.first_name[key]}
            return
        self.first_name[key] = name
        facts = {"kind": type(item).__name__, "links to it": info.rc, **self.attributes(item)}
        self.found[name] = facts
        if isinstance(item, h5py.Group):
            plist = item.id.get_create_plist()
            facts["creation order"] = plist.get_link_creation_order()
            for child in item:
                self.link(f"{name.rstrip('/')}/{child}", item, child)
        elif isinstance(item, h5py.Dataset):
            facts |= _layout(item)
            facts["data"] = self.data(item)
        else:
            facts["type"] = item.id.encode()

    def link(self, name: str, group: h5py.Group, child: str) -> None:
        info = group.id.links.get_info(child.encode())
        link = group.get(child, getlink=True)
        place = {"type": info.type, "cset": info.cset}
        place |= {"position": info.corder} if info.corder_valid else {}
        if isinstance(link, h5py.HardLink):
            self.object(name, group[child])
            self.found[name]["link"] = place
        elif isinstance(link, h5py.SoftLink):
            self.found[name] = {**place, "path": link.path}
        else:
            self.found[name] = {**place, "path": link.path, "file": link.filename}

    def attributes(self, item: Any) -> dict[str, Any]:
        plist = None if isinstance(item, h5py.Datatype) else item.id.get_create_plist()
        names = [h5a.open(item.id, index=i).name for i in range(h5a.get_num_attrs(item.id))]
        return {
            "attribute order": plist.get_attr_creation_order() if plist else None,
            "attributes": {name: self.attribute(item, name) for name in [*item.attrs, *names]},
        }

    def attribute(self, item: Any, name: Any) -> Any:
        attribute = h5a.open(item.id, name if isinstance(name, bytes) else name.encode())
        kind, space = attribute.get_type(), attribute.get_space()
        facts = _type(kind), _space(space)
        if _has_pointers(kind):
            return *facts, self.plain(item.attrs[name if isinstance(name, str) else name.decode()])
        raw = np.zeros(space.get_simple_extent_npoints(), f"V{kind.get_size()}")
        if raw.size:
            attribute.read(raw.reshape(space.shape), mtype=kind)
        return *facts, raw.tobytes()

    def data(self, dataset: h5py.Dataset) -> Any:
        """Tell the elements; as the chunks lie there, if a filter is missing."""
        kind = dataset.id.get_type()
        if dataset.shape is None:
            return None
        plist = dataset.id.get_create_plist()
        filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
        if not all(map(h5z.filter_avail, filters)):
            chunks: list[Any] = []
            dataset.id.chunk_iter(lambda chunk: chunks.append(chunk.chunk_offset))
            return [dataset.id.read_direct_chunk(offset) for offset in chunks]
        if _has_pointers(kind):
            return self.plain(dataset[()])
        raw = np.zeros(dataset.shape, f"V{kind.get_size()}")
        if raw.size:
            dataset.id.read(h5s.ALL, h5s.ALL, raw, mtype=kind)
        return raw.tobytes()

    def plain(self, value: Any) -> Any:
        """Turn a value with pointers into plain ones; what a reference leads to has a name."""
        if isinstance(value, h5py.RegionReference):
            return ("region", *self.region(value)) if value else "null region"
        if isinstance(value, h5py.Reference):
            return ("object", self.file[value].name) if value else "null reference"
        if isinstance(value, np.void) and value.dtype.fields:
            return {name: self.plain(value[name]) for name in value.dtype.fields}
        if isinstance(value, np.ndarray) and value.dtype.hasobject:
            return value.shape, [self.plain(element) for element in value.reshape(-1)]
        if isinstance(value, np.ndarray | np.generic):
            return value.dtype.str, value.shape, value.tobytes()
        return repr(value)

    def region(self, reference: h5py.RegionReference) -> tuple[Any, ...]:
        space = h5r.get_region(reference, self.file.id)
        if space.get_select_type() == h5s.SEL_POINTS:
            points = space.get_select_elem_pointlist()
        elif space.get_select_type() == h5s.SEL_HYPERSLABS:
            points = space.get_select_hyper_blocklist()
        else:
            return self.file[reference].name, space.get_select_type()
        return self.file[reference].name, space.shape, points.tolist()


def _has_pointers(kind: h5t.TypeID) -> bool:
    classes = (h5t.VLEN, h5t.REFERENCE)
    text = kind.get_class() == h5t.STRING and kind.is_variable_str()
    return text or any(kind.detect_class(each) for each in classes) or _has_text(kind)


def _has_text(kind: h5t.TypeID) -> bool:
    """Look for strings of variable length, which `detect_class` does not find in a compound."""
    if kind.get_class() == h5t.COMPOUND:
        members = range(kind.get_nmembers())
        return any(_has_pointers(kind.get_member_type(index)) for index in members)
    return kind.get_class() == h5t.ARRAY and _has_pointers(kind.get_super())


def _type(kind: h5t.TypeID) -> Any:
    return kind.encode(), kind.committed()


def _space(space: h5s.SpaceID) -> Any:
    if space.get_simple_extent_type() == h5s.NULL:
        return "null"
    return space.get_simple_extent_dims(), space.get_simple_extent_dims(maxdims=True)


def _layout(dataset: h5py.Dataset) -> dict[str, Any]:
    plist = dataset.id.get_create_plist()
    layout = plist.get_layout()
    facts: dict[str, Any] = {
        "type": _type(dataset.id.get_type()),
        "space": _space(dataset.id.get_space()),
        "layout": layout,
        "filters": [plist.get_filter(index) for index in range(plist.get_nfilters())],
        "fill": (plist.fill_value_defined(), plist.get_fill_time(), plist.get_alloc_time()),
        "times": plist.get_obj_track_times(),
        "external": [plist.get_external(index) for index in range(plist.get_external_count())],
    }
    if plist.fill_value_defined() != h5d.FILL_VALUE_UNDEFINED:
        facts["fill value"] = _fill_value(plist, dataset.id.get_type())
    if layout == h5d.CHUNKED:
        chunks: list[Any] = []
        dataset.id.chunk_iter(lambda chunk: chunks.append(chunk.chunk_offset))
        facts |= {"chunks": plist.get_chunk(), "allocated": sorted(chunks)}
    elif layout == h5d.VIRTUAL:
        facts["sources"] = [
            (source.file_name, source.dset_name, _hyperslab(source.vspace))
            for source in dataset.virtual_sources()
        ]
    else:
        facts["bytes"] = dataset.id.get_storage_size()
    return facts


def _hyperslab(space: h5s.SpaceID) -> Any:
    kind = space.get_select_type()
    return space.get_regular_hyperslab() if kind == h5s.SEL_HYPERSLABS else kind


def _fill_value(plist: h5p.PropDCID, kind: h5t.TypeID) -> Any:
    if _has_pointers(kind) or kind.get_class() == h5t.ARRAY:
        return None
    try:
        value = np.zeros((), kind.dtype)
    except TypeError:  # NumPy has no such type
        return None
    plist.get_fill_value(value)
    return value.tobytes()
