"""The claims of the rules, each with its verdict where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from instdisc import checks

from .material import Study
from .words import decimals_of

VERDICTS = ("supported", "contradicted", "undecided")
NO_VERDICT = "no verdict"
_DIFFERENCE = {"%": "points"}  # of two percentages


class Part(NamedTuple):
    """A quantity that decides a claim; numbers are ``None`` where they could not be computed.

    Attributes:
        quantity: what it is.
        value: over all seeds.
        low: end of its interval.
        high: likewise.
        unit: of these.
        margin: what it is compared with.
        direction: where the claim expects it: ``"above"`` or ``"below"`` the margin.
        p: before Holm's correction.
        verdict: of the part.
        seeds: how many it is over.
        per_seed: its value of each seed.
        why: a few words.
        details: more numbers, by name.
    """

    quantity: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    margin: float
    direction: str
    p: float | None
    verdict: str
    seeds: int
    per_seed: Mapping[str, float | None]
    why: str
    details: Mapping[str, Any]

    @property
    def decimals(self) -> int:
        """How exactly it is written."""
        return decimals_of(self.unit, self.margin)


class Claim(NamedTuple):
    """A claim and what became of it.

    Attributes:
        number: from 1, in the order of the rules.
        name: in the rules.
        claim: as the paper has it.
        source: whose it is.
        rules: the parts in the rules.
        verdict: or `NO_VERDICT`.
        p: before Holm's correction; ``None`` if there is none.
        p_adjusted: after it.
        why: a sentence; may be empty.
        parts: none without a verdict.
        note: what was looked into after this verdict; may be empty.
    """

    number: int
    name: str
    claim: str
    source: str
    rules: list[Mapping[str, Any]]
    verdict: str
    p: float | None
    p_adjusted: float | None
    why: str
    parts: list[Part]
    note: str

    @property
    def title(self) -> str:
        """E.g. ``"Source is no guide"``."""
        return self.name.replace("-", " ").capitalize()


def read_claims(study: Study) -> list[Claim]:
    """All claims of the rules, in their order.

    Raises:
        ValueError: if a verdict or a note is of no claim, or is none of the three.
    """
    names = [claim["name"] for claim in study.rules["claims"]]
    for row in [*study.verdicts, *study.notes]:
        checks.choice("claim", row["claim"], names)
        checks.choice("verdict", row.get("verdict"), VERDICTS)
    # The newest line of a claim counts.
    verdicts = {row["claim"]: row for row in study.verdicts}
    claims = []
    for number, rule in enumerate(study.rules["claims"], start=1):
        row = verdicts.get(rule["name"], {"verdict": NO_VERDICT})
        notes = [
            note["note"]
            for note in study.notes
            if (note["claim"], note["verdict"]) == (rule["name"], row["verdict"])
        ]
        claims.append(
            Claim(
                number=number,
                name=rule["name"],
                claim=" ".join(rule["claim"].split()),
                source=rule["source"],
                rules=rule["parts"],
                verdict=row["verdict"],
                p=row.get("p"),
                p_adjusted=row.get("p_adjusted"),
                why=row.get("why", ""),
                parts=[_part(part) for part in row.get("parts", [])],
                note=notes[-1] if notes else "",
            )
        )
    return claims


def _part(said: Mapping[str, Any]) -> Part:
    seeds = said.get("seeds") or 0
    per_seed = said.get("per_seed") or {}
    return Part(
        quantity=said["quantity"],
        value=said.get("value"),
        low=said.get("low"),
        high=said.get("high"),
        unit=_DIFFERENCE.get(said.get("unit") or "", said.get("unit") or ""),
        margin=float(said.get("margin") or 0.0),
        direction=said.get("direction") or "above",
        p=said.get("p"),
        verdict=said["verdict"],
        seeds=seeds if isinstance(seeds, int) else len(seeds),
        per_seed={str(seed): per_seed[seed] for seed in sorted(per_seed, key=str)},
        why=said.get("why") or "",
        details=said.get("details") or {},
    )
