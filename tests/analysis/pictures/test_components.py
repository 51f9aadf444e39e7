"""Principal components of maps against scikit-learn, closed forms and invariants."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from instdisc.analysis.pictures import (
    align_components,
    principal_components,
    stage_components,
    stage_maps,
)
from instdisc.data import Scenes
from instdisc.models import Backbone


def random_maps(*shape: int, seed: int = 0) -> torch.Tensor:
    maps = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()
    return maps * torch.arange(1, shape[1] + 1)[None, :, None, None]  # no equal eigenvalues


@pytest.mark.parametrize("shape", [(3, 10, 4, 5), (2, 40, 3, 3)])  # more cells, fewer cells
def test_equals_scikit_learn(shape):
    maps = random_maps(*shape)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, shape[1]).numpy()
    model = PCA(3, svd_solver="full").fit(rows)
    # Of each direction the entry of largest magnitude is positive.
    largest = np.abs(model.components_).argmax(1)
    signs = np.sign(model.components_[np.arange(3), largest])
    expected = (model.transform(rows) * signs).reshape(shape[0], shape[2], shape[3], 3)
    result = principal_components(maps)
    assert result.scores.numpy() == pytest.approx(expected, abs=1e-9)
    assert result.shares.numpy() == pytest.approx(model.explained_variance_ratio_, abs=1e-12)


def test_maps_of_rank_one():
    direction = torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64)
    strengths = torch.arange(8).double().view(2, 1, 2, 2)
    result = principal_components(strengths * direction[None, :, None, None])
    assert result.shares.tolist() == pytest.approx([1, 0, 0], abs=1e-12)
    # -0.8 is the largest entry, so the direction is turned round.
    assert result.scores[..., 0].flatten().tolist() == pytest.approx(
        [-(s - 3.5) for s in range(8)], abs=1e-9
    )


def test_fewer_channels_than_components():
    result = principal_components(random_maps(2, 2, 3, 3))
    assert result.scores.shape == (2, 3, 3, 3)
    assert not result.scores[..., 2].any()
    assert float(result.shares.sum()) == pytest.approx(1)


def test_shift_and_scale_of_the_features_do_not_matter():
    maps = random_maps(3, 6, 4, 4)
    first, moved = principal_components(maps), principal_components(5 * maps + 3)
    assert moved.scores.numpy() == pytest.approx(5 * first.scores.numpy(), abs=1e-9)
    assert moved.shares.tolist() == pytest.approx(first.shares.tolist())


def test_aligned_components_of_rotated_features_are_the_same():
    maps = random_maps(3, 6, 4, 4)
    rotation = torch.linalg.qr(random_maps(1, 6, 1, 6, seed=1)[0, :, 0]).Q
    rotated = torch.einsum("mchw,cd->mdhw", maps, rotation)
    reference = principal_components(maps).scores
    aligned = align_components(principal_components(rotated).scores, reference)
    assert aligned.numpy() == pytest.approx(reference.numpy(), abs=1e-9)


def test_aligned_components_keep_their_lengths_and_size():
    scores = random_maps(2, 3, 8, 8).permute(0, 2, 3, 1)
    reference = random_maps(2, 3, 4, 4, seed=1).permute(0, 2, 3, 1)
    aligned = align_components(scores, reference)
    assert aligned.shape == scores.shape
    assert aligned.norm(dim=3).numpy() == pytest.approx(scores.norm(dim=3).numpy())


def test_maps_of_another_size_are_aligned():
    fine = random_maps(2, 3, 4, 4).permute(0, 2, 3, 1)
    fine = fine.repeat_interleave(2, 1).repeat_interleave(2, 2)
    coarse = fine[:, ::2, ::2]
    mixed = fine[..., [1, 2, 0]] * torch.tensor([1.0, -1.0, 1.0])
    assert align_components(mixed, coarse).numpy() == pytest.approx(fine.numpy(), abs=1e-9)


def test_other_images_are_not_aligned():
    with pytest.raises(ValueError, match=r"`scores` must be a tensor of 3 rows like"):
        align_components(torch.zeros(2, 4, 4, 3), torch.zeros(3, 4, 4, 3))
    with pytest.raises(ValueError, match=r"`reference` must be a tensor \(M, h, w, 3\)"):
        align_components(torch.zeros(2, 4, 4, 3), torch.zeros(2, 4, 4, 2))


@pytest.mark.parametrize(
    ("maps", "kind", "message"),
    [
        (torch.zeros(2, 3, 4), ValueError, r"`maps` must be a tensor \(M, C, h, w\)"),
        (torch.zeros(2, 3, 4, 4), ValueError, "The representation has collapsed"),
        (torch.randn(3, 3, 1, 1), ValueError, "`maps` must be of at least 4 rows"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.int64), TypeError, "`maps` must be of torch.float32"),
        (torch.full((2, 3, 4, 4), torch.inf), ValueError, "`maps` must be finite"),
    ],
)
def test_bad_maps_are_refused(maps, kind, message):
    with pytest.raises(kind, match=message):
        principal_components(maps)


def test_stage_components_are_those_of_the_maps():
    backbone, images = Backbone("test_resnet"), Scenes(3, image_size=64)
    (maps,) = stage_maps(backbone, images, stages=[2], image_size=64)
    result = stage_components(backbone, images, stage=2, image_size=64)
    assert torch.equal(result.scores, principal_components(maps).scores)


def test_a_stage_that_is_not_there_is_refused():
    backbone, images = Backbone("test_resnet"), Scenes(3, image_size=64)
    with pytest.raises(ValueError, match="`stages?` must be .* at most 4, got 5"):
        stage_components(backbone, images, stage=5, image_size=64)


def test_broken_weights_are_refused():
    backbone, images = Backbone("test_resnet"), Scenes(3, image_size=64)
    with torch.no_grad():
        next(backbone.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="`maps` must be finite.*weights are broken"):
        stage_maps(backbone, images, image_size=64)


def test_batches_do_not_matter():
    backbone, images = Backbone("test_resnet"), Scenes(5, image_size=64)
    single, together = (
        stage_maps(backbone, images, stages=[3], image_size=64, batch_size=size)[0]
        for size in (1, 5)
    )
    assert single.numpy() == pytest.approx(together.numpy(), abs=1e-5)
