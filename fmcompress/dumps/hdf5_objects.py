"""What reading and restoring of HDF5 files share: finding objects, naming filters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import h5py
from h5py import h5z

from fmcompress.errors import DamagedError, FmcError, UnsupportedError

# Filters that people meet, by registered number; the library names only those that it has.
_FILTER_NAMES = {
    4: "szip",
    305: "LZO",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32026: "Blosc2",
}


def filters(plist: Any) -> Iterator[tuple[int, str]]:
    """Yield number and name of every filter of a dataset.

    Raises
    ------
    UnsupportedError
        If one is missing here.
    """
    for index in range(plist.get_nfilters()):
        number, _, _, name = plist.get_filter(index)
        name = _FILTER_NAMES.get(number) or name.decode("utf-8", "replace") or "unknown"
        if not h5z.filter_avail(number):
            raise UnsupportedError(
                f"filter {number} ({name}) is not installed",
                hint="'pip install hdf5plugin' and set HDF5_PLUGIN_PATH to its plugins, or pick "
                "other layers with --layers: those not picked are carried unchanged",
            )
        yield number, name


def walk(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield path and dataset, every dataset once, in the groups' own order, following hard links only."""
    seen = {_address(root)}
    waiting: list[tuple[str, Iterator[str], h5py.Group]] = [("", _names("/", root), root)]
    while waiting:
        prefix, names, group = waiting[-1]
        name = next(names, None)
        if name is None:
            waiting.pop()
            continue
        path = prefix + name
        item = hard_item(group, name, path)
        if item is None:
            continue
        with library_errors(path):
            address = _address(item)
        if address in seen:
            continue
        seen.add(address)
        if isinstance(item, h5py.Dataset):
            yield path, item
        elif isinstance(item, h5py.Group):
            waiting.append((f"{path}/", _names(path, item), item))


@contextlib.contextmanager
def library_errors(layer: str | None = None) -> Iterator[None]:
    """Turn what h5py raises on a damaged file into a `DamagedError`."""
    try:
        yield
    except FmcError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise DamagedError(f"the HDF5 library cannot read it ({error})", layer=layer) from error


def find(file: h5py.File, path: str) -> Any:
    """Return the object at a path of hard links, which cannot lead into another file.

    Raises
    ------
    DamagedError
        If there is none.
    """
    item: Any = file
    for name in path.split("/"):
        item = hard_item(item, name, path) if isinstance(item, h5py.Group) else None
    if item is None:
        raise DamagedError("the template has no such object", layer=path)
    return item


def hard_item(group: h5py.Group, name: str, path: str) -> Any:
    """Return a member that a hard link leads to; None of a soft or an external link.

    Raises
    ------
    DamagedError
        If it cannot be opened.
    """
    try:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return None
        return group[name]
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise DamagedError(f"cannot be opened ({error})", layer=path) from error


def _names(path: str, group: h5py.Group) -> Iterator[str]:
    try:
        names = [*group]
        if all(isinstance(name, str) for name in names):
            return iter(names)
        raise UnicodeError
    except UnicodeError as error:
        raise UnsupportedError(
            f"group {path!r} has a name that is not UTF-8", hint="rename it (h5py cannot read it)"
        ) from error


def _address(item: Any) -> Any:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr
