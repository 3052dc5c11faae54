"""Write docs/CLI.md: the manners of the command, and every ``--help`` as it is printed.

Run by hand, or by ``make docs``; tests/test_docs.py compares.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fmcompress.cli.main import COMMANDS

TARGET = Path(__file__).parent / "CLI.md"

INTRO = """\
# The command line

*Made by `docs/make_cli.py`; change the text there, and the help in `cli/`.*

```sh
fmc compress maps.h5                 # makes maps.h5.fmc
fmc stats --per-layer maps.h5.fmc    # or of maps.h5 itself: a dry run
fmc decompress maps.h5.fmc back.h5
```

## Manners

They are those of zstd and xz.

* **Input** is kept. A dump ([TENSORS.md](TENSORS.md) names the formats) or a compressed file is recognised by its content;
  its name does not matter. `-` is stdin: a pipe or a redirected file.
* **Output** may be left out: `compress` appends `.fmc`, `decompress` takes it away. `-` is stdout;
  where the input is `-`, that is also the default. Binary data is not written to a terminal.
* **An existing output** is refused, with `-f` (`--force`) it is replaced. An output that is the
  input is always refused. Of a symbolic link, the file that it leads to is replaced.
* **A new output** is written beside its place under a temporary name, synced, and renamed when it
  is complete. Whatever happens, a kill included, there is the old file or the new one. A new file
  has the permissions that the umask leaves, a replaced one keeps its own.
* **stdout** carries data, tables and JSON; messages, warnings and the progress bar go to stderr.
  `-q` says nothing but errors. `--json` prints one document ([JSON.md](JSON.md)) and nothing else.
* **Terminals**: tables are folded to their width; in a pipe or a file they are as wide as they
  need to be. Work of more than a second shows a progress bar, on a terminal only. `NO_COLOR` is
  respected.
* **Layers** are picked with `--layers GLOB`, which may be given several times; `*` also matches
  `/`. A glob that matches no layer is an error. `compress` carries the others unchanged, so that
  the whole file still comes back; `decompress` leaves them out.
* **Memory**: files are worked on piece by piece (of HDF5, at least one row of chunks). From a pipe, `compress`, `stats` and `list` make
  a temporary copy first (in `TMPDIR`); `decompress` and `verify` read it as it comes. To a pipe,
  `compress` writes as it goes; `decompress` puts the dump together in a temporary file first.
* **Threads**: `compress`, `stats`, `decompress` and `verify` code in as many threads as the process
  may use processors; `-T` (`--threads`) says how many, and 1 is none beside. Reading and writing go on
  beside them. Neither bytes nor messages depend on it. Memory does: each thread takes some 20 MB.
* **Kernels**: the fastest that the processor has are taken. `FMC_KERNELS` names others: `plain`, which
  go word by word, `portable`, or `fast`, which need AVX-512 with VBMI2 and GFNI. The bytes are the same.
* **A first run** compiles the kernels that it needs, which takes some seconds, and says so.
  `fmc warmup` compiles all of them ahead, in a minute. They are kept in `NUMBA_CACHE_DIR`;
  without it, or where it cannot be written, beside the program; where that is read-only, in the
  user's cache folder (`~/.cache/numba` on Linux). Where nothing can be written they are compiled
  every time, and a warning says so.
* **Kept kernels** are found by their source, by Python's and Numba's version, and by the processor's
  name and features. Those for other ones are never run, so machines of several kinds can share a
  home; run `fmc warmup` on one of each kind first, one after another. Two versions of Numba take
  turns: each replaces what the other kept. A folder that cannot be written is not read either;
  whoever can write it decides what code runs, so share it with people whom you trust.

## The ratio

The **ratio** is bits of the words / bits of both streams, where a stored chunk counts at its size.
Streams count as the hardware sends them, padded to whole stream words. Layers that are carried
unchanged are in no ratio. The **file ratio** is bytes of the dump / bytes of the compressed file.

## Exit codes

| code | meaning |
|---:|---|
| 0 | fine |
| 1 | error: no such file, no permission, no space, output exists, … |
| 2 | wrong usage: unknown option, value outside its range, glob that matches no layer, … |
| 3 | damaged data: a dump or a compressed file is cut or damaged; `verify` found damage |
| 4 | not supported: unknown format or newer version, filter that is not installed, pickled array |
| 130 | interrupted (Ctrl-C) |
| 141 | broken pipe: whoever read stdout has gone |
| 143 | terminated (SIGTERM) |

On an error, one line on stderr names file, layer, cause and remedy, and no output is left behind.
(Of unknown options and values outside their range, the usage stands above that line.)
`--debug` adds where in the program it happened.

## Help
"""


def help_text(*command: str) -> str:
    """Print help as in a terminal of 80 columns."""
    done = subprocess.run(
        [sys.executable, "-m", "fmcompress.cli", *command, "--help"],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def document() -> str:
    """Return the whole text of docs/CLI.md."""
    parts = [INTRO]
    for command in ((), *((name,) for name in COMMANDS)):
        title = " ".join(("fmc", *command))
        parts.append(f"### {title}\n\n```text\n{help_text(*command)}```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
