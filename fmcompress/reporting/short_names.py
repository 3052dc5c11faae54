"""Names with little room: what many of them share is left out, what tells them apart stays."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_CUT = "…"


def shortened(text: str, most: int) -> str:
    """Cut the middle out of a text that is longer than `most` characters."""
    if len(text) <= most:
        return text
    front = (most - 1) // 2
    return f"{text[:front]}…{text[front + 1 - most :]}"


def short_names(names: Sequence[str], most: int) -> list[str]:
    """Shorten those that are longer than `most` characters.

    Parts between dots, dashes and the like are left out, those first that most names have; of a
    name without such parts, its middle.
    """
    parts = [re.split(r"([\W_]+)", name) for name in names]
    # Of a name, each part counts once.
    common = Counter(part for one in parts for part in dict.fromkeys(one[::2]))
    return [
        name if len(name) <= most else shortened(_without_common(one, common, most), most)
        for name, one in zip(names, parts, strict=True)
    ]


def _without_common(parts: Sequence[str], common: Counter[str], most: int) -> str:
    """Leave out parts that other names have, too, until there is room."""
    kept = list(parts)
    shared = [i for i in range(0, len(parts), 2) if common[parts[i]] > 1 and len(parts[i]) > 1]
    # Of those that are as common as each other, the last one first.
    for i in sorted(shared, key=lambda i: (-common[parts[i]], -i)):
        if len(text := _joined(kept)) <= most:
            return text
        kept[i] = _CUT
    return _joined(kept)


def _joined(parts: Sequence[str]) -> str:
    """Put parts together, with one mark for all that is left out at a place."""
    return re.sub(rf"[\W_]*{_CUT}[\W_]*", _CUT, "".join(parts))
