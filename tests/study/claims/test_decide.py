"""Claims: their parts together, Holm's correction, files, and planted faults that must show."""

import functools

import pytest

from instdisc.report.comparison import holm
from instdisc.study.claims import decide, read_rules, read_verdicts, write_verdicts

SEEDS = [0, 1, 2]
NOISE = [0.0, 0.3, -0.2]
SHIFT = [0.0, 9.0, -8.0]  # of a seed, for all its networks


def difference(a, b, **margin):
    return {"kind": "difference", "measure": "transfer", "a": a, "b": b, **margin}


def networks(record, noise=1.0, **values):
    return [
        record(method, seed, value + SHIFT[seed] + noise * ((place + 1) * NOISE[seed]), dataset=d)
        for place, (method, value) in enumerate(values.items())
        for seed in SEEDS
        for d in ("eurosat", "flowers17")
    ]


def verdicts(records, rules):
    return decide(records, (), rules, source="cifar10_mini")


def answers(records, rules):
    return [verdict.verdict for verdict in verdicts(records, rules)]


def test_all_parts_support_and_one_contradicts(rules_of, record):
    records = networks(record, moco=60, supcon=55, random=40)
    up, down = difference("moco", "random", above=1), difference("random", "moco", above=1)
    unsure = difference("moco", "supcon", above=5)
    rules = rules_of([up, up], [up, down], [up, unsure], [down, unsure])
    rows = verdicts(records, rules)
    assert [v.verdict for v in rows] == ["supported", "contradicted", "undecided", "contradicted"]
    assert rows[0].p == max(part.p for part in rows[0].parts)
    assert rows[1].p == rows[1].parts[1].p
    assert rows[2].p == rows[2].parts[1].p
    adjusted = holm({place: row.p for place, row in enumerate(rows)})
    assert [row.p_adjusted for row in rows] == [adjusted[place] for place in range(4)]
    assert "moco - random" not in rows[1].why.replace("random - moco", "")


def test_nothing_at_all_is_undecided_ten_times():
    rows = decide([], source="cifar10_mini")
    assert len(rows) == 10
    assert {(row.verdict, row.p, row.p_adjusted) for row in rows} == {("undecided", 1.0, 1.0)}
    for row in rows:
        assert all("missing: " in part.why and part.missing for part in row.parts)
        assert all(part.value is None for part in row.parts)


def every_record(record, seeds):
    """A record for every leaf of the rules of the package."""
    rules = read_rules()
    predictors = rules.claims[-1].parts[0].predictors
    terms = [t for m in (*rules.measures.values(), *predictors) for t in m.terms]
    methods = [*rules.groups["pretrained"], "random", "moco_weak", "cross_entropy_weak"]
    rows = {}
    for term in terms:
        for name in term.sets:
            for task in term.tasks:
                for metric in term.of or (term.metric,):
                    for place, method in enumerate(methods):
                        for seed in seeds:
                            dataset = "cifar10_mini" if name == "source" else name
                            value = 20 + (place * len(metric + task) + seed) % 11
                            value -= 15 * (method == "random")
                            key = (method, seed, dataset, task, metric, str(term.settings))
                            rows[key] = record(
                                method, seed, value, task, dataset, metric,
                                settings=dict(term.settings), low=value - 0.5, high=value + 0.5,
                            )  # fmt: skip
    return list(rows.values())


def test_the_rules_of_the_package_can_be_computed_and_repeated(record, tmp_path):
    records = every_record(record, SEEDS)
    rows = decide(records, source="cifar10_mini")
    for row in rows:
        for part in row.parts:
            assert part.missing == []
            assert None not in (part.value, part.low, part.high, part.p), part.quantity
    first = write_verdicts(rows, tmp_path / "a_verdicts.jsonl").read_bytes()
    again = decide(list(records), source="cifar10_mini")
    assert write_verdicts(again, tmp_path / "b_verdicts.jsonl").read_bytes() == first
    stored = read_verdicts(tmp_path / "a_verdicts.jsonl")
    assert [row.claim for row in stored] == [row.claim for row in rows]
    assert stored[3].parts[0].value == pytest.approx(rows[3].parts[0].value, rel=1e-9)
    write_verdicts(stored, tmp_path / "c.jsonl")
    assert (tmp_path / "c.jsonl").read_bytes() == first


def test_two_seeds_are_undecided_ten_times(record):
    rows = decide(every_record(record, SEEDS[:2]), source="cifar10_mini")
    assert {row.verdict for row in rows} == {"undecided"}
    assert all("2 seeds, 3 are needed" in part.why for row in rows for part in row.parts)


def test_files_that_hold_no_verdicts_are_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"claim": "a"}\n')
    with pytest.raises(ValueError, match=r"`path` must be a file of verdicts \(line 1"):
        read_verdicts(tmp_path / "a.jsonl")
    line = '{"claim": "a", "verdict": "yes", "p": 1, "p_adjusted": 1, "why": "", "parts": []}'
    (tmp_path / "a.jsonl").write_text(line)
    with pytest.raises(ValueError, match=r"one of supported, contradicted, undecided"):
        read_verdicts(tmp_path / "a.jsonl")


# Planted faults: each must change a verdict.


def test_a_turned_sign_shows(rules_of, record):
    records = networks(record, moco=60, random=40)
    claim = [difference("moco", "random", above=1)]
    assert answers(records, rules_of(claim)) == ["supported"]
    turned = {"sets": ["eurosat"], "tasks": ["readout"], "metric": "top-1", "sign": -1}
    assert answers(records, rules_of(claim, measures={"transfer": turned})) == ["contradicted"]


def test_seeds_out_of_step_show(rules_of, record):
    records = networks(record, moco=46, random=40)
    rules = rules_of([difference("moco", "random", above=1)])
    assert answers(records, rules) == ["supported"]
    step = [r._replace(seed=(r.seed + 1) % 3) if r.method == "moco" else r for r in records]
    assert answers(step, rules) == ["undecided"]


def test_holm_left_out_shows(rules_of, record, monkeypatch):
    records = networks(record, noise=4, moco=46, random=40)
    rules = rules_of(*([difference("moco", "random", above=1)] for _ in range(10)))
    rows = verdicts(records, rules)
    assert rows[0].p < 0.05 <= rows[0].p_adjusted
    assert {row.verdict for row in rows} == {"undecided"}
    assert "after Holm's correction is not below 0.05" in rows[0].why
    monkeypatch.setitem(decide.__wrapped__.__globals__, "holm", lambda values: dict(values))
    assert set(answers(records, rules)) == {"supported"}


def test_a_margin_on_the_wrong_side_shows(rules_of, record):
    records = networks(record, moco=40.0, random=40.0)
    claims = [[difference("moco", "random", above=margin)] for margin in (-1.0, 1.0)]
    assert answers(records, rules_of(*claims)) == ["supported", "contradicted"]


def test_a_set_that_is_averaged_over_shows(rules_of, record):
    """Without its worst set a method would be better: so nothing is said."""
    records = networks(record, moco=60, random=40)
    records = [
        r._replace(value=r.value - 50) if (r.method, r.dataset) == ("moco", "flowers17") else r
        for r in records
    ]
    rules = rules_of([difference("moco", "random", above=1)])
    assert answers(records, rules) == ["contradicted"]
    for left in SEEDS:
        where = ("moco", "flowers17", left)
        rest = [r for r in records if (r.method, r.dataset, r.seed) != where]
        (row,) = verdicts(rest, rules)
        assert (row.verdict, len(row.parts[0].seeds)) == ("undecided", 2)
        assert f"missing: top-1 of readout on flowers17 for moco, seed {left}" in row.why


def test_random_weights_in_the_group_show(rules_of, record):
    records = networks(record, moco=60, supcon=62, random=20, ce=50)
    claim = [difference("contrastive", "ce", above=1)]
    group = {"contrastive": ["moco", "supcon"]}
    assert answers(records, rules_of(claim, groups=group)) == ["supported"]
    group["contrastive"].append("random")
    assert answers(records, rules_of(claim, groups=group)) == ["contradicted"]


def test_what_is_no_record_is_refused():
    call = functools.partial(decide, source="pets")
    with pytest.raises(TypeError, match="`records` must be a list of records"):
        call([3])
    with pytest.raises(TypeError, match="`differences` must be a list of records"):
        call([], ["a"])
    with pytest.raises(ValueError, match="`source` must be a text"):
        decide([], source="")
