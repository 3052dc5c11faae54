"""Chunks of Zarr arrays, decoded and encoded by the zarr library with the array's own codecs.

The library never sees the store: an array in memory has the metadata of the real one, and holds
only the chunks at hand. So it can neither read nor write anywhere else, whatever metadata says.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmcompress.contents import parse_json
from fmcompress.dumps.zarr_metadata import ArrayInfo, parse_node
from fmcompress.errors import DamagedError, UnsupportedError
from fmcompress.spool import Box

# A chunk to try codecs on; elements of many sizes fit into it.
_TRIED_ELEMENTS = 5040
_MOST_TRIED_BYTES = 1 << 24
_NOT_TRIED = ("attributes", "dimension_names")


def library() -> Any:
    """Return the zarr library.

    Raises
    ------
    UnsupportedError
        If it is not there, or cannot be loaded.
    """
    try:
        with quiet():
            import zarr
    except Exception as error:  # of whatever kind: NumPy's or Numcodecs' versions may not fit
        raise UnsupportedError(
            f"the zarr library cannot be loaded ({error})", hint="pip install fmcompress[zarr]"
        ) from error
    return zarr


def is_version_3(zarr: Any) -> bool:
    """Tell whether the library knows version 3 of the format."""
    return int(str(zarr.__version__).partition(".")[0]) >= 3


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's warnings, of no use to anyone here, from the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let Blosc, whose threads leave blocks in any order, give the same bytes every time.

    Since version 3 the library does so by itself.
    """
    from numcodecs import blosc

    before, blosc.use_threads = blosc.use_threads, False
    try:
        yield
    finally:
        blosc.use_threads = before


def _without_time(data: bytes) -> bytes:
    """Say no time in a gzip header: the same elements give the same bytes whenever written."""
    return data[:4] + bytes(4) + data[8:]


class ChunkCoder:
    """Decode and encode chunks of one array.

    Parameters
    ----------
    info : ArrayInfo
    document : bytes
        The metadata file that says `info`.

    Raises
    ------
    UnsupportedError
        If the library or a codec is missing, or it reads the metadata otherwise.
    """

    def __init__(self, info: ArrayInfo, document: bytes) -> None:
        zarr = library()
        self._info = info
        self._new = is_version_3(zarr)
        if info.version == 3 and not self._new:
            raise UnsupportedError(
                "zarr before version 3 cannot read it", hint="pip install --upgrade zarr"
            )
        try:
            with quiet():
                self._array = self._open(zarr, document)
                fits = (
                    tuple(self._array.shape) == info.shape,
                    tuple(getattr(self._array, "shards", None) or self._array.chunks)
                    == info.chunks,
                    info.dtype is not None
                    and np.dtype(self._array.dtype).newbyteorder("=")
                    == info.dtype.newbyteorder("="),
                )
        except Exception as error:  # the library has no type for its errors
            raise UnsupportedError(
                f"the zarr library cannot set up its codecs ({error})",
                hint="install what the codec needs, or pick other layers with --layers: those not "
                "picked are carried unchanged",
            ) from error
        if not all(fits):
            raise UnsupportedError("the zarr library reads its metadata otherwise")

    def _open(self, zarr: Any, document: bytes) -> Any:
        if not self._new:
            self._store: dict[str, Any] = {self._info.document: document}
            return zarr.Array(zarr.storage.KVStore(self._store), write_empty_chunks=True)
        from zarr.core.buffer import default_buffer_prototype
        from zarr.storage import MemoryStore

        self._buffer = default_buffer_prototype().buffer
        self._store = {self._info.document: self._buffer.from_bytes(document)}
        with zarr.config.set({"array.write_empty_chunks": True}):
            return zarr.open_array(
                store=MemoryStore(store_dict=self._store),
                mode="r+",
                zarr_format=self._info.version,
            )

    def keys(self, box: Box) -> Iterator[str]:
        """Yield the paths of the chunks that a box of whole chunks is made of."""
        ranges = (
            range(part.start // size, -(-part.stop // size))
            for part, size in zip(box, self._info.chunks, strict=True)
        )
        return map(self._info.key, itertools.product(*ranges))

    def decode(self, box: Box, chunk: Callable[[str], bytes | None]) -> NDArray[Any]:
        """Return the elements of a box of whole chunks.

        Parameters
        ----------
        box : tuple of slice
        chunk : callable
            Gives the bytes of a chunk by its path; None of one that is not there.

        Raises
        ------
        DamagedError
            If the library cannot decode them, or would read behind the end of one.
        """
        found = {key: data for key in self.keys(box) if (data := chunk(key)) is not None}
        for key, data in found.items():
            if self._info.packing is not None:
                self._info.packing.check(data, key)
        for key, data in found.items():
            self._store[key] = self._buffer.from_bytes(data) if self._new else data
        try:
            with quiet():
                elements = np.asarray(self._array[box])
        except Exception as error:  # the library has no type for its errors
            raise DamagedError(f"the zarr library cannot read it ({error})") from error
        finally:
            for key in found:
                del self._store[key]
        assert self._info.dtype is not None
        return elements.astype(self._info.dtype, copy=False)

    def encode(self, box: Box, elements: NDArray[Any]) -> Mapping[str, bytes]:
        """Return the bytes of each chunk of a box of whole chunks, by path.

        Raises
        ------
        UnsupportedError
            If the library cannot encode them.
        """
        try:
            with quiet(), contextlib.nullcontext() if self._new else _one_thread():
                self._array[box] = elements
        except Exception as error:  # the library has no type for its errors
            raise UnsupportedError(f"the zarr library cannot write it ({error})") from error
        found = {}
        for key in self.keys(box):
            data = self._store.pop(key)
            plain = data.to_bytes() if self._new else np.asarray(memoryview(data)).tobytes()
            found[key] = _without_time(plain) if self._info.last_codec == "gzip" else plain
        return found


def why_not_encoded(info: ArrayInfo, document: bytes) -> str:
    """Say why an array's codecs, which may well decode, cannot encode; empty where they can.

    Parameters
    ----------
    info : ArrayInfo
    document : bytes
        The metadata file that says `info`.

    Raises
    ------
    UnsupportedError
        If the zarr library is missing, or cannot read this version of the format.
    """
    if info.version == 3 and not is_version_3(library()):
        return ""  # which is no matter of its codecs
    reason = _try(info, document, _TRIED_ELEMENTS)
    elements = math.prod(info.chunks)
    if reason and elements != _TRIED_ELEMENTS and info.chunk_bytes <= _MOST_TRIED_BYTES:
        reason = _try(info, document, elements)
    return reason


def _try(info: ArrayInfo, document: bytes, elements: int) -> str:
    shape = [1] * (len(info.shape) - 1) + [elements]
    value = parse_json(document)
    assert isinstance(value, dict)
    value = {name: item for name, item in value.items() if name not in _NOT_TRIED}
    value["shape"] = shape
    if info.version == 3:
        value["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": shape}}
    else:
        value["chunks"] = shape
    return _try_document(info.document, json.dumps(value).encode())


@functools.lru_cache(maxsize=256)
def _try_document(name: str, document: bytes) -> str:
    info = parse_node(name, document)
    assert info is not None
    box = tuple(slice(0, length) for length in info.shape)
    try:
        ChunkCoder(info, document).encode(box, np.zeros(info.shape, info.dtype))
    except UnsupportedError as error:
        return error.cause
    return ""
