"""Picking layers by glob pattern."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from fmcompress.errors import ParameterError


def pick(names: Sequence[str], patterns: Sequence[str] | str | None) -> list[bool]:
    """Tell which names match a pattern; all do where there is none.

    Parameters
    ----------
    names : sequence of str
        Of the layers.
    patterns : sequence of str, str or None
        Globs as in ``fnmatch``: ``*`` also matches ``/``.

    Raises
    ------
    ParameterError
        If a pattern matches no layer.
    """
    if patterns is None or len(patterns) == 0:
        return [True] * len(names)
    patterns = [patterns] if isinstance(patterns, str) else patterns
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            raise ParameterError(f"no layer matches {pattern!r}", hint=f"layers here: {shown}")
    return [any(fnmatchcase(name, pattern) for pattern in patterns) for name in names]
