"""The claims with their verdicts: one table, then a paragraph for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .material import Study
from .rule_words import describe_measures, describe_part
from .tables import plain_table
from .verdicts import NO_VERDICT, VERDICTS, Claim, Part
from .words import NOTHING, chance, counted, listed, signed, span


def gist(claims: Sequence[Claim]) -> str:
    """A sentence that counts the verdicts and names their claims.

    Args:
        claims: all of the rules.
    """
    parts = []
    for verdict in (*VERDICTS, NO_VERDICT):
        numbers = [str(claim.number) for claim in claims if claim.verdict == verdict]
        if numbers:
            have = "has" if len(numbers) == 1 else "have"
            are = "is" if len(numbers) == 1 else "are"
            told = f"{have} no verdict yet" if verdict == NO_VERDICT else f"{are} {verdict}"
            parts.append(f"{len(numbers)} {told} ({listed(numbers)})")
    return f"Of {counted(len(claims), 'claim')} {listed(parts)}."


def claims_table(claims: Sequence[Claim]) -> str:
    """A row for each part of each claim.

    Args:
        claims: all of the rules.
    """
    header = [
        *("", "claim", "verdict", "quantity", "effect (95 % interval)", "margin"),
        *("p after Holm", "seeds"),
    ]
    rows = []
    for claim in claims:
        first = [str(claim.number), claim.title, _verdict_words(claim.verdict)]
        holm = chance(claim.p_adjusted)
        if not claim.parts:
            rows.append([*first, *[NOTHING] * 3, holm, NOTHING])
        for place, part in enumerate(claim.parts):
            rows.append(
                [
                    *(first if place == 0 else [""] * 3),
                    part.quantity,
                    effect(part),
                    margin(part),
                    holm if place == 0 else "",
                    str(part.seeds),
                ]
            )
    return plain_table(header, rows, 4)


def claim_paragraphs(study: Study, claims: Sequence[Claim]) -> list[str]:
    """A heading and paragraphs for each claim.

    Args:
        study: for the words of the rules.
        claims: all of the rules.
    """
    return [text for claim in claims for text in _paragraphs(study, claim)]


def measures_table(study: Study) -> str:
    """What the words of the rules mean."""
    header = ["measure", "mean of", "on"]
    return plain_table(header, describe_measures(study), None)


def effect(part: Part) -> str:
    """The value with its interval and unit."""
    if part.value is None:
        return NOTHING
    unit = f" {part.unit}" if part.unit else ""
    ends = span(part.low, part.high, part.decimals)
    shown = "" if ends == NOTHING else f" ({ends})"
    return f"{signed(part.value, part.decimals)}{unit}{shown}"


def margin(part: Part) -> str:
    """Where the claim expects the value."""
    return f"{part.direction} {signed(part.margin, part.decimals)}"


def _paragraphs(study: Study, claim: Claim) -> list[str]:
    rule = "; and ".join(describe_part(study, part) for part in claim.rules)
    texts = [
        f"### {claim.number}. {claim.title}",
        f"> {claim.claim} ({claim.source})",
        f"Supported if {rule}.",
        _answer(study, claim),
    ]
    if claim.parts:
        texts.append("\n".join(_part_line(part) for part in claim.parts))
        texts += [text for part in claim.parts for text in _details(part)]
    if claim.note:
        texts.append(f"Looked into: {claim.note}")
    elif claim.verdict == "contradicted":
        texts.append("Whether this is scale, budget or a fault has not been written down yet.")
    return texts


def _answer(study: Study, claim: Claim) -> str:
    """The verdict with its p; where the intervals alone would say another, that."""
    text = f"**{_verdict_words(claim.verdict).capitalize()}**"
    if claim.p is not None:
        text += f", p = {chance(claim.p)}, after Holm's correction {chance(claim.p_adjusted)}"
        text = text.replace("= <", "<")
    text += "."
    if not claim.parts:
        return f"{text} {claim.why}".strip()
    alone = {part.verdict for part in claim.parts}
    said = "contradicted" if "contradicted" in alone else "supported"
    if claim.verdict == "undecided" and (said == "contradicted" or alone == {said}):
        text += (
            f" By the intervals alone it would be {said}; p after Holm's correction is not below "
            f"{study.rules['level']:g}."
        )
    return text


def _part_line(part: Part) -> str:
    if part.value is None:
        return f"- {part.quantity}: not computed: {part.why or 'records are missing'}."
    facts = [f"margin: {margin(part)}", counted(part.seeds, "seed")]
    if part.p is not None:
        facts.insert(1, f"p = {chance(part.p)}".replace("= <", "<"))
    line = f"- {part.quantity}: {effect(part)}; {'; '.join(facts)}: {part.verdict}."
    if part.p is None and part.why:
        line = f"{line.removesuffix('.')}, since {part.why}."
    return line + _seeds(part.per_seed, part.decimals)


def _details(part: Part) -> list[str]:
    """What a part tells besides: the share that was kept, or how well each predictor does."""
    texts = []
    kept, gain = part.details.get("kept"), part.details.get("gain")
    if kept is not None and gain:
        ends = span(gain.get("low"), gain.get("high"), part.decimals)
        texts.append(
            f"{kept:.2f} of the gain is kept; the gain is "
            f"{signed(gain['value'], part.decimals)} {part.unit} ({ends})."
        )
    taus = part.details.get("tau")
    if taus:
        rows = [
            [name, signed(tau["value"], 2), span(tau.get("low"), tau.get("high"), 2)]
            for name, tau in taus.items()
        ]
        texts.append(plain_table(["Kendall's tau with transfer of", "tau", "95 % interval"], rows))
    return texts


def _seeds(per_seed: Mapping[str, float | None], decimals: int) -> str:
    if not per_seed:
        return ""
    told = [f"{signed(value, decimals)} (seed {seed})" for seed, value in per_seed.items()]
    return f" Seed by seed: {', '.join(told)}."


def _verdict_words(verdict: str) -> str:
    return "no verdict yet" if verdict == NO_VERDICT else verdict
