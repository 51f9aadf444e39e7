"""Many heads in one pass: each is what it would be alone, by torch's own parts."""

import pytest
import torch
from torch import nn

from instdisc.data import ImagesInMemory, Scenes, ViewDataset, ViewLoader, view_policy
from instdisc.models import Backbone
from instdisc.transfer import ISLAM_GRID, Recipe
from instdisc.transfer.features.frozen import frozen
from instdisc.transfer.linear.heads import LinearHeads, Training, train_heads

CLASSES = 4


@pytest.fixture(scope="module")
def backbone():
    return Backbone("test_resnet")


@pytest.fixture(scope="module")
def images():
    return Scenes(150, image_size=32, num_categories=CLASSES)


def train(backbone, images, recipes, training=Training(3, (1, 2)), **options):  # noqa: B008
    return train_heads(
        backbone,
        images,
        recipes,
        num_classes=CLASSES,
        training=training,
        policy=view_policy("islam_weak", 32),
        seed=5,
        **options,
    )


def flat(groups):
    return {
        recipe: (heads.weight[i], heads.bias[i], heads.mean, heads.var)
        for heads in groups
        for i, recipe in enumerate(heads.recipes)
    }


def test_the_grid_is_the_same_twelve_runs_made_one_by_one(backbone, images):
    assert len(set(ISLAM_GRID)) == 12
    images = ImagesInMemory(images)
    together = flat(train(backbone, images, ISLAM_GRID))
    assert list(together) == sorted(ISLAM_GRID, key=lambda recipe: -recipe.batch_size)
    for recipe in ISLAM_GRID:
        alone = flat(train(backbone, images, [recipe]))[recipe]
        for ours, expected in zip(together[recipe], alone, strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "training",
    [Training(3, (1, 2)), Training(3, (2,), batch_norm=False, spread=0.01, drop_last=False)],
)
def test_a_head_is_torchs_layers_and_sgd(backbone, images, training):
    recipe = Recipe(0.1, 32, 1e-2)
    ours = train(backbone, images, [recipe], training)[0]
    first = train(backbone, images, [recipe._replace(learning_rate=1e-30)], training)[0]
    norm = nn.BatchNorm1d(backbone.dim, affine=False) if training.batch_norm else nn.Identity()
    linear = nn.Linear(backbone.dim, CLASSES)
    with torch.no_grad():
        linear.weight.copy_(first.weight[0])
        linear.bias.copy_(first.bias[0])
    optimizer = torch.optim.SGD(linear.parameters(), 0.1, momentum=0.9, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(training.milestones))
    loader = ViewLoader(
        ViewDataset(images, [view_policy("islam_weak", 32)], seed=5),
        32,
        drop_last=training.drop_last,
    )
    for epoch in range(training.epochs):
        loader.sampler.set_epoch(epoch)
        for views, labels, _ in loader:
            with frozen(backbone):
                features = backbone(views[0])
            optimizer.zero_grad()
            nn.functional.cross_entropy(linear(norm(features)), labels).backward()
            optimizer.step()
        schedule.step()
    torch.testing.assert_close(ours.weight[0], linear.weight.data, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours.bias[0], linear.bias.data, atol=1e-5, rtol=1e-4)
    features = torch.rand(7, backbone.dim)
    norm.eval()
    torch.testing.assert_close(
        ours.logits(features)[0], linear(norm(features)).detach(), atol=1e-4, rtol=1e-3
    )


def test_first_weights_are_those_asked_for(backbone, images):
    still = Recipe(1e-30, 50, 0.0)
    moco = train(backbone, images, [still], Training(1, (), spread=0.01, batch_norm=False))[0]
    assert float(moco.weight.std()) == pytest.approx(0.01, rel=0.1)
    assert float(moco.bias.abs().max()) < 1e-20
    usual = train(backbone, images, [still])[0]
    assert float(usual.weight.abs().max()) <= backbone.dim**-0.5
    assert float(usual.bias.abs().max()) > 1e-3


def test_a_set_smaller_than_a_batch_is_one_batch(backbone):
    few = Scenes(9, image_size=32, num_categories=CLASSES)
    heads = train(backbone, few, [Recipe(0.1, 128, 0.0)], Training(1, ()))[0]
    assert float(heads.mean.abs().max()) > 0


def test_workers_do_not_matter(backbone, images):
    recipes = [Recipe(0.1, 16, 0.0)]
    alone, helped = (
        train(backbone, images, recipes, Training(2, (1,)), num_workers=n)[0] for n in (0, 2)
    )
    torch.testing.assert_close(alone.weight, helped.weight, atol=1e-6, rtol=1e-5)


def test_progress_counts_the_images(backbone, images):
    seen = []
    train(
        backbone,
        images,
        [Recipe(0.1, 64, 0.0)],
        Training(2, ()),
        progress=lambda *numbers: seen.append(numbers),
    )
    assert seen == [(n, 300) for n in (64, 128, 150, 214, 278, 300)]


class Drifting(Backbone):
    """Counts its forward passes in a buffer."""

    def __init__(self):
        super().__init__("test_resnet")
        self.register_buffer("passes", torch.tensor(0))

    def forward(self, images):
        self.passes += 1
        return super().forward(images)


def test_a_backbone_that_moves_is_noticed(images):
    with pytest.raises(RuntimeError, match="'passes' of the backbone changed while it was frozen"):
        train(Drifting(), images, [Recipe(0.1, 64, 0.0)])


def test_the_backbone_stays_as_it_is(images):
    backbone = Backbone("test_resnet").train()
    state = {key: value.clone() for key, value in backbone.state_dict().items()}
    train(backbone, images, [Recipe(0.1, 64, 0.0)], Training(1, ()))
    assert backbone.training
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in backbone.parameters())


def test_heads_of_no_recipe_move_another():
    recipes = [Recipe(0.1, 8, 0.0), Recipe(1e4, 8, 0.1)]  # the second diverges
    both = LinearHeads(torch.zeros(3, 5), torch.zeros(3), recipes, batch_norm=True)
    alone = LinearHeads(torch.zeros(3, 5), torch.zeros(3), recipes[:1], batch_norm=True)
    for _ in range(60):
        features, labels = torch.randn(8, 5), torch.randint(3, (8,))
        both.step(features, labels)
        alone.step(features, labels)
    assert not both.weight[1].isfinite().all()
    torch.testing.assert_close(both.weight[0], alone.weight[0])


GOOD = Recipe(0.1, 8, 0.0)


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        ([], "`grid` must hold at least one recipe"),
        ([GOOD._replace(learning_rate=0.0)], "needs a positive `learning_rate`.*learning_rate=0.0"),
        ([GOOD._replace(batch_size=1)], "`batch_size` of at least 2"),
        ([GOOD._replace(weight_decay=-1.0)], "`weight_decay` that is not negative"),
        ([Recipe(0.1, 8, 0.0), Recipe(0.1, 12, 0.0)], "divide the largest, 12, .* 8 does not"),
    ],
)
def test_bad_recipes(backbone, images, recipes, message):
    with pytest.raises(ValueError, match=message):
        train(backbone, images, recipes)
    with pytest.raises(ValueError, match="`epochs` must be positive, got 0"):
        train(backbone, images, [Recipe(0.1, 8, 0.0)], Training(0, ()))
