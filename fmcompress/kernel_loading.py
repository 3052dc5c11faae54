"""Load kernels: also where Numba can keep none, and saying so where they must be compiled first."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
import threading
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)
# Of threads that come at the same time, one loads and says so.
_lock = threading.Lock()


def kernel(module: str, name: str) -> Any:
    """Return a kernel; say so, once, where kernels must be compiled first.

    Parameters
    ----------
    module : str
        Name of a file of kernels.
    name : str
        Of a function in it.
    """
    with _lock:
        return _kernel(module, name)


@cache
def _kernel(module: str, name: str) -> Any:
    function = getattr(kernels(module), name)
    folder = getattr(getattr(function, "stats", None), "cache_path", None)
    if folder is not None and not any(Path(folder).glob(f"{module}.{name}-*.nbi")):
        _say_compiling(folder)
    return function


@cache
def kernels(module: str) -> Any:
    """Import a file of kernels, also where Numba finds no folder to keep them in."""
    try:
        return import_module(f"fmcompress.kernels.{module}")
    except RuntimeError:
        import numba

        folder = tempfile.mkdtemp(prefix="fmc-kernels-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        setattr(numba.config, "CACHE_DIR", folder)  # noqa: B010 - untyped
        _log.warning("compiled kernels cannot be kept: set NUMBA_CACHE_DIR to a writable folder")
        return import_module(f"fmcompress.kernels.{module}")


@cache
def _say_compiling(folder: str) -> None:
    _log.info("compiling the kernels, once; they are kept in %s", folder)
