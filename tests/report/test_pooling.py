"""What stands in one cell: seeds, and nothing else."""

import math

import pytest
from scipy import stats

from instdisc.report.grid import make_grid
from instdisc.types import Record

VIEW = {"size": 224, "resize": 256, "mean": [0.5, 0.5, 0.5]}


def record(value, method="MoCo", seed=0, half=1.0, **fields):
    fields = {"view": VIEW, "settings": {"k": 20}, "weights": "ab", "n": 600} | fields
    return Record(
        *("knn", "pets", "top-1", value),
        low=value - half,
        high=value + half,
        interval="Wilson, 600 images",
        method=method,
        seed=seed,
        **fields,
    )


def cells(records):
    """Text of each cell by the labels of method and variant."""
    grid = make_grid(records)
    return {
        (grid.methods[method], grid.results[place].variant): cell.text
        for (method, place), cell in grid.cells.items()
    }


# Seeds.


def test_seeds_are_a_mean_with_its_t_interval():
    values = [70.0, 71.0, 75.0]
    grid = make_grid([record(v, seed=s) for s, v in enumerate(values)])
    pooled = grid.cells[0, 0].pooled
    mean = sum(values) / 3
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / 2)
    half = stats.t.ppf(0.975, 2) * deviation / math.sqrt(3)
    assert pooled.value == pytest.approx(mean)
    assert (pooled.low, pooled.high) == pytest.approx((mean - half, mean + half))
    assert pooled.interval == "t over 3 seeds"
    assert grid.cells[0, 0].text == "72.0 ± 6.6"  # half their range would be 2.5
    assert grid.notes == ["± and [ ]: 95 % intervals: t over 3 seeds."]


def test_two_seeds_show_both_values():
    grid = make_grid([record(55.9, seed=1), record(54.1, seed=0)])
    assert grid.cells[0, 0].text == "54.1, 55.9"
    assert grid.cells[0, 0].pooled.low is None
    assert grid.cells[0, 0].pooled.value == pytest.approx(55.0)
    assert grid.notes == ["Two values: of 2 seeds."]


def test_seeds_that_change_nothing_keep_the_interval_of_the_record():
    grid = make_grid([record(83.3, seed=s) for s in range(3)])
    assert grid.cells[0, 0].text == "83.3 ± 1.0"
    assert grid.notes == [
        "± and [ ]: 95 % intervals: Wilson, 600 images.",
        "The same value for each of 3 seeds, as it is: knn top-1 of MoCo.",
    ]


def test_one_seed_twice_is_no_second_seed():
    assert cells([record(50.0), record(50.0)]) == {("MoCo", ""): "50.0 ± 1.0"}
    # The newest of one seed counts, by its date or else by its place, and the table says so.
    old, new = record(40.0, date="2026-01-01"), record(50.0, date="2026-02-01")
    for records in ([old, new], [new, old]):
        grid = make_grid(records)
        assert grid.cells[0, 0].text == "50.0 ± 1.0"
        assert grid.notes[-1] == (
            "Not shown: 1 earlier result of a seed that has a newer one, e.g. 40 of MoCo, knn "
            "top-1 on pets, seed 0, of 2026-01-01."
        )
    grid = make_grid([record(40.0), record(50.0)])
    assert grid.cells[0, 0].text == "50.0 ± 1.0"
    assert grid.notes[-1].startswith("Not shown: 1 earlier result of a seed")


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty": 1.0, "gradient": 1e-9},  # with its list below
        {"episode_seed": 3, "episodes_digest": "ab"},
        {"epoch": 7},
        {"per_point": {"left eye": 3.0}, "curve": {"share": [1.0]}, "points_not_counted": 4},
        {"pretraining_seconds": 12.0, "seconds": 3.0, "job": "ab", "job_records": 3},
        {"num_workers": 4, "device": "cuda", "predictions": "predictions/ab.npz"},
        {"pretraining": {"epochs": 100, "seed": 5}},
    ],
)
def test_what_a_run_chooses_or_measures_does_not_part_its_seeds(settings):
    def own(seed):
        vary = {
            name: value if name == "pretraining" else (value, seed)
            for name, value in settings.items()
        }
        penalties = [
            {"penalty": p, "validation": 50.0 + seed * p, "iterations": seed, "gradient": seed}
            for p in (0.1, 1.0)
        ]
        if "pretraining" in vary:
            vary["pretraining"] = {"epochs": 100, "seed": seed}
        return record(50.0 + seed, seed=seed, settings={"k": 20, "penalties": penalties, **vary})

    assert list(cells([own(seed) for seed in range(3)])) == [("MoCo", "")]


def test_the_recipe_that_a_grid_chose_does_not_part_its_seeds_but_another_grid_does():
    def own(seed, rates=(0.1, 0.01)):
        grid = [{"learning_rate": r, "validation": 50.0 + seed * r} for r in rates]
        settings = {"learning_rate": rates[seed % 2], "grid": grid, "epochs": 50}
        return record(50.0 + seed, seed=seed, settings=settings)

    assert list(cells([own(0), own(1), own(2)])) == [("MoCo", "")]
    assert len(cells([own(0), own(1), own(2, (0.1, 1.0))])) == 2
    # A rate that was asked for, without a grid, is another thing.
    plain = [record(50.0 + s, seed=s, settings={"learning_rate": 0.1 * s}) for s in range(3)]
    assert len(cells(plain)) == 3


# What differs stands apart.


def test_few_shot_at_two_views_is_two_results():
    wide = {**VIEW, "resize": 257, "keep_aspect": False}
    narrow = {**VIEW, "keep_aspect": True}
    records = [record(50.0, seed=0, view=narrow), record(60.0, seed=1, view=wide)]
    assert cells(records) == {
        ("MoCo", "224 px, resize 256, not squeezed"): "50.0 ± 1.0",
        ("MoCo", "224 px, resize 257, squeezed"): "60.0 ± 1.0",
    }


@pytest.mark.parametrize(
    ("one", "other", "labels"),
    [
        ({"settings": {"k": 20}}, {"settings": {"k": 200}}, ["k 20", "k 200"]),
        ({"settings": {}}, {"settings": {"k": 200}}, ["k not given", "k 200"]),
        ({"settings": {"k": None}}, {"settings": {"k": 0}}, ["k null", "k 0"]),
        ({"view": {"size": 224}}, {"view": {"size": 96}}, ["224 px", "96 px"]),
        (
            {"view": {"size": 224}, "settings": {"image_size": 224}},
            {"view": {"size": 96}, "settings": {"image_size": 96}},
            ["224 px", "96 px"],
        ),
        (
            {"settings": {"recipe": {"rate": 0.1, "epochs": 5}}},
            {"settings": {"recipe": {"rate": 0.1, "epochs": 9}}},
            ["epochs 5", "epochs 9"],
        ),
        ({"n": 100}, {"n": 25}, ["n = 100", "n = 25"]),
        (
            {"higher_is_better": True},
            {"higher_is_better": False},
            ["higher is better", "lower is better"],
        ),
        (
            {"versions": {"instdisc": "0.1.0"}},
            {"versions": {"instdisc": "0.2.0"}},
            ["release 0.1.0", "release 0.2.0"],
        ),
        (
            {"settings": {"labels_digest": "aa"}},
            {"settings": {"labels_digest": "bb"}},
            ["labels digest aa", "labels digest bb"],
        ),
        ({"settings": {"flip": True}}, {"settings": {"flip": False}}, ["flip", "no flip"]),
    ],
)
def test_records_that_differ_are_never_averaged(one, other, labels):
    for seed in (0, 1):
        shown = cells([record(50.0, **one), record(60.0, seed=seed, **other)])
        assert shown == {("MoCo", labels[0]): "50.0 ± 1.0", ("MoCo", labels[1]): "60.0 ± 1.0"}


def test_a_record_is_the_same_before_and_after_it_is_written():
    settings = {"steps": (1, 2), "grid": [{"rates": (0.1,), "validation": 5.0}], "of": {"a": (1,)}}
    records = [record(50.0 + s, seed=s, settings=settings, view={"size": 9}) for s in range(3)]
    records[0] = Record.from_json(records[0].to_json())
    assert len(cells(records)) == 1


def test_two_lists_of_episodes_under_one_seed_are_two_results():
    lists = [
        record(50.0 + n, seed=0, settings={"episode_seed": 0, "episodes_digest": digest})
        for n, digest in enumerate(["ab", "cd"])
    ]
    assert cells(lists) == {
        ("MoCo", "episodes digest ab"): "50.0 ± 1.0",
        ("MoCo", "episodes digest cd"): "51.0 ± 1.0",
    }


def test_a_label_tells_only_what_differs_and_stays_short_and_unique():
    many = [
        record(float(n), settings={f"s{i}": 1 for i in range(12)} | {"s3": n, "long": "x" * 90})
        for n in range(3)
    ]
    assert [label for _, label in cells(many)] == ["s3 0", "s3 1", "s3 2"]
    recipes = [record(float(n), settings={f"s{i}": n for i in range(12)}) for n in range(2)]
    assert [label for _, label in cells(recipes)] == [
        "s0 0, s1 0, s2 0, s3 0 and 8 more",
        "s0 1, s1 1, s2 1, s3 1 and 8 more",
    ]
    # All pairs differ, though no four settings tell all from each other.
    bits = [record(float(n), settings={f"s{i}": n >> i & 1 for i in range(6)}) for n in range(64)]
    assert len({label for _, label in cells(bits)}) == 64


def test_seeds_are_pooled_within_each_view():
    records = [
        record(50.0 + seed + 10 * (size == 96), seed=seed, view={"size": size})
        for seed in range(3)
        for size in (224, 96)
    ]
    assert cells(records) == {("MoCo", "224 px"): "51.0 ± 2.5", ("MoCo", "96 px"): "61.0 ± 2.5"}


def test_what_differs_between_methods_is_told():
    grid = make_grid(
        [
            record(50.0, "MoCo"),
            record(60.0, "CLIP", view={**VIEW, "size": 336}),
            record(55.0, "random"),
        ]
    )
    assert [result.variant for result in grid.results] == [""]
    assert grid.notes[-1] == (
        "Not the same for all methods in knn top-1 on pets: MoCo and random: 224 px; CLIP: 336 px."
    )


def test_results_on_other_images_share_no_row_whoever_they_are_of():
    shown = cells([record(50.0, "a", n=100), record(60.0, "b", n=25), record(55.0, "c", n=0)])
    assert list(shown) == [("a", "n = 100"), ("b", "n = 25"), ("c", "n not given")]
    # An n that is not told is no sign of another set.
    assert len({v for _, v in cells([record(50.0, "a"), record(55.0, "c", n=0)])}) == 1


def test_units_tasks_and_sets_are_results_of_their_own():
    records = [
        record(50.0),
        record(60.0, seed=1)._replace(unit="px"),
        record(60.0, seed=1)._replace(task="linear"),
        record(60.0, seed=1)._replace(metric="ECE"),
        record(60.0, seed=1)._replace(dataset="cars"),
    ]
    assert len(make_grid(records).results) == 5


# Methods and checkpoints.


def test_architectures_of_one_name_are_columns():
    records = [
        record(50.0, architecture="resnet18", weights="a", parameters=11),
        record(60.0, architecture="resnet50", weights="b", parameters=23, seed=1),
        record(40.0, "random", architecture="resnet50", weights="c"),
    ]
    assert [method for method, _ in cells(records)] == [
        "MoCo (resnet18)",
        "MoCo (resnet50)",
        "random",
    ]


def test_other_options_of_one_architecture_are_columns():
    records = [
        record(50.0, architecture="vit", weights="a", parameters=5_000_000),
        record(60.0, architecture="vit", weights="b", parameters=6_000_000, seed=1),
    ]
    assert [method for method, _ in cells(records)] == [
        "MoCo (vit 5,000,000 parameters)",
        "MoCo (vit 6,000,000 parameters)",
    ]


def test_another_pretraining_under_one_name_is_a_column():
    records = [
        record(50.0, "mine", pretraining="MoCoModule", weights="a"),
        record(60.0, "mine", pretraining="SupConModule", weights="b", seed=1),
    ]
    assert [m for m, _ in cells(records)] == ["mine (MoCoModule)", "mine (SupConModule)"]


def test_checkpoints_with_a_seed_each_are_seeds_of_the_pretraining():
    records = [
        record(50.0 + s, seed=s, weights=f"w{s}", checkpoint=f"runs/{s}.safetensors")
        for s in range(3)
    ]
    grid = make_grid(records)
    assert grid.cells[0, 0].text == "51.0 ± 2.5"
    assert grid.notes == ["± and [ ]: 95 % intervals: t over 3 checkpoints."]
    assert make_grid(records[:2]).notes == ["Two values: of 2 checkpoints."]


@pytest.mark.parametrize(
    "seeds",
    [
        [0, 0],  # one seed, two checkpoints
        [0, 1, 0, 1],  # each checkpoint with each seed
        [0, 0, 1],  # a checkpoint has two seeds: three values are not three checkpoints
    ],
)
def test_other_checkpoints_of_one_name_are_columns_named_by_their_file(seeds):
    files = ["runs/a/last.ckpt", "runs/b/last.ckpt", "runs/a/last.ckpt", "runs/a/last.ckpt"]
    if len(seeds) == 4:
        files = ["runs/a/last.ckpt"] * 2 + ["runs/b/last.ckpt"] * 2
    records = [
        record(50.0 + place, seed=seed, weights=f"weights of {file}", checkpoint=file)
        for place, (seed, file) in enumerate(zip(seeds, files, strict=False))
    ]
    assert {method for method, _ in cells(records)} == {"MoCo (a/last.ckpt)", "MoCo (b/last.ckpt)"}


def test_weights_without_a_file_or_under_one_name_are_told_by_their_hash():
    records = [
        record(50.0, weights="aaaaaaaaaaaa"),
        record(51.0, weights="bbbbbbbbbbbb"),
        record(52.0, weights="cccccccccccc", checkpoint="x.ckpt"),
        record(53.0, weights="dddddddddddd", checkpoint="x.ckpt"),
    ]
    assert [method for method, _ in cells(records)] == [
        "MoCo (weights aaaaaaaa)",
        "MoCo (weights bbbbbbbb)",
        "MoCo (x.ckpt, weights cccccccc)",
        "MoCo (x.ckpt, weights dddddddd)",
    ]


def test_equal_weights_in_two_files_are_one_checkpoint():
    records = [record(50.0 + s, seed=s, checkpoint=f"copy{s}.ckpt") for s in range(3)]
    assert make_grid(records).notes == ["± and [ ]: 95 % intervals: t over 3 seeds."]


def test_old_records_are_told_apart_by_their_file():
    records = [record(50.0 + s, seed=0, weights="", checkpoint=f"{s}.ckpt") for s in range(2)]
    assert [method for method, _ in cells(records)] == ["MoCo (0.ckpt)", "MoCo (1.ckpt)"]


def test_a_method_that_is_named_like_another_with_its_architecture():
    records = [
        record(50.0, "A", architecture="r18", weights="a"),
        record(60.0, "A", architecture="r50", weights="b"),
        record(70.0, "A (r18)", weights="c", seed=1),
    ]
    labels = [method for method, _ in cells(records)]
    assert len(set(labels)) == 3
    assert labels[1] == "A (r50)"


def test_a_method_without_a_name():
    assert list(cells([record(50.0, "", architecture="r18")])) == [("r18", "")]
    assert list(cells([record(50.0, "")])) == [("unnamed", "")]


def test_what_a_run_measured_or_chose_is_no_difference_of_protocol():
    probe = {"penalties": [0.1, 1.0, 10.0], "train": 2000}
    chosen = [
        record(1.0, method=f"M{number}", settings={**probe, "penalty": penalty, "base": base})
        for number, (penalty, base) in enumerate([(0.1, 0.97), (10.0, 0.95)])
    ]
    assert not any("Not the same" in note for note in make_grid(chosen).notes)
    given = [r._replace(settings={"penalty": r.settings["penalty"]}) for r in chosen]
    assert any("penalty 0.1" in note for note in make_grid(given).notes)
