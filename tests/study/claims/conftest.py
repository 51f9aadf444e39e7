"""Records and rules of small studies, made up."""

import copy

import pytest
import yaml

from instdisc.study.claims import read_rules
from instdisc.study.claims.rules import RULES_FILE
from instdisc.types import Record

MEASURES = {
    "source": {"sets": ["source"], "tasks": ["readout"], "metric": "top-1"},
    "transfer": {"sets": ["eurosat", "flowers17"], "tasks": ["readout"], "metric": "top-1"},
    "finetuned": {
        "sets": ["eurosat"],
        "tasks": ["finetune"],
        "metric": "top-1",
        "settings": {"reset_stages": 0},
    },
    "reset": {
        "sets": ["eurosat"],
        "tasks": ["finetune"],
        "metric": "top-1",
        "settings": {"reset_stages": 1},
    },
    "loc": {"sets": ["bccd"], "tasks": ["hoiem"], "metric": "Loc", "of": ["Loc", "Sim"]},
    "dense": {
        "ranks": [
            {"sets": ["bccd"], "tasks": ["detection"], "metric": "box AP50"},
            {"sets": ["faces68"], "tasks": ["landmarks"], "metric": "NME", "sign": -1},
        ]
    },
}
RULES = {
    "level": 0.05,
    "fewest_seeds": 3,
    "fewest_methods": 5,
    "measures": MEASURES,
    "groups": {"contrastive": ["moco", "supcon"], "all": ["a", "b", "c", "d", "e", "f"]},
}


@pytest.fixture
def rules_of(tmp_path):
    """Rules of claims, each of which is a list of parts; `more` replaces entries."""

    def make(*claims, **more):
        content = copy.deepcopy(RULES) | more
        content["claims"] = [
            {"name": f"claim{n}", "claim": "It is so.", "source": "ours", "parts": parts}
            for n, parts in enumerate(claims)
        ]
        path = tmp_path / "rules.yaml"
        path.write_text(yaml.safe_dump(content))
        return read_rules(path)

    return make


@pytest.fixture(scope="session")
def record():
    """A record of a network."""

    def make(method, seed, value, task="readout", dataset="eurosat", metric="top-1", **more):
        return Record(task, dataset, metric, float(value), method=method, seed=seed, **more)

    return make


@pytest.fixture
def content():
    """What the rules of the package hold, to be changed."""
    return yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
