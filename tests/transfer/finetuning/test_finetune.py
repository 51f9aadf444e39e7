"""Fine-tuning: what trains, what stays, what is selected on what, and what is reported."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from instdisc.data import ImageSource, ImageSubset, Scenes, StratifiedSubset
from instdisc.models import Backbone
from instdisc.transfer import finetune
from instdisc.transfer.finetuning.module import FineTuner, freeze_first_stages
from instdisc.transfer.finetuning.stages import last_stage_names, reset_last_stages
from instdisc.transfer.linear.heads import Recipe
from instdisc.transfer.tuning import labelled_sets, tuning_split
from instdisc.types import About, Views

ONE = [Recipe(0.01, 4, 0.0)]
ABOUT = {"about": About("random", dataset="toy"), "image_size": 32, "accelerator": "cpu"}


class Colours(ImageSource):
    """Red and blue noise: learnt in a few steps."""

    name, classes = "colours", ("red", "blue", "green")

    def __init__(self, count=24, num_classes=2):
        self.labels = torch.arange(count) % num_classes

    def read(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(0, 120, (3, 32, 32), dtype=torch.uint8, generator=generator)
        image[self.labels[index]] += 120
        return image


def backbone():
    return Backbone("test_resnet")


def module(last_stages=None, epochs=50, **options):
    return FineTuner(
        options.pop("backbone", None) or backbone(),
        2,
        learning_rate=0.1,
        weight_decay=0.0,
        epochs=epochs,
        last_stages=last_stages,
        on_epoch=lambda: None,
        **options,
    )


SCORES = [
    *("top-1", "mean per class", "ECE", "RMS calibration error", "AURRA", "Brier score", "NLL"),
]


def state(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def test_learns_and_leaves_the_backbone_as_it_was():
    net = backbone().train()
    before = state(net)
    records = finetune(net, Colours(), Colours(20), grid=ONE, epochs=4, test_every=2, **ABOUT)
    assert [r.metric for r in records] == [*SCORES, "top-1, best epoch"]
    assert records[0].value > 90
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert net.training
    assert {r.task for r in records} == {"finetune"}
    assert records[0].settings["train"] == 24
    assert records[0].n == 20
    assert records[0].settings["epoch"] == 4
    assert records[0].settings["tune_epochs"] == 0


def test_last_and_best_epoch_are_reported_apart():
    # At such a rate the last epoch is hardly ever the best.
    records = finetune(
        backbone(), Colours(), Colours(21), grid=[Recipe(2.0, 4, 0.0)], epochs=7, test_every=2,
        **ABOUT,
    )  # fmt: skip
    last, best = records[0], records[-1]
    assert last.settings["epoch"] == 7  # tested though it is no multiple of two
    assert best.settings["epoch"] in (2, 4, 6, 7)
    assert best.value >= last.value


def test_grid_is_scored_on_a_part_of_the_training_set_alone():
    seen = []

    class Watched(Colours):
        def read(self, index):
            seen.append((self.tag, index))
            return super().read(index)

    train, test = Watched(), Watched(20)
    train.tag, test.tag = "train", "test"
    told = []
    records = finetune(
        backbone(), train, test, grid=[Recipe(0.1, 4, 0.0), Recipe(1e-6, 4, 0.0)], tune_epochs=2,
        epochs=1, progress=lambda done, total: told.append((done, total, set(seen))), **ABOUT,
    )  # fmt: skip
    assert [(done, total) for done, total, _ in told] == [(i, 5) for i in range(1, 6)]
    # The test set is not looked at before the grid is decided: the fourth epoch ends the grid.
    assert {tag for tag, _ in told[3][2]} == {"train"}
    settings = records[0].settings
    assert [point["learning_rate"] for point in settings["grid"]] == [0.1, 1e-6]
    values = [point["validation"] for point in settings["grid"]]
    assert settings["learning_rate"] == [0.1, 1e-6][values.index(max(values))]


def test_the_same_seed_gives_the_same_result_and_draws_nothing_from_outside():
    kwargs = {"grid": ONE, "epochs": 1, "seed": 3, **ABOUT}
    torch.manual_seed(1)
    first = finetune(backbone_of(0), Colours(), Colours(), **kwargs)
    after = torch.rand(1)
    torch.manual_seed(2)
    again = finetune(backbone_of(0), Colours(), Colours(), **kwargs)
    assert [r.value for r in first] == [r.value for r in again]
    torch.manual_seed(1)
    backbone_of(0)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))


def backbone_of(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return backbone()


@pytest.mark.parametrize(
    ("name", "last_stages", "trained"),
    [
        ("test_resnet", 2, {"layer3", "layer4"}),
        ("test_resnet", 4, {"layer1", "layer2", "layer3", "layer4"}),
        ("test_resnet", 0, set()),
        ("test_vit", 1, {"blocks.5", "norm"}),
        ("test_efficientnet", 1, {"blocks.4", "conv_head", "bn2"}),
    ],
)
def test_last_stages_train_with_what_follows_them(name, last_stages, trained):
    net = Backbone(name)
    freeze_first_stages(net, last_stages)
    names = [key for key, weight in net.net.named_parameters() if weight.requires_grad]
    found = {".".join(key.split(".")[: 2 if key.startswith("blocks") else 1]) for key in names}
    assert found == trained


def test_frozen_stages_are_in_eval_mode_and_do_not_move():
    tuner = module(last_stages=1)
    norms = {
        name: layer.training
        for name, layer in tuner.backbone.net.named_modules()
        if isinstance(layer, nn.BatchNorm2d)
    }
    assert norms["bn1"] is norms["layer3.0.bn1"] is False
    assert norms["layer4.0.bn1"] is True
    assert tuner.head.training
    tuner.check_frozen()
    with torch.no_grad():
        tuner.backbone.net.layer1[0].bn1.running_mean += 1
    with pytest.raises(
        RuntimeError, match="the frozen 'net.layer1.0.bn1.running_mean' of 'test_resnet' moved"
    ):
        tuner.check_frozen()


def test_frozen_parts_of_a_training_module_are_checked_too():
    tuner = FineTuner(
        Backbone("test_vit"), 2, learning_rate=0.1, weight_decay=0.0, epochs=1, last_stages=1,
        on_epoch=lambda: None,
    )  # fmt: skip
    with torch.no_grad():
        tuner.backbone.net.pos_embed += 1
    with pytest.raises(RuntimeError, match="the frozen 'net.pos_embed' of 'test_vit' moved"):
        tuner.check_frozen()


def test_given_mode_does_not_matter():
    kwargs = {"grid": ONE, "epochs": 1, **ABOUT}
    values = []
    for mode in (True, False):
        net = backbone_of(0).train(mode)
        values.append([r.value for r in finetune(net, Colours(), Colours(), **kwargs)])
        assert net.training is mode
    assert values[0] == values[1]


def test_frozen_stages_pass_the_check_in_training():
    records = finetune(backbone(), Colours(), Colours(), grid=ONE, epochs=1, last_stages=1, **ABOUT)
    assert records[0].settings["last_stages"] == 1


@pytest.mark.parametrize(
    ("name", "count", "drawn"),
    [
        ("test_resnet", 1, {"layer4"}),
        ("test_resnet", 3, {"layer2", "layer3", "layer4"}),
        ("test_vit", 1, {"blocks.5", "norm"}),
    ],
)
def test_reset_stages_begin_anew_and_the_others_stay(name, count, drawn):
    net = Backbone(name)
    with torch.no_grad():  # as after a training: no weight is where it began
        for value in net.state_dict().values():
            value.add_(1)
    before = state(net.net)
    outside = torch.get_rng_state()
    after = reset(net, count, seed=3)
    assert torch.equal(torch.get_rng_state(), outside)
    changed = {key for key in before if not torch.equal(after[key], before[key])}
    assert changed == {
        key for key in before if any(key.startswith(part + ".") for part in drawn)
    } == set(last_stage_names(net, count))  # fmt: skip
    # As a new network begins: the same deviations, and batch norm that has seen nothing.
    fresh = Backbone(name).net.state_dict()
    for key in changed:
        assert after[key].shape == fresh[key].shape
        if after[key].numel() > 999:
            assert float(after[key].std()) == pytest.approx(float(fresh[key].std()), rel=0.2)
        elif fresh[key].double().std(correction=0) == 0:  # norms, biases, running statistics
            assert torch.equal(after[key], fresh[key])
    again, other = reset(net, count, seed=3), reset(net, count, seed=4)
    assert all(torch.equal(again[key], after[key]) for key in after)
    assert {key for key in changed if not torch.equal(other[key], after[key])}
    # No return to the first weights of a run of this seed.
    torch.manual_seed(3)
    first = Backbone(name).net.state_dict()
    drawn_weights = [key for key in changed if after[key].ndim > 1]
    assert drawn_weights
    assert not any(torch.equal(first[key], after[key]) for key in drawn_weights)


def reset(net, count, seed):
    copied = copy.deepcopy(net)
    reset_last_stages(copied, count, seed=seed)
    return state(copied.net)


def test_without_a_reset_nothing_is_drawn_and_with_one_the_head_is_the_same():
    net = backbone_of(0)
    tuners = []
    for options in ({}, {"reset_stages": 0, "seed": 5}, {"reset_stages": 1, "seed": 5}):
        torch.manual_seed(1)
        tuners.append(module(backbone=net, epochs=1, **options))
    plain, none, last = (state(tuner) for tuner in tuners)
    assert all(torch.equal(none[key], plain[key]) for key in plain)
    moved = {key.split(".")[2] for key in plain if not torch.equal(last[key], plain[key])}
    assert moved == {"layer4"}


def test_a_reset_is_trained_from_and_stands_in_the_records():
    net = backbone_of(0)
    before = state(net)
    kwargs = {"grid": [Recipe(1e-6, 4, 0.0)], "epochs": 1, "seed": 2, **ABOUT}
    records = finetune(net, Colours(), Colours(), reset_stages=1, **kwargs)
    assert records[0].settings["reset_stages"] == 1
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    # At such a rate the training hardly moves the weights.
    wanted, got = reset(net, 1, seed=2), records.backbone.net.state_dict()
    weight = "layer4.0.conv1.weight"
    torch.testing.assert_close(got[weight], wanted[weight], atol=1e-3, rtol=0)
    assert not torch.allclose(got[weight], net.net.state_dict()[weight], atol=1e-2)


def test_a_backbone_that_its_spec_does_not_build_is_not_reset():
    class Wider(Backbone):
        @property
        def spec(self):
            return {**super().spec, "in_chans": 4}

    with pytest.raises(ValueError, match="`reset_stages` must be 0 for a Wider, which its `spec`"):
        reset_last_stages(Wider("test_resnet"), 1, seed=0)


def test_rate_falls_at_half_and_three_quarters():
    for epochs, milestones in ((50, [25, 37]), (20, [10, 15])):  # Islam et al.
        schedule = module(epochs=epochs).configure_optimizers()["lr_scheduler"]["scheduler"]
        assert sorted(schedule.milestones) == milestones
        assert schedule.gamma == 0.1


def test_head_has_affine_batch_norm():
    norm, linear = module().head
    assert norm.affine
    assert (norm.num_features, linear.in_features, linear.out_features) == (96, 96, 2)


def test_a_batch_of_one_image_is_refused():
    """As of 2 images on 2 devices; a `grid` of one image a batch is refused before."""
    batch = Views([torch.randn(1, 3, 32, 32)], torch.tensor([0]), torch.tensor([0]))
    with pytest.raises(ValueError, match="`batch_size` must be at least 2, since batch norm"):
        module().training_step(batch, 0)


@pytest.mark.parametrize(
    ("few", "count"), [({"share": 0.25}, 6), ({"per_class": 2}, 4), ({"share": 0.01}, 2)]
)
def test_few_labels(few, count):
    records = finetune(backbone(), Colours(), Colours(), grid=ONE, epochs=1, **few, **ABOUT)
    assert records[0].settings["train"] == count


def test_tuning_split_is_islams():
    tried, scored = tuning_split(Colours(10), seed=4)
    order = np.random.RandomState(4).permutation(10)
    assert tried.positions.tolist() == sorted(order[:7])
    assert scored.positions.tolist() == sorted(order[7:])


def test_images_of_unknown_class_are_left_out():
    train = Colours()
    train.labels[:5] = -1
    known, _ = labelled_sets(train, Colours())
    assert len(known) == 19
    assert int(known.labels.min()) == 0


def test_a_small_draw_is_part_of_a_large_one():
    few = StratifiedSubset(Colours(40), per_class=3, seed=1).positions.tolist()
    more = StratifiedSubset(Colours(40), 0.5, seed=1).positions.tolist()
    assert set(few) < set(more)
    other = StratifiedSubset(Colours(40), per_class=3, seed=2).positions.tolist()
    assert few != other
    for both in ({}, {"share": 0.5, "per_class": 1}):
        with pytest.raises(ValueError, match="give either `share` or `per_class`"):
            StratifiedSubset(Colours(), **both)


GOOD = Recipe(0.1, 4, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "`epochs` must be a whole number of at least 1"),
        ({"tune_epochs": 0}, "`tune_epochs` must be a whole number of"),
        ({"test_every": 0}, "`test_every` must be a whole number of"),
        ({"reset_stages": 5}, "`reset_stages` must be 0 to 4, the stages of 'test_resnet', got 5"),
        (
            {"reset_stages": 2, "last_stages": 1},
            "`reset_stages` must be at most `last_stages`=1, so that stages of random weights",
        ),
        ({"grid": []}, "`grid` must be a list of at least one"),
        ({"grid": [GOOD._replace(learning_rate=0.0)]}, r"`grid\[0\].learning_rate` must be"),
        (
            {"grid": [Recipe(0.1, 1, 0.0)]},
            r"`grid\[0\].batch_size` must be a whole number of",
        ),
        ({"grid": [GOOD._replace(weight_decay=-1.0)]}, r"`grid\[0\].weight_decay` must be"),
        ({"last_stages": 5}, "`last_stages` must be 0 to 4, the stages of 'test_resnet'"),
        ({"image_size": 0}, "`image_size` must be a whole number of at least 1"),
        ({"share": 0.0}, "`share` must be a finite number above 0"),
        ({"share": 0.5, "per_class": 1}, "`share` and `per_class` exclude each other"),
        ({"per_class": 13}, r"`per_class` .* got 13; 2 classes of 'colours' .* 'red' \(12\)"),
        ({"per_class": 0}, "`per_class` must be a whole number"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        finetune(backbone(), Colours(), Colours(), **{**ABOUT, "grid": ONE, "epochs": 1, **options})


def test_bad_sets():
    kwargs = {"grid": ONE, "epochs": 1, **ABOUT}
    with pytest.raises(ValueError, match="`test` has the classes .* they must be the same"):
        finetune(backbone(), Colours(), Scenes(4, image_size=32), **kwargs)
    with pytest.raises(ValueError, match="must show at least two known classes, got 1"):
        finetune(backbone(), ImageSubset(Colours(), torch.tensor([0, 2])), Colours(), **kwargs)
    outside = Colours()
    outside.labels[3] = 7
    with pytest.raises(ValueError, match="`test`: label 7 of image 3 is outside the 3 classes"):
        finetune(backbone(), Colours(), outside, **kwargs)
    unknown = Colours()
    unknown.labels[:] = -1
    with pytest.raises(ValueError, match="`test` must hold images of known class, got none"):
        finetune(backbone(), Colours(), unknown, **kwargs)
    few = ImageSubset(Colours(3, 3), torch.arange(3))
    with pytest.raises(ValueError, match="too few to select settings"):
        finetune(backbone(), few, Colours(), **{**kwargs, "grid": ONE * 2})


def test_divergence_is_named():
    with pytest.raises(ValueError, match="`logits` must be finite, .* the training diverged"):
        finetune(backbone(), Colours(), Colours(), grid=[Recipe(1e30, 4, 0.0)], epochs=2, **ABOUT)
