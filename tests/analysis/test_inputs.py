"""What every analysis refuses."""

import pytest
import torch

from instdisc import Backbone
from instdisc.analysis.analysis import checkpoint_arrays
from instdisc.analysis.inputs import (
    check_network,
    class_rows,
    feature_rows,
    paired_rows,
    stage_positions,
    unit_rows,
)
from instdisc.data import Scenes
from instdisc.transfer import Features


def rows(count: int = 6, width: int = 3) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(count))


def named(*names: str) -> Features:
    return Features(rows(len(names)), torch.zeros(len(names), dtype=torch.int64), names)


def test_features_become_a_matrix_in_float64():
    kept = feature_rows("features", rows().bfloat16())
    assert kept.dtype == torch.float64
    assert torch.equal(kept, rows().bfloat16().double())
    assert torch.equal(feature_rows("x", named(*"abcd")), rows(4).double())


@pytest.mark.parametrize(
    ("features", "kind", "message"),
    [
        (rows(3), ValueError, "`x` must be of at least 4 rows and one column, got (3, 3)"),
        (rows(6)[:, :0], ValueError, "`x` must be of at least 4 rows and one column, got (6, 0)"),
        (rows()[:, 0], ValueError, "`x` must be a tensor (N, D), got (6,)"),
        (rows().numpy(), TypeError, "`x` must be a tensor (N, D), got array"),
        (rows().long(), TypeError, "`x` must be of torch.float32"),
        (rows().index_fill(0, torch.tensor(2), torch.nan), ValueError, "got nan in image 2"),
        (torch.ones(5, 2), ValueError, "got the same 2 numbers in all 5. The representation has"),
    ],
)
def test_features_that_tell_nothing(features, kind, message):
    with pytest.raises(kind) as error:
        feature_rows("x", features)
    assert message in str(error.value)


def test_features_of_the_same_images():
    paired_rows(("a", "b"), named(*"abcd"), named(*"abcd"))
    paired_rows(("a", "b"), named(*"abcd"), rows(4, 7))  # names that are not told
    with pytest.raises(ValueError, match="`b` must be of the same 6 images as `a`, got 5"):
        paired_rows(("a", "b"), rows(6), rows(5))
    with pytest.raises(ValueError, match="in the same order, got 'd' for 'c' in row 2"):
        paired_rows(("a", "b"), named(*"abcd"), named(*"abdc"))


def test_classes_without_gaps():
    positions, classes = class_rows("labels", torch.tensor([5, -1, 2, 5]), 4)
    assert positions.tolist() == [0, 2, 3]
    assert classes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ([1, 1, -1, 1], ValueError, "`labels` must be of at least two known classes, got 1"),
        ([-1, -1, -1, -1], ValueError, "two known classes, got 0"),
        ([0, 1, 2], ValueError, r"`labels` must be a tensor \(4,\), got \(3,\)"),
        ([0, 1, -2, 1], ValueError, "`labels` must be of at least -1, got -2"),
        ([0.0, 1.0, 2.0, 1.0], TypeError, "`labels` must be of torch.int64"),
    ],
)
def test_classes_that_tell_nothing(labels, kind, message):
    with pytest.raises(kind, match=message):
        class_rows("labels", torch.tensor(labels), 4)


def test_stages_by_number():
    backbone = Backbone("test_resnet")
    assert stage_positions(None, backbone) == [0, 1, 2, 3]
    assert stage_positions([4, 1], backbone) == [3, 0]
    for wrong in (0, 5, -1):
        with pytest.raises(ValueError, match="'layer1' to 'layer4' of 'test_resnet'"):
            stage_positions([wrong], backbone)
    with pytest.raises(TypeError, match="`stages` must be a whole number"):
        stage_positions([1.5], backbone)
    for empty in ([], "12", 3):
        with pytest.raises(ValueError, match="a list of at least one number, or None"):
            stage_positions(empty, backbone)


def test_arrays_of_a_figure():
    checkpoint_arrays("arrays", {"a": {"x": rows().numpy()}}, ["x"])
    with pytest.raises(ValueError, match="at least one checkpoint"):
        checkpoint_arrays("arrays", {}, ["x"])
    with pytest.raises(ValueError, match="with 'y' for every checkpoint, got .'x'.. Of 'a'"):
        checkpoint_arrays("arrays", {"a": {"x": rows().numpy()}}, ["y"])


def test_features_that_carry_a_gradient_are_taken_without_it():
    assert not feature_rows("features", rows().requires_grad_()).requires_grad


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_lengths_of_huge_and_tiny_rows(scale):
    units = unit_rows("x", rows().double() * scale)
    torch.testing.assert_close(units, torch.nn.functional.normalize(rows().double()))


def test_fewest_images_of_known_class():
    with pytest.raises(ValueError, match="`y` must be of at least 4 images of known class, got 2"):
        class_rows("y", torch.tensor([-1, 0, 1, -1]), 4, at_least=4)


def test_what_no_analysis_can_look_at():
    net, images = Backbone("test_resnet"), Scenes(3, image_size=32)
    with pytest.raises(TypeError, match="`backbone` must be a Backbone, got 'resnet50'"):
        check_network("resnet50", "cpu", test=images)
    with pytest.raises(TypeError, match="`test` must be a set of images, got"):
        check_network(net, "cpu", test=[1, 2])
    with pytest.raises(ValueError, match="`train` must be of at least 4 images, got 3"):
        check_network(net, "cpu", train=images)
    with pytest.raises(ValueError, match="`device` must be a device of torch .* got 'gpu'"):
        check_network(net, "gpu", test=images)
    with pytest.raises(ValueError, match="`stages` must be numbers each of which stands there on"):
        stage_positions([4, 4], net)
