"""Keep compiled kernels apart per source version and per Numba mode; fixtures for all tests.

Numba's cache on disk looks only at the file that defines a function, so an edit in a callee's
file, or NUMBA_BOUNDSCHECK, would otherwise go unnoticed.
"""

from __future__ import annotations

import _thread
import hashlib
import os
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
BOUNDS = os.environ.get("NUMBA_BOUNDSCHECK", "0") != "0"
USUAL = JIT and not BOUNDS  # as users run them
AGAIN = "FMC_TESTED_BEFORE" in os.environ  # with another Python
# How kernels are compiled makes no difference to these: they run the command in processes of
# their own, or read and write file formats, or call no kernel at all.
ONCE = {
    *("test_bad_input", "test_benchmarks", "test_packaging", "test_startup", "test_structure"),
    "test_regressions",
    *("test_folder", "test_hex", "test_onnx", "test_pytorch", "test_raw", "test_safetensors"),
    *("test_zarr", "test_writers", "test_hdf5", "test_npy_npz", "test_element_types_in_files"),
    *("test_cli", "test_cli_text", "test_docs", "test_patterns", "test_rtl_samples"),
    *("test_simulation", "test_trace", "test_vectors_command", "test_waveform"),
    *("test_comparison", "test_distribution", "test_sweep", "test_traffic"),
    *("test_in_order", "test_paper", "test_threads"),
    *("test_report", "test_report_browser"),
    *("test_container", "test_conversion", "test_damage", "test_format_doc"),
    *("test_large", "test_planning", "test_reader", "test_slices"),
}
# What kernels compute, and what a browser shows, is the same under every Python.
UNDER_ANY_PYTHON = {
    *("test_bounds", "test_bpc_symbols", "test_codec", "test_codecs", "test_eight_words"),
    *("test_fast_kernels", "test_hardware", "test_hardware_timing", "test_hardware_waits"),
    *("test_huffman", "test_paper", "test_reference", "test_streams", "test_vector_runs"),
    *("test_benchmarks", "test_report_browser", "test_structure"),
}

_key = hashlib.sha256(os.environ.get("NUMBA_BOUNDSCHECK", "0").encode())
for _path in sorted((ROOT / "kernels").glob("*.py")):
    _key.update(_path.read_bytes())
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".numba_cache" / _key.hexdigest()[:16]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what another way of compiling kernels, or another Python, adds nothing to."""
    left_out = UNDER_ANY_PYTHON if AGAIN else set() if USUAL else ONCE
    idle = [item for item in items if item.path.stem in left_out]
    if idle and len(idle) < len(items):  # unless nothing else was asked for
        config.hook.pytest_deselected(items=idle)
        items[:] = [item for item in items if item.path.stem not in left_out]
    if not JIT:
        skip = pytest.mark.skip(reason="too slow for plain Python kernels")
        for item in items:
            if item.get_closest_marker("compiled"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of the project's own dumps."""
    return ROOT / "samples"


@pytest.fixture(scope="session")
def shared_dumps() -> Path:
    """Folder of real networks' dumps; tests that need it are skipped where there is none."""
    folder = SHARED / "dumps"
    if not folder.is_dir():
        pytest.skip("no folder of further dumps beside the checkout")
    return folder


@pytest.fixture
def compiling_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing more be said of compiling, which a process says once: who looks at stderr needs it."""
    from fmcompress import kernel_loading

    monkeypatch.setattr(kernel_loading, "_said", ["before"])


def running_threads() -> int:
    """How many threads Python has begun, and not ended."""
    return _thread._count()


def wait_for_threads(count: int) -> None:
    """Wait until no more threads than so many are running: what is left of one ends at once."""
    patience = time.monotonic() + 10
    while running_threads() > count:
        assert time.monotonic() < patience, f"{running_threads()} threads, not {count}"
        time.sleep(0.001)
