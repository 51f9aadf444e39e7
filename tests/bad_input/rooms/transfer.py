"""Tasks on features and images, their records, and suites of them."""

import torch

from instdisc import Scenes
from instdisc.records import Run
from instdisc.transfer import EpisodeRecipe, Features, Recipe, evaluate_knn
from instdisc.types import About, Record

from .. import sorts
from ..calls import Call
from ..documented import documented, written
from ..sorts import LABELS, OBJECT, number, optional, sequence, tensor, whole

HERE = "instdisc.transfer"
POSITIVE, SHARE = sorts.POSITIVE, sorts.SHARE


def spoil(**values) -> dict:
    return {kind: lambda good, of=part: good._replace(**of(good)) for kind, part in values.items()}


# One table of features, wrong in each of its parts.
FEATURES = OBJECT.also(
    **spoil(
        float_labels=lambda good: {"labels": good.labels.float()},
        flags_for_labels=lambda good: {"labels": good.labels > 0},
        column_of_labels=lambda good: {"labels": good.labels[:, None]},
        too_few_labels=lambda good: {"labels": good.labels[1:]},
        labels_below=lambda good: {"labels": good.labels - 9},
        no_label=lambda good: {"labels": torch.full_like(good.labels, -1)},
        nan_row=lambda good: {"features": good.features * torch.nan},
        whole_features=lambda good: {"features": good.features.long()},
        flat_features=lambda good: {"features": good.features[:, 0]},
        no_row=lambda good: {"features": good.features[:0], "labels": good.labels[:0]},
        no_column=lambda good: {"features": good.features[:, :0]},
        too_few_names=lambda good: {"names": ["a"]},
    )
)
TRAIN = FEATURES.also(**spoil(one_class=lambda good: {"labels": torch.zeros_like(good.labels)}))
TEST = FEATURES.also(
    **spoil(
        width=lambda good: {"features": good.features[:, 1:]},
        another_class=lambda good: {"labels": good.labels + 99},
    )
)
SHOTS = sequence(whole(1)).also(too_many=[10**6])
EPISODES = whole(1)
GRID = sequence(OBJECT.without("list")).also(
    zero_rate=lambda good: [good[0]._replace(learning_rate=0.0)],
    nan_decay=lambda good: [good[0]._replace(weight_decay=torch.nan)],
    no_batch=lambda good: [good[0]._replace(batch_size=0)],
)
SHARES = sequence(number(above=0, below=1), empty=True).also(falling=[0.75, 0.5])
DEVICES = whole(1).without("text", "list").also(none=[], text="two")
RECIPE = OBJECT.without("list")
GPUS = OBJECT.without("list")
SCENES = Scenes(12, image_size=32, num_categories=2)


def run() -> Run:
    return Run(About("mine", dataset="toy"))


def record() -> Record:
    return evaluate_knn(*[Features(torch.eye(3), torch.arange(3))] * 2)


CALLS: list[Call] = [
    *documented(HERE, "evaluate_knn", "evaluate_linear", train=TRAIN, test=TEST),
    *documented(
        HERE,
        *("evaluate_readout", "fit_readout"),
        train=TRAIN,
        test=TEST,
        validation=optional(OBJECT),
        penalties=sequence(POSITIVE),
        num_classes=optional(whole(1)),
        folds=whole(1).also(too_many=10**6),
    ),
    *documented(
        HERE,
        *("evaluate_few_shot", "evaluate_base_and_novel"),
        features=FEATURES.without("no_label", "labels_below"),  # unknown, and so left out
        base_train=TRAIN,
        base_validation=TEST,
        novel=OBJECT,
        shots=SHOTS,
        episodes=EPISODES,
        classes=sequence(sorts.TEXT, empty=True).also(too_few=["a"]),
        ways=whole(1).also(too_many=99),
        queries=whole(1).also(too_many=10**6),
    ),
    *documented(
        HERE,
        "fit_softmax_path",
        penalties=sequence(POSITIVE),
        labels=LABELS.also(beyond=lambda good: good + 9, below=lambda good: good - 9),
    ),
    *documented(
        HERE,
        "fit_episode_logistic",
        labels=LABELS.also(below=lambda good: good - 9, one_class=lambda good: good * 0),
        max_iter=whole(2),
    ),
    *documented(
        HERE,
        *("evaluate_linear_grid", "finetune"),
        grid=GRID,
        milestones=SHARES,
        devices=DEVICES,
        precision=sorts.choice(),
        accelerator=sorts.choice(),
        last_stages=optional(whole(0).also(too_many=99)),
        reset_stages=whole(0).also(too_many=99),
        per_class=optional(whole(1).also(too_many=10**6)),
    ),
    *documented(
        HERE,
        *("evaluate_moco_linear", "evaluate_stages"),
        probes=sequence(sorts.choice()),
        penalties=sequence(POSITIVE),
        folds=whole(1),
    ),
    *documented(
        HERE,
        "finetune_few_shot",
        shots=SHOTS,
        episodes=EPISODES,
        recipe=RECIPE,
        last_stages=optional(whole(0).also(too_many=99)),
    ),
    *documented(HERE, "extract_features", "extract_stages", "islam_test_policy"),
    *documented(HERE, "cached_features", folder=sorts.PATH),
    *documented(
        HERE,
        "bootstrap_records",
        statistics=OBJECT,
        columns=sequence(OBJECT.without("tensor")),
        lower=OBJECT.without("list", "mapping", "tensor"),
    ),
    *documented(HERE, "confidence_records"),
    *documented(
        HERE,
        "score_records",
        logits=tensor(finite=True).also(other_length=lambda good: good[1:]),
        labels=LABELS.also(beyond=lambda good: good + 9, unknown=lambda good: good * 0 - 1),
        names=sequence(sorts.TEXT, empty=True),
        validation=optional(OBJECT),
    ),
    *documented(HERE, "job_key", "run_key"),
    *documented(HERE, "save_predictions", columns=OBJECT, path=optional(sorts.PATH)),
    written(
        f"{HERE}.read_predictions",
        lambda: {"path": _kept()},
        path=sorts.PATH,
        # An array that the file lacks is no mistake: then nothing is read.
        needed=sequence(sorts.TEXT, empty=True),
    ),
    written(
        f"{HERE}.Features",
        lambda: {"features": torch.eye(3), "labels": torch.arange(3)},
        features=OBJECT.without("tensor"),
        labels=OBJECT.without("tensor"),
        names=OBJECT.without("list", "tensor"),
    ),
    written(f"{HERE}.Recipe", lambda: Recipe(0.1, 8, 0.0)._asdict()),
    written(
        f"{HERE}.EpisodeRecipe",
        lambda: EpisodeRecipe()._asdict(),
        backbone_rate=sorts.NOT_NEGATIVE,
        dampening=SHARE,
        momentum=number(at_least=0, below=1),
    ),
    *documented(
        HERE,
        "run_suite",
        tasks=sequence(sorts.choice()),
        options=optional(OBJECT.without("mapping")).also(
            unknown_task={"none-such": {}},
            unknown_option={"knn": {"none_such": 3}},
            nan={"knn": {"temperature": torch.nan}},
            text={"knn": {"k": "20"}},
            zero={"knn": {"k": 0}},
            flag={"knn": {"k": True}},
            list={"knn": {"k": [20]}},
            protocol={"few_shot": {"protocol": "none"}},
            file={"few_shot": {"episodes_file": 3}},
        ),
        precision=sorts.choice(),
        data_root=sorts.PATH,
        cache=optional(sorts.PATH),
        results=sorts.PATH.also(folder="/"),
        executor=optional(OBJECT),
    ),
    *documented(HERE, "Processes", num_workers=optional(whole(1)), devices=optional(GPUS)),
]


def _kept() -> str:
    import tempfile

    from instdisc.transfer import save_predictions

    path = f"{tempfile.mkdtemp()}/kept.npz"
    save_predictions(path, {"image": ["a"]})
    return path


EXEMPT = {
    f"{HERE}.Task": "entries of a suite's table, which looks at their options",
    **dict.fromkeys(
        [
            *(f"{HERE}.Kept", f"{HERE}.Missing", f"{HERE}.SuiteRecords", f"{HERE}.Readout"),
            *(f"{HERE}.SoftmaxPath", f"{HERE}.EpisodeLogistic"),
        ],
        "a result that the tasks give back",
    ),
    f"{HERE}.Executor": "what others make, which `run_suite` asks for its `submit`",
    f"{HERE}.store_run": "writes what `run_key` and `save_predictions` take",
}
