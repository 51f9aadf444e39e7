"""From records to verdicts on the claims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from instdisc.checks import checked_call, instance, text
from instdisc.report.comparison import holm
from instdisc.types import Record

from .images import Differences
from .linear_parts import decide_linear
from .measures import Results
from .ranked_parts import decide_ranked
from .rules import CorrelationPart, Part, PredictorPart, Rules, TauPart, read_rules
from .verdict import Answer, PartVerdict, Verdict
from .words import sentence


@checked_call(source=text)
def decide(
    records: Iterable[Record],
    differences: Iterable[Record] = (),
    rules: Rules | None = None,
    *,
    source: str,
) -> list[Verdict]:
    """Decides every claim by the rules; the same whenever it is computed again.

    A quantity Q of one or more methods is computed for each seed s from the networks of that seed,
    and

        Q = mean of Q_s,   half = t(S - 1) * sqrt(var(Q_s) / S + e^2)

    with the standard error e over test images (see `image_error`). Quantities over methods are
    resampled over methods. A result without a record makes Q_s missing: nothing is averaged over
    what happens to be there. The head of ``rules.yaml`` says what follows.

    Args:
        records: of all networks; `seed` is that of the pretraining, `method` as in the rules.
        differences: of `paired_differences`. Without them e comes from the intervals of the
            records, which are not paired and so wider.
        rules: of `read_rules`; ``None``: those of the package.
        source: the set of the pretraining, as records call it.

    Returns:
        A verdict for each claim, in the order of the rules.

    Raises:
        TypeError: if one is no record.
        ValueError: if several records fit one result and differ in settings.

    Example:
        >>> verdicts = decide([], source="cifar10_mini")
        >>> {verdict.verdict for verdict in verdicts}, len(verdicts)
        ({'undecided'}, 10)
        >>> print(verdicts[3].parts[0].why)
        no seed has every result; missing: top-1 of readout for exemplar, any seed and 1 more
    """
    rules = read_rules() if rules is None else rules
    results = Results(_checked("records", records), source)
    paired = Differences(_checked("differences", differences))
    parts = [[_decide(part, results, paired, rules) for part in c.parts] for c in rules.claims]
    answers = [_combined(of_claim) for of_claim in parts]
    adjusted = holm({place: p for place, (_, p) in enumerate(answers)})
    verdicts = []
    for place, (claim, of_claim) in enumerate(zip(rules.claims, parts, strict=True)):
        verdict, p = answers[place]
        if adjusted[place] >= rules.level:
            verdict = "undecided"
        why = sentence(verdict, adjusted[place], rules.level, of_claim)
        verdicts.append(Verdict(claim.name, verdict, p, adjusted[place], why, of_claim))
    return verdicts


def _decide(part: Part, results: Results, differences: Differences, rules: Rules) -> PartVerdict:
    if isinstance(part, TauPart | CorrelationPart | PredictorPart):
        return decide_ranked(part, results, rules)
    return decide_linear(part, results, differences, rules)


def _combined(parts: Sequence[PartVerdict]) -> tuple[Answer, float]:
    """The verdict of a claim and its p, before Holm's correction.

    Supported if all parts are, with the largest p; contradicted if one is, with the smallest p of
    those. Else the largest p counts, 1 where a part cannot be decided.
    """
    contradicted = [_p(part) for part in parts if part.verdict == "contradicted"]
    if contradicted:
        return "contradicted", min(contradicted)
    supported = all(part.verdict == "supported" for part in parts)
    return "supported" if supported else "undecided", max(map(_p, parts))


def _p(part: PartVerdict) -> float:
    return 1.0 if part.p is None else part.p


def _checked(name: str, records: Iterable[Record]) -> list[Record]:
    return [instance(name, record, Record, "a list of records") for record in records]
