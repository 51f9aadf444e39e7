"""The rules: those of the package, and what is refused."""

import pytest
import yaml

from instdisc.study.claims import read_rules
from instdisc.study.claims.rules import DifferencePart, PredictorPart


def test_rules_of_the_package():
    rules = read_rules()
    assert [claim.name for claim in rules.claims] == [
        *("source-is-no-guide", "low-and-middle-stages", "spread-goes-with-transfer", "exemplar"),
        *("joint-objectives", "augmentation", "localisation", "inversion", "layers-alike"),
        "cheap-predictor",
    ]
    assert (rules.level, rules.fewest_seeds, rules.fewest_methods) == (0.05, 3, 5)
    margins = [p.margin for p in rules.claims[3].parts if isinstance(p, DifferencePart)]
    assert margins == [(-1.0, "above"), (-1.0, "above"), (1.0, "above")]
    (tau,) = rules.claims[0].parts
    assert tau.margin == (0.5, "below")
    assert [term.sign for term in tau.b.ranks] == [1, 1, 1, -1]
    assert "random" not in tau.over.methods
    (kept,) = rules.claims[1].parts
    assert (kept.share, kept.least_gain, kept.base) == (0.75, 1.0, "random")
    assert (kept.kept.settings, kept.full.settings) == ({"reset_stages": 1}, {"reset_stages": 0})
    (predictor,) = rules.claims[9].parts
    assert isinstance(predictor, PredictorPart)
    assert len(predictor.predictors) == 10
    assert rules.claims[8].parts[0].a.methods == ("moco", "exemplar", "supcon", "simclr")


def part(content, claim, number=0):
    return content["claims"][claim]["parts"][number]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: c.update(levle=0.05), r"`rules: key` must be one of .*Did you mean 'level'"),
        (lambda c: c.pop("groups"), r"`rules` must be a mapping with the key 'groups'"),
        (lambda c: c.update(fewest_seeds=1), r"`fewest_seeds` must be .* at least 2"),
        (lambda c: c.update(level=1.5), r"`level` must be"),
        (lambda c: c["measures"]["source"].update(signs=1), r"`measures.source: key`.*'sign'"),
        (lambda c: c["measures"]["source"].update(sign=2), r"`measures.source.sign` must be one"),
        (lambda c: c["measures"]["source"].update(of=["Sim"]), r"with the metric 'top-1'"),
        (lambda c: c["measures"]["source"].update(sets=[]), r"`measures.source.sets` must be a"),
        (lambda c: c["groups"].update(pretrained=["contrastive"]), r"It is a group"),
        (lambda c: c["groups"].update(pretrained=["moco", "moco"]), r"stands there twice"),
        (lambda c: c["claims"].append(c["claims"][0]), r"`claims` must be .*different names"),
        (lambda c: part(c, 3).update(measure="sauce"), r"parts\[0\].measure.*'source'"),
        (lambda c: part(c, 3).update(kind="differ"), r"`claims\[3\].parts\[0\].kind` must be one"),
        (lambda c: part(c, 3).pop("kind"), r"`claims\[3\].parts\[0\].kind` must be one"),
        (lambda c: part(c, 3).update(below=1.0), r"with `above` or `below`, one of them"),
        (lambda c: part(c, 3).pop("above"), r"with `above` or `below`, one of them"),
        (lambda c: part(c, 3).update(measure="dense"), r"a measure without `ranks`"),
        (lambda c: part(c, 3).update(over="pretrained"), r"`claims\[3\].parts\[0\]: key` must be"),
        (lambda c: part(c, 5, 1).update(a=["moco"]), r"`claims\[5\].parts\[1\].a` must be a list"),
        (lambda c: part(c, 1).update(kept="source"), r"on the sets, tasks and metric of 'fine"),
        (lambda c: part(c, 1).update(share=1.5), r"`claims\[1\].parts\[0\].share` must be"),
        (lambda c: part(c, 9).update(than="nothing"), r"`claims\[9\].parts\[0\].than` must be"),
        (lambda c: part(c, 9).update(predictors={}), r"predictors` must be a list of at least"),
    ],
)
def test_faults_are_refused_by_their_place(content, tmp_path, change, match):
    change(content)
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=match):
        read_rules(path)


def test_other_types_are_refused(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("- a list")
    with pytest.raises(TypeError, match="`rules` must be a mapping"):
        read_rules(path)
    path.write_text("a: [")
    with pytest.raises(ValueError, match="`path` must be a YAML file"):
        read_rules(path)
