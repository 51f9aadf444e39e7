"""Short texts that tell things apart: names of sets, files, and what differs between records."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .identity import canonical

_LONGEST = 40  # characters of a value; a longer one is shown by its hash
_MOST = 4  # differences that a label tells


def shortest_names(names: Iterable[str]) -> dict[str, str]:
    """For each name, or path, its last parts: as few as are unique.

    Example:
        >>> shortest_names(["data/v1/pets", "data/v2/pets", "data/cars"])
        {'data/v1/pets': 'v1/pets', 'data/v2/pets': 'v2/pets', 'data/cars': 'cars'}
    """
    names = list(dict.fromkeys(names))
    parts = {name: [part for part in name.split("/") if part] or [name] for name in names}
    longest = max((len(pieces) for pieces in parts.values()), default=0)
    lengths = range(1, longest + 1)
    ends = [Counter("/".join(pieces[-k:]) for pieces in parts.values()) for k in lengths]
    shortest = {}
    for name, pieces in parts.items():
        texts = ["/".join(pieces[-k:]) for k in range(1, len(pieces) + 1)]
        unique = (text for text, count in zip(texts, ends, strict=False) if count[text] == 1)
        shortest[name] = next(unique, name)
    return shortest


def label(item: Mapping[str, Any], names: Sequence[str]) -> str:
    """What an item has under some names, e.g. ``"224 px, k 20"``.

    Args:
        item: values by dotted names.
        names: what to tell.

    Example:
        >>> label({"view.size": 224, "view.squeezed": True, "settings.k": 20},
        ...     ["view.size", "view.squeezed", "settings.k", "settings.rate"])
        '224 px, squeezed, k 20, rate not given'
    """
    texts = list(dict.fromkeys(_text(name, item) for name in names))
    return ", ".join(texts)


def labels(items: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """The `label` of each item; all are different, and long ones are cut.

    Args:
        items: no two have the same values.
        names: in which they may differ.
    """
    shown, more = list(names), 0
    if len(names) > _MOST:
        # What tells most items apart comes first.
        shown = sorted(names, key=lambda name: -len({_text(name, item) for item in items}))[:_MOST]
        shown = [name for name in names if name in shown]
        more = len(names) - len(shown)
    texts = [label(item, shown) + (f" and {more} more" if more else "") for item in items]
    keys = [canonical(item, names) for item in items]
    return list(unlike(dict(zip(keys, texts, strict=True))).values())


def unlike(texts: Mapping[str, str]) -> dict[str, str]:
    """The texts, each followed by a hash of its key where another key has the same text.

    Example:
        >>> unlike({"a": "MoCo", "b": "Exemplar"})
        {'a': 'MoCo', 'b': 'Exemplar'}
    """
    counts = Counter(texts.values())
    return {
        key: text if counts[text] == 1 else f"{text} #{_digest(key)}" for key, text in texts.items()
    }


def _text(name: str, item: Mapping[str, Any]) -> str:
    word = name.rpartition(".")[2].replace("_", " ")
    if name not in item:
        return f"{word} not given"
    value = item[name]
    if word == "keep aspect":
        return "not squeezed" if value else "squeezed"
    if word == "better":
        return str(value)
    if word == "n":
        return f"n = {value}"
    if word in ("size", "image size") and isinstance(value, int):
        return f"{value} px"
    if isinstance(value, bool):
        return word if value else f"{'not' if word.endswith('ed') else 'no'} {word}"
    if isinstance(value, list | tuple) and all(isinstance(v, int | float | str) for v in value):
        text = ", ".join(map(str, value))
    else:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    if len(text) > _LONGEST:
        text = _digest(value)
    return f"{word} {text}"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]
