import pytest
import torch

from instdisc.analysis.inversion import ZHAO_RECIPE, SkipNetwork, invert, total_variation
from instdisc.models import Backbone

from ...processes import apart

SMALL = {"stage": 1, "channels": [8, 8], "kernels": [3, 3], "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def backbone():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Backbone("test_resnet").train()


@pytest.fixture(scope="module")
def images():
    """Smooth ones, as photographs are."""
    coarse = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, 32, mode="bilinear")


def test_shapes_and_range(backbone, images):
    result = invert(backbone, images, steps=2, depth=2, recipe="zhao")
    assert result.reconstructions.shape == images.shape
    assert result.reconstructions.dtype == torch.float32
    assert 0 <= float(result.reconstructions.min()) <= float(result.reconstructions.max()) <= 1
    assert result.losses.shape == (2, 3)
    assert result.stage == 4
    assert float(result.errors.min()) > 0


class Seen(Backbone):
    """Its features are the image as it is shown: all of it can be drawn again."""

    def maps(self, images):
        return [images] * 4


def test_what_features_hold_is_drawn(images):
    image = images[:1, :, :27, :30]  # no multiple of the levels' sizes
    seen = Seen("test_resnet")
    seen.input = seen.input._replace(mean=(0.1, 0.5, 0.9), std=(0.5, 0.25, 0.1))
    result = invert(seen, image, steps=80, **SMALL)
    assert float(result.losses[-1]) < 0.1 * float(result.losses[0])
    apart = (result.reconstructions - image).square().mean()
    plain = (image.mean((2, 3), keepdim=True) - image).square().mean()
    assert float(apart) < 0.2 * float(plain)


def test_loss_is_the_mean_squared_distance_of_features(backbone, images):
    result = invert(backbone, images[:1], steps=1, seed=3, **SMALL)
    network = SkipNetwork(
        ZHAO_RECIPE.shaped((32, 32), channels=[8, 8], kernels=[3, 3]), (32, 32), seeds=[3]
    )
    mean, std = (torch.tensor(v)[:, None, None] for v in (backbone.input.mean, backbone.input.std))
    backbone.eval()
    with torch.no_grad():
        expected = torch.nn.functional.mse_loss(
            backbone.maps(network())[0], backbone.maps((images[:1] - mean) / std)[0]
        )
    backbone.train()
    torch.testing.assert_close(result.losses[0, 0], expected, rtol=1e-4, atol=1e-6)


def test_the_smaller_image_is_the_corner_of_the_canvas(backbone, images):
    result = invert(backbone, images[:, :, :30, :27], steps=1, **SMALL)
    assert result.reconstructions.shape == (3, 3, 30, 27)


def test_images_as_bytes(backbone, images):
    as_bytes = (255 * images).round().to(torch.uint8)
    a = invert(backbone, as_bytes, steps=2, **SMALL)
    b = invert(backbone, as_bytes.float() / 255, steps=2, **SMALL)
    assert torch.equal(a.reconstructions, b.reconstructions)


def test_backbone_stays_as_it_is(backbone, images):
    frozen = next(backbone.parameters()).requires_grad_(False)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    with pytest.raises(KeyboardInterrupt):
        invert(backbone, images, steps=2, progress=interrupt_at(1), **SMALL)
    assert backbone.training
    assert not frozen.requires_grad
    frozen.requires_grad_(True)
    assert all(weight.requires_grad and weight.grad is None for weight in backbone.parameters())
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_same_seed_same_result(backbone, images):
    a, b, c = (invert(backbone, images, steps=3, seed=seed, **SMALL) for seed in (0, 0, 9))
    assert torch.equal(a.reconstructions, b.reconstructions)
    assert torch.equal(a.losses, b.losses)
    assert not torch.equal(a.reconstructions, c.reconstructions)


def test_an_image_begins_alike_alone_and_beside_others(backbone, images):
    together = invert(backbone, images, steps=1, seed=5, **SMALL)
    alone = invert(backbone, images[2:], steps=1, seed=7, **SMALL)
    torch.testing.assert_close(alone.losses[:, 0], together.losses[:, 2], rtol=1e-4, atol=0)
    listed = invert(backbone, images, steps=1, seed=[5, 6, 7], **SMALL)
    assert torch.equal(listed.reconstructions, together.reconstructions)


def interrupt_at(last):
    def stop(step, steps):
        if step == last:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("channels_last", [True, False])
def test_killed_and_resumed_is_the_unbroken_run(backbone, images, tmp_path, channels_last):
    file = tmp_path / "runs" / "state.pt"
    options = {"steps": 7, "channels_last": channels_last, **SMALL}
    unbroken = invert(backbone, images, **options)
    for last in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            invert(
                backbone,
                images,
                checkpoint=file,
                save_every=0,
                progress=interrupt_at(last),
                **options,
            )
    seen = []
    resumed = invert(
        backbone, images, checkpoint=file, progress=lambda step, _: seen.append(step), **options
    )
    assert seen == [6, 7]  # goes on where it was
    for a, b in zip(unbroken[:3], resumed[:3], strict=True):
        assert torch.equal(a, b)
    again = invert(backbone, images, checkpoint=file, progress=interrupt_at(1), **options)
    assert torch.equal(again.reconstructions, unbroken.reconstructions)
    longer = invert(backbone, images, checkpoint=file, **{**options, "steps": 9})
    whole = invert(backbone, images, **{**options, "steps": 9})
    assert torch.equal(longer.reconstructions, whole.reconstructions)
    assert [path.name for path in file.parent.iterdir()] == ["state.pt"]


def test_refuses_the_state_of_another_run(backbone, images, tmp_path):
    file = tmp_path / "state.pt"
    invert(backbone, images, steps=2, checkpoint=file, **SMALL)
    message = "`checkpoint` must be of this very run: the same images, weights, stage and settings"
    for options in (
        {**SMALL, "stage": 2},
        {**SMALL, "seed": 1},
        {**SMALL, "learning_rate": 1e-3},
        {**SMALL, "total_variation": 0.1},
        {**SMALL, "precision": "bf16-mixed"},
    ):
        with pytest.raises(ValueError, match=message):
            invert(backbone, images, steps=2, checkpoint=file, **options)
    with pytest.raises(ValueError, match=message):
        invert(backbone, images.flip(0), steps=2, checkpoint=file, **SMALL)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        other = Backbone("test_resnet")
    with pytest.raises(ValueError, match=message):
        invert(other, images, steps=2, checkpoint=file, **SMALL)
    with pytest.raises(ValueError, match="`steps` must be at least the 2 that are done"):
        invert(backbone, images, steps=1, checkpoint=file, **SMALL)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="`checkpoint` must be a state of an inversion"):
        invert(backbone, images, steps=2, checkpoint=file, **SMALL)


def test_original_recipe_draws_pixels(backbone, images):
    result = invert(backbone, images, steps=3, recipe="dip", **SMALL)
    assert 0 < float(result.reconstructions.min()) < float(result.reconstructions.max()) < 1


def test_total_variation_makes_smoother_pictures(backbone, images):
    rough, smooth = (
        invert(backbone, images[:1], steps=25, total_variation=weight, **SMALL)
        for weight in (0, 10)
    )
    values = [total_variation(result.reconstructions) for result in (rough, smooth)]
    assert bool((values[1] < 0.5 * values[0]).all())


def test_total_variation_by_a_loop():
    x = torch.rand(1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    down = [abs(x[0, c, i + 1, j] - x[0, c, i, j]) for c in range(2) for i in range(2)
            for j in range(4)]  # fmt: skip
    right = [abs(x[0, c, i, j + 1] - x[0, c, i, j]) for c in range(2) for i in range(3)
             for j in range(3)]  # fmt: skip
    expected = sum(down) / len(down) + sum(right) / len(right)
    assert float(total_variation(x)) == pytest.approx(float(expected))


def test_bfloat16(backbone, images):
    exact, coarse = (
        invert(backbone, images, steps=2, precision=precision, **SMALL)
        for precision in ("32-true", "bf16-mixed")
    )
    torch.testing.assert_close(exact.losses[0], coarse.losses[0], rtol=0.1, atol=0)
    assert not torch.equal(exact.losses[0], coarse.losses[0])


def test_stages_of_a_vision_transformer(images):
    backbone = Backbone("test_vit", img_size=32)
    result = invert(backbone, images, stage=2, steps=2, channels=[8, 8])
    assert bool(result.losses.isfinite().all())


class Whole(Backbone):
    """All maps, as a user's own class may make them."""

    def maps(self, images):
        return super().maps(images)


def test_only_as_deep_as_asked(backbone, images):
    shallow = invert(backbone, images, steps=2, **SMALL)

    whole = Whole("test_resnet")
    whole.load_state_dict(backbone.state_dict())
    torch.testing.assert_close(invert(whole, images, steps=2, **SMALL)[:3], shallow[:3])


@pytest.mark.slow
@apart
def test_compiled(backbone, images):
    plain, compiled = (
        invert(backbone, images, steps=3, compile=compile, **SMALL) for compile in (False, True)
    )
    torch.testing.assert_close(plain.losses, compiled.losses, rtol=1e-2, atol=0)


@pytest.mark.slow
def test_exact_recipe():
    """Three steps of the published network, 256 px of which 224 are shown to the backbone."""
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    result = invert(Backbone("resnet50"), images, steps=3)
    assert result.stage == 4
    assert result.reconstructions.shape == (1, 3, 224, 224)
    assert bool((result.losses[1:] < result.losses[:-1]).all())


def test_progress(backbone, images, capsys):
    seen = []
    invert(backbone, images, steps=2, progress=lambda *now: seen.append(now), **SMALL)
    assert seen == [(1, 2), (2, 2)]
    invert(backbone, images, steps=2, progress=True, **SMALL)
    assert "inversion" in capsys.readouterr().out


def test_refuses(backbone, images):
    bad = {
        "stages` must be a whole number of at least 1 and at most 4, got 5": {"stage": 5},
        "stages` must be a whole number of at least 1 and at most 4, got 0": {"stage": 0},
        "recipe` must be one of 'zhao', 'dip'": {"recipe": "zaho"},
        "steps` must be a whole number of at least 1": {"steps": 0},
        "learning_rate` must be a finite number above 0": {"learning_rate": 0},
        "total_variation` must be a finite number of at least 0": {"total_variation": -1},
        "precision` must be one of '32-true', 'bf16-mixed'": {"precision": "16-mixed"},
        "seed` must be a whole number, or one for each of the 3 images": {"seed": [1]},
    }
    for message, options in bad.items():
        with pytest.raises(ValueError, match=message):
            invert(backbone, images, **{"steps": 1, **options})
    with pytest.raises(TypeError, match="`backbone` must be a Backbone"):
        invert(torch.nn.Identity(), images)
    with pytest.raises(ValueError, match=r"`images` must be a tensor \(B, 3, H, W\)"):
        invert(backbone, images[0])
    with pytest.raises(ValueError, match=r"at most 1, got 2\.\d+. Take the normalisation back"):
        invert(backbone, images * 2.5)
    with pytest.raises(ValueError, match="`images` must be of at least one image"):
        invert(backbone, images[:0])
    with pytest.raises(TypeError, match="`images` must be of torch.uint8 or"):
        invert(backbone, images.long())


def test_broken_weights_are_named(images):
    broken = Backbone("test_resnet")
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="the loss of image 0 is nan at step 0"):
        invert(broken, images, steps=2, **SMALL)
