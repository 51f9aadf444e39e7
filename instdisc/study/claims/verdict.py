"""What was decided about each claim, and its file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from instdisc.checks import checked_call, input_file, instance, output_file, refuse
from instdisc.writing import write_atomically

Answer = Literal["supported", "contradicted", "undecided"]
_ANSWERS = ("supported", "contradicted", "undecided")
_DIGITS = 10  # of numbers in files: the last ones differ between processors


class PartVerdict(NamedTuple):
    """A quantity with its interval, beside its margin.

    Attributes:
        quantity: what it is, e.g. ``"exemplar - moco in transfer"``.
        kind: of the part, as in the rules.
        verdict: by its interval alone, before Holm's correction.
        value: ``None`` if nothing can be computed.
        low: lower end of its 95 % interval; ``None`` if there is none.
        high: upper end.
        unit: of value, ends and margin.
        margin: what it is compared with.
        direction: on which side the claim expects it, ``"above"`` or ``"below"``.
        p: two-sided, of the hypothesis that it equals the margin; ``None`` if it cannot be decided.
        seeds: that it is over.
        methods: that it is of.
        per_seed: its value for each seed, by the seed as a text; empty of quantities over methods.
        image_error: the standard error over test images that is part of the interval; ``None`` of
            quantities over methods.
        how: what the interval is.
        details: more numbers of the kind, such as the gain of which a share is kept.
        missing: results without a record.
        why: a sentence.
    """

    quantity: str
    kind: str
    verdict: Answer
    value: float | None
    low: float | None
    high: float | None
    unit: str
    margin: float
    direction: Literal["above", "below"]
    p: float | None
    seeds: Sequence[int]
    methods: Sequence[str]
    per_seed: Mapping[str, float]
    image_error: float | None
    how: str
    details: Mapping[str, Any]
    missing: Sequence[str]
    why: str


class Verdict(NamedTuple):
    """What was decided about a claim.

    Attributes:
        claim: its name in the rules.
        verdict: ``"supported"``, ``"contradicted"`` or ``"undecided"``.
        p: see the head of ``rules.yaml``; 1 if it cannot be decided.
        p_adjusted: after Holm's correction over all claims.
        why: a sentence.
        parts: of each part of the claim.
    """

    claim: str
    verdict: Answer
    p: float
    p_adjusted: float
    why: str
    parts: Sequence[PartVerdict]


@checked_call()
def write_verdicts(verdicts: Iterable[Verdict], path: str | Path) -> Path:
    """Writes verdicts, one JSON object a line; a file that is there is replaced.

    Args:
        verdicts: of `decide`.
        path: a ``.jsonl`` file; its folder is made if need be.

    Returns:
        `path`.

    Raises:
        TypeError: if one is no verdict.
        OSError: if the file cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> verdict = Verdict("exemplar", "undecided", 1.0, 1.0, "Nothing was run.", [])
        >>> with TemporaryDirectory() as folder:
        ...     read_verdicts(write_verdicts([verdict], f"{folder}/a.jsonl")) == [verdict]
        True
    """
    lines = []
    for verdict in verdicts:
        instance("verdicts", verdict, Verdict, "a list of verdicts")
        fields = verdict._asdict() | {"parts": [part._asdict() for part in verdict.parts]}
        lines.append(json.dumps(_rounded(fields), allow_nan=False) + "\n")
    path = output_file("path", path, [".jsonl"])
    return write_atomically(path, lambda file: file.write_bytes("".join(lines).encode("utf-8")))


@checked_call()
def read_verdicts(path: str | Path) -> list[Verdict]:
    """Reads what `write_verdicts` wrote.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is no verdict; names it.

    Example:
        >>> read_verdicts("none-such.jsonl")
        Traceback (most recent call last):
        FileNotFoundError: `path` must be a file that is there, got 'none-such.jsonl'
    """
    path = input_file("path", path)
    verdicts = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            try:
                fields = json.loads(line)
                fields["parts"] = [PartVerdict(**part) for part in fields["parts"]]
                verdicts.append(Verdict(**fields))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                refuse("path", f"a file of verdicts (line {number}: {error})", str(path))
            if verdicts[-1].verdict not in _ANSWERS:
                rule = f"a file of verdicts (line {number}: one of {', '.join(_ANSWERS)})"
                refuse("path", rule, verdicts[-1].verdict)
    return verdicts


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
