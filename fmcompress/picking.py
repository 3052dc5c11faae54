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
        Names, or globs as in ``fnmatch``: ``*`` also matches ``/``.

    Raises
    ------
    ParameterError
        If a pattern matches no layer.
    """
    for pattern in _listed(patterns):
        if not any(_fits(name, pattern) for name in names):
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            raise ParameterError(f"no layer matches {pattern!r}", hint=f"layers here: {shown}")
    return [matches(name, patterns) for name in names]


def matches(name: str, patterns: Sequence[str] | str | None) -> bool:
    """Tell whether a name matches a pattern, or there is none."""
    listed = _listed(patterns)
    return not listed or any(_fits(name, pattern) for pattern in listed)


def _fits(name: str, pattern: str) -> bool:
    """Match a name, which may hold brackets itself, or a glob."""
    return name == pattern or fnmatchcase(name, pattern)


def _listed(patterns: Sequence[str] | str | None) -> Sequence[str]:
    return [patterns] if isinstance(patterns, str) else patterns or []
