"""Fine-tuning on each episode: that it learns, and what stays."""

import copy

import pytest
import torch

from instdisc.data import ImageSource, draw_episodes
from instdisc.models import Backbone
from instdisc.transfer import EpisodeRecipe, evaluate_few_shot, extract_features, finetune_few_shot
from instdisc.transfer.few_shot import finetune as module
from instdisc.transfer.linear.grid import islam_test_policy
from instdisc.types import About

ABOUT = {"about": About("random", dataset="toy"), "image_size": 32}
SMALL = {"ways": 2, "queries": 3, "episodes": 3}
SHORT = EpisodeRecipe(epochs=3)


class Colours(ImageSource):
    """Noise, a little redder or bluer by class."""

    name, classes = "colours", ("red", "blue")

    def __init__(self, shift=40):
        self.labels = torch.arange(2).repeat(12)
        generator = torch.Generator().manual_seed(0)
        self.pixels = torch.randint(0, 150, (24, 3, 40, 40), generator=generator)
        self.pixels[0::2, 0] += shift
        self.pixels[1::2, 2] += shift

    def read(self, index):
        return self.pixels[index].to(torch.uint8)


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


@pytest.mark.parametrize("options", [{}, {"last_stages": 1}, {"train_norm": False}])
def test_it_learns_and_leaves_the_backbone_alone(backbone, options):
    before = copy.deepcopy(backbone.state_dict())
    recipe = EpisodeRecipe(epochs=30, head_rate=0.1)
    (record,) = finetune_few_shot(
        backbone, Colours(), shots=[5], recipe=recipe, **SMALL, **options, **ABOUT
    )
    assert record.value > 75
    assert record.metric == "2-way 5-shot fine-tuned"
    assert record.settings["epochs"] == 30
    after = backbone.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert backbone.training
    assert all(weight.requires_grad and weight.grad is None for weight in backbone.parameters())


@pytest.mark.parametrize("rates", [{"backbone_rate": 0.0}, {"backbone_rate": 0.01}])
def test_frozen_backbone_is_a_linear_layer_on_its_features(backbone, rates):
    """The record of a frozen backbone equals SGD on the extracted features."""
    stages = None if not rates["backbone_rate"] else 0
    trainer = module._EpisodeTrainer(
        backbone, 2, EpisodeRecipe(epochs=4, **rates), stages, True, "cpu"
    )
    assert not trainer.training
    images = Colours()
    episodes = draw_episodes(images.labels, ways=2, shots=4, queries=3, episodes=1)
    policy = islam_test_policy(32)
    table = extract_features(backbone, images, policy=policy).features
    views = torch.cat(
        [
            policy.finish(policy.cut(images.read(int(i)), [], False)[None], torch.zeros(1, 0))
            for i in episodes.support.flatten()
        ]
    )
    torch.manual_seed(5)
    head = trainer._train(views)
    torch.manual_seed(5)
    expected = torch.nn.Linear(backbone.dim, 2)
    optimizer = torch.optim.SGD(
        expected.parameters(), 0.01, momentum=0.9, dampening=0.9, weight_decay=1e-3
    )
    support, labels = table[episodes.support.flatten()], torch.arange(2).repeat_interleave(4)
    for _ in range(4):
        for batch in torch.randperm(8).split(4):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(expected(support[batch]), labels[batch])
            loss.backward()
            optimizer.step()
    torch.testing.assert_close(head.weight, expected.weight, atol=1e-5, rtol=1e-4)


def test_only_the_last_stages_move(backbone):
    trainer = module._EpisodeTrainer(backbone, 2, SHORT, 1, True, "cpu")
    trainer._train(torch.randn(6, 3, 32, 32))
    moved = {
        name.split(".")[1]
        for name, value in trainer.net.state_dict().items()
        if not torch.equal(value, trainer.start[name])
    }
    assert moved == {"layer4"}


def test_frozen_norm_keeps_its_statistics(backbone):
    trainer = module._EpisodeTrainer(backbone, 2, SHORT, None, False, "cpu")
    trainer._train(torch.randn(6, 3, 32, 32))
    state = trainer.net.state_dict()
    running = [name for name in state if "running" in name]
    assert running
    assert all(torch.equal(state[name], trainer.start[name]) for name in running)
    assert any(not torch.equal(state[name], trainer.start[name]) for name in state)


def test_episodes_do_not_depend_on_those_before(backbone):
    images = Colours(shift=10)
    runs = {}
    for count in (1, 3):
        options = {**SMALL, "episodes": count}
        found = []
        original = module._EpisodeTrainer.accuracy

        def spy(self, *args, original=original, found=found, **keywords):
            found.append(original(self, *args, **keywords))
            return found[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module._EpisodeTrainer, "accuracy", spy)
            state = torch.random.get_rng_state()
            finetune_few_shot(backbone, images, shots=[2], recipe=SHORT, **options, **ABOUT)
            assert torch.equal(torch.random.get_rng_state(), state)
        runs[count] = found
    assert runs[1] == runs[3][:1]


def test_the_episodes_are_those_of_the_features(backbone):
    images, seen = Colours(), []
    records = finetune_few_shot(
        backbone,
        images,
        shots=[1, 2],
        recipe=EpisodeRecipe(epochs=1),
        progress=lambda done, total: seen.append((done, total)),
        **SMALL,
        **ABOUT,
    )
    about = {"about": About("random", dataset="toy")}
    frozen = evaluate_few_shot(
        extract_features(backbone, images, image_size=32), shots=[1, 2], **SMALL, **about
    )
    keys = ("ways", "shots", "queries", "episodes", "episode_seed", "labels_digest")
    for one, other in zip(records, frozen, strict=True):
        assert [one.settings[key] for key in keys] == [other.settings[key] for key in keys]
    assert seen == [(done, 6) for done in range(1, 7)]


def test_no_batch_of_one():
    pieces = module._batches(torch.arange(5), 4)
    assert [len(piece) for piece in pieces] == [5]
    assert [len(piece) for piece in module._batches(torch.arange(10), 4)] == [4, 4, 2]
    assert [len(piece) for piece in module._batches(torch.arange(1), 4)] == [1]


def test_skipped_image_is_refused(backbone):
    class Holes(Colours):
        on_unreadable = "skip"

        def read(self, index):
            if index < 22:
                raise ValueError("broken")
            return super().read(index)

    with pytest.raises(ValueError, match="image .* of 'colours' is unreadable and belongs to"):
        finetune_few_shot(backbone, Holes(), shots=[2], recipe=SHORT, **SMALL, **ABOUT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": SHORT._replace(epochs=0)}, "`epochs` must be a whole number of at least 1"),
        ({"recipe": SHORT._replace(head_rate=0.0)}, "`head_rate` must be a finite number above"),
        ({"recipe": EpisodeRecipe(backbone_rate=0.0), "last_stages": 2}, "a positive backbone_ra"),
        ({"recipe": SHORT._replace(backbone_rate=-1.0)}, "`backbone_rate` must be"),
        ({"last_stages": 9}, "`last_stages` must be 0 to 4, the stages of 'test_resnet'"),
        ({"shots": []}, "`shots` must be a list of at least one"),
        ({"shots": [10]}, r"the classes 'red' \(12\), 'blue' \(12\)"),
        ({"recipe": SHORT._replace(batch_size=1), "train_norm": True}, "`batch_size` must be at"),
        ({"recipe": EpisodeRecipe(head_rate=1e30)}, "training of episode 0 diverged"),
    ],
)
def test_bad_arguments(backbone, options, message):
    with pytest.raises(ValueError, match=message):
        finetune_few_shot(backbone, Colours(), **{"shots": [2], **SMALL, **ABOUT, **options})
