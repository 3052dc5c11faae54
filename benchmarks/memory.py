"""How much memory a codec needs beside its input: measured in a process of its own.

The process loads the input, lets the codec work once on a few words, so that its code is there, and
gives free memory back to the system. Then every piece is compressed and decompressed, and dropped,
on one thread. The figure is the highest resident size from there on, less the size before. Where the
system has no such counter that can be reset, it is the growth of the process's peak, which can be
too small.
"""

from __future__ import annotations

import contextlib
import ctypes
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from codec import Codec
from inputs import Input, of_size

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")
FEW_BYTES = 4096


def peaks(codecs: Iterable[Codec], given: Input) -> dict[str, int]:
    """Return the bytes that each codec needs, by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "input")
        path.write_bytes(pickle.dumps(given))
        return {codec.name: _measured(codec.name, path) for codec in codecs}


def _measured(name: str, path: Path) -> int:
    done = subprocess.run(
        [sys.executable, __file__, name, str(path)], check=True, stdout=subprocess.PIPE
    )
    return int(done.stdout)


def run_pieces(codec: Codec, given: Input) -> None:
    """Compress and decompress every piece."""
    for piece in codec.cut(given):
        codec.decompress(codec.compress(piece))


def peak_of(codec: Codec, given: Input) -> int:
    """Return the bytes that a codec needs in this process; the process should be a fresh one."""
    codec.prepare(1)
    few = [replace(layer, words=layer.words[:FEW_BYTES]) for layer in given.layers[:1]]
    run_pieces(codec, of_size("", few, FEW_BYTES))
    with contextlib.suppress(OSError, AttributeError):  # only the GNU C library has it
        ctypes.CDLL(None).malloc_trim(0)
    try:
        RESET.write_text("5", encoding="ascii")
        before = _status("VmRSS")
    except OSError:
        before = _peak_so_far()
        run_pieces(codec, given)
        return max(_peak_so_far() - before, 0)
    run_pieces(codec, given)
    return max(_status("VmHWM") - before, 0)


def _status(name: str) -> int:
    lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{name}:"))


def _peak_so_far() -> int:
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def main() -> None:
    """Measure the codec whose name is the first argument, on the input in the file behind it."""
    from rivals import codecs

    name, path = sys.argv[1:]
    given: Input = pickle.loads(Path(path).read_bytes())  # written by the parent
    codec = next(codec for codec in codecs()[0] if codec.name == name)
    print(peak_of(codec, given))


if __name__ == "__main__":
    main()
