"""Keys of runs stay what they were, so that stored results count on."""

import pytest

from instdisc.data.images.source import Fingerprint
from instdisc.transfer.linear.regression import PENALTIES
from instdisc.transfer.suite.plan import plan_jobs
from instdisc.transfer.suite.subjects import Subject
from instdisc.types import About, InputSpec

# Another key makes every stored result of the task be computed again: then `Task.version` rises.
KEYS = {
    "knn": ["0721124feab25ff0"],
    "linear": ["45223d7fac96972f"],
    "readout": ["8394e6c8bc752c56"],
    "linear_grid": ["277a7bc24dff8636"],
    "moco_linear": ["f30a64d80feea4d2"],
    "stages": ["4a84e3165e8c225b"],
    "few_shot": ["5e0c7ada06603c3a", "4410b0163893aca2", "88832fceab39720b"],
    "few_shot_finetune": ["64b0864d551dc5aa"],
    "finetune": ["8426e9bba403237e"],
}


class StubSet:
    """A set of images that is only a hash."""

    name = "toy"
    kinds = ("images",)

    def fingerprint(self, kind, part):
        return Fingerprint(part, True)


def keys(task, options=None):
    subject = Subject("m", About(weights="0123"), InputSpec(), lambda: None)
    offered = {"image_size": 64, "precision": "32-true", "seed": 0}
    jobs = plan_jobs([subject], [StubSet()], [task], options or {}, offered, pytest.fail)
    return [job.key for job in jobs]


@pytest.mark.parametrize("task", KEYS)
def test_keys_of_the_first_release(task):
    assert keys(task) == KEYS[task]


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("finetune", {"reset_stages": 0}),
        ("stages", {"penalties": list(PENALTIES), "tol": 1e-6, "max_iter": 1000}),
    ],
)
def test_options_that_were_added_change_no_key_at_their_defaults(task, options):
    assert keys(task, {task: options}) == KEYS[task]


def test_options_that_were_added_change_the_key_elsewhere():
    kept, reset = keys("finetune", {"finetune": {"reset_stages": [0, 1]}})  # two jobs
    assert [kept] == KEYS["finetune"] != [reset]
    others = [{"penalties": [1.0]}, {"tol": 1e-3}, {"max_iter": 10}]
    assert len({KEYS["stages"][0], *(keys("stages", {"stages": o})[0] for o in others)}) == 4
