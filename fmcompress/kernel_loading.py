"""Load kernels: also where Numba can keep none, and telling when one must be compiled first."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from fmcompress.errors import FmcError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

KERNELS = "fmcompress.kernels"
NOT_KEPT = "compiled kernels cannot be kept"
REMEDY = "set NUMBA_CACHE_DIR to a writable folder"

_log = logging.getLogger(__name__)


class Compiled(NamedTuple):
    """A kernel that was compiled, with all that it calls.

    Attributes
    ----------
    name : str
        Of its file and the function, as ``ebpc.encode``.
    seconds : float
    """

    name: str
    seconds: float


_listeners: list[Callable[[Compiled], None]] = []
_loading = threading.RLock()
_said: list[str] = []


def kernel(module: str, name: str) -> Any:
    """Return a kernel.

    Parameters
    ----------
    module : str
        Name of a file of kernels.
    name : str
        Of a function in it.
    """
    return getattr(kernels(module), name)


@cache
def kernels(module: str) -> Any:
    """Import a file of kernels, also where Numba finds no folder to keep them in.

    That is ``NUMBA_CACHE_DIR``, else the one beside the file, else the user's cache folder.
    """
    with _loading:  # several threads may come at once, each with the first chunk of its own
        _watch_numba()
        try:
            return import_module(f"{KERNELS}.{module}")
        except RuntimeError:
            _use_temporary_folder()
            return import_module(f"{KERNELS}.{module}")


def kernel_words(words: NDArray[Any], dtype: DTypeLike = "u4") -> NDArray[Any]:
    """Return words of a dtype, of which Numba makes the one type that kernels are kept for.

    It compiles anew for arrays that are read-only, have gaps, or are not aligned. So all are
    read-only, and those with gaps, or not aligned, are copied.
    """
    import numpy as np

    view = np.require(words, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view


def kernel_folder() -> str:
    """Return the folder in which compiled kernels are kept.

    Raises
    ------
    FmcError
        If they are not kept, or not even compiled.
    """
    folder = getattr(getattr(kernel("ebpc", "encode"), "stats", None), "cache_path", None)
    if folder is None:
        raise FmcError("kernels are not compiled", hint="unset NUMBA_DISABLE_JIT")
    if _is_temporary():
        raise FmcError(NOT_KEPT, hint=REMEDY)
    return str(folder)


@contextmanager
def telling(tell: Callable[[Compiled], None]) -> Iterator[None]:
    """Call `tell` with every kernel that is compiled meanwhile; not with those that were kept."""
    _listeners.append(tell)
    try:
        yield
    finally:
        _listeners.remove(tell)


def import_numba() -> Any:
    """Import Numba; nothing else may do so.

    Two threads that import it at once find its modules half done, each those of the other.
    """
    with _loading:
        import numba

        return numba


@cache
def _use_temporary_folder() -> None:
    numba = import_numba()
    folder = tempfile.mkdtemp(prefix="fmc-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    numba.config.CACHE_DIR = folder


@cache
def _watch_numba() -> None:
    """Have Numba say when it compiles a kernel.

    Only Numba knows: what it has kept may be of other argument types or another processor.
    """
    import_numba()
    from numba.core import event

    class Listener(event.Listener):
        def __init__(self) -> None:
            self._starts: list[float] = []

        def on_start(self, event: Any) -> None:
            dispatcher = event.data["dispatcher"]
            if _is_ours(dispatcher):
                self._starts.append(time.monotonic())
                if not _said:  # once, though files of kernels may have folders of their own
                    _said.append(dispatcher.stats.cache_path)
                    _say_compiling(dispatcher.stats.cache_path)

        def on_end(self, event: Any) -> None:
            dispatcher = event.data["dispatcher"]
            if not _is_ours(dispatcher):
                return
            seconds = time.monotonic() - self._starts.pop()
            if not self._starts:  # what kernels call is compiled on the way
                file = dispatcher.py_func.__module__.removeprefix(f"{KERNELS}.")
                compiled = Compiled(f"{file}.{dispatcher.py_func.__name__}", seconds)
                for tell in _listeners:
                    tell(compiled)

    # Numba compiles under a lock of its own, so these events are never those of two threads.
    event.register("numba:compile", Listener())  # type: ignore[no-untyped-call]


def _is_ours(dispatcher: Any) -> bool:
    return str(dispatcher.py_func.__module__).startswith(f"{KERNELS}.")


def _say_compiling(folder: str) -> None:
    if _is_temporary():
        _log.warning("%s: %s", NOT_KEPT, REMEDY)
    else:
        _log.info("compiling kernels that are needed for the first time; kept in %s", folder)


def _is_temporary() -> bool:
    return _use_temporary_folder.cache_info().currsize > 0
