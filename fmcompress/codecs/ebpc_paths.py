"""Which kernels EBPC goes through: the streams are the same, the speed is not."""

from __future__ import annotations

import os
import sys
from functools import cache

from fmcompress.errors import ParameterError
from fmcompress.kernel_loading import import_numba

# Word by word; many words at a time; and with the vector instructions that do not exist everywhere.
PLAIN, PORTABLE, FAST = PATHS = ("plain", "portable", "fast")
VARIABLE = "FMC_KERNELS"
# For the fast path, by LLVM's names of them.
_NEEDED = {"+avx512bw", "+avx512cd", "+avx512vbmi", "+avx512vbmi2", "+bmi2", "+gfni", "+popcnt"}


def chosen() -> str:
    """Return the path: the environment's ``FMC_KERNELS``, else the fastest that this machine has.

    Raises
    ------
    ParameterError
        If the environment names none, or one that this machine has not.
    """
    wanted = os.environ.get(VARIABLE) or fastest()
    if wanted not in PATHS:
        raise ParameterError(f"{VARIABLE} is {wanted!r}", hint=f"give one of {', '.join(PATHS)}")
    if PATHS.index(wanted) > PATHS.index(fastest()):
        raise ParameterError(
            f"{VARIABLE} is {wanted!r}, which this processor cannot", hint=f"give {fastest()!r}"
        )
    return wanted


@cache
def fastest() -> str:
    """Return the fastest path that this machine has."""
    if sys.byteorder != "little":
        return PLAIN
    numba = import_numba()
    if numba.config.DISABLE_JIT:
        return FAST  # in Python there is nothing that a processor could lack
    # As Numba compiles, which NUMBA_CPU_NAME and NUMBA_CPU_FEATURES may change; and under its lock,
    # since this makes what it compiles with.
    with numba.core.compiler_lock.global_compiler_lock:
        target = numba.core.registry.cpu_target.target_context
        *_, features = target.codegen().magic_tuple()
    return FAST if {*features.split(",")} >= _NEEDED else PORTABLE
