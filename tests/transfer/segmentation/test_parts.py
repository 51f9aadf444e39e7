"""Windows, schedule, loss, records and pictures."""

import pytest
import torch
from torch.nn import functional as F

from instdisc.data import Scenes, SceneSegments, class_colors
from instdisc.metrics import SegmentationScores, mean_iou
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import (
    Segmenter,
    segmentation_rate,
    segmentation_records,
    segments_figure,
    sliding_logits,
)
from instdisc.transfer.segmentation.inference import window_starts
from instdisc.transfer.segmentation.loss import pixel_loss
from instdisc.transfer.segmentation.schedule import check_schedule
from instdisc.types import About, SegmentBatch


def segmenter(**options):
    options = {"width": 8, **options}
    return Segmenter(Backbone("test_resnet"), 3, **options).eval()


def test_one_window_is_the_whole_image():
    torch.manual_seed(1)
    whole = segmenter()
    image = torch.randint(0, 256, (2, 3, 40, 56), dtype=torch.uint8)
    normal = whole._normalise(image)
    expected = whole.net(normal).classes
    for window in ((40, 56), (64, 56), (99, 99)):
        found = sliding_logits(lambda part: whole.net(part).classes, normal, window, (9, 9))
        assert torch.equal(found, expected)
    torch.manual_seed(1)
    slid = segmenter(window=64, window_step=32)
    slid.net.load_state_dict(whole.net.state_dict())
    assert torch.equal(slid.predict_classes(image), whole.predict_classes(image))


def test_windows_are_averaged_where_they_overlap():
    images = torch.zeros(1, 1, 1, 10)
    calls = iter([1.0, 2.0, 4.0])
    found = sliding_logits(lambda part: torch.full_like(part, next(calls)), images, (1, 6), (1, 3))
    # Windows begin at 0, 3 and 4.
    expected = torch.tensor([1, 1, 1, 3 / 2, 7 / 3, 7 / 3, 3, 3, 3, 4])
    assert torch.allclose(found[0, 0, 0], expected)


@pytest.mark.parametrize("length", [1, 5, 7, 12, 13])
def test_windows_cover_everything_and_stay_inside(length):
    starts = window_starts(length, 5, 3)
    covered = {place for start in starts for place in range(start, min(start + 5, length))}
    assert covered == set(range(length))
    assert all(start + 5 <= max(5, length) for start in starts)
    assert len(starts) == max(0, -(-(length - 5) // 3)) + 1


def test_schedules_follow_their_formulas():
    for step in range(0, 101, 7):
        poly = segmentation_rate(step, 100, power=0.9, least=0.01)
        assert poly == pytest.approx(0.01 + 0.99 * (1 - step / 100) ** 0.9)
    # The polynomial of torch, step by step.
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], 1.0)
    theirs = torch.optim.lr_scheduler.PolynomialLR(optimizer, 20, 0.9)
    for step in range(20):
        assert theirs.get_last_lr()[0] == pytest.approx(segmentation_rate(step, 20))
        optimizer.step()
        theirs.step()
    steps = [62_999, 63_000, 80_999, 81_000]
    rates = [segmentation_rate(step, 90_000, schedule="step") for step in steps]
    assert rates == [1.0, 0.1, 0.1, 0.01]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cosine", 0.9, 0.0, (0.5,)), "`schedule` must be 'poly' or 'step', got 'cosine'"),
        (("poly", 0.0, 0.0, (0.5,)), "`power` must be positive, got 0.0"),
        (("poly", 0.9, 2.0, (0.5,)), r"`least_rate` must lie in \[0, 1\]"),
        (("step", 0.9, 0.0, (0.5, 0.2)), "`milestones` are shares of the training"),
    ],
)
def test_bad_schedules(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_schedule(*arguments)


def test_loss_ignores():
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    masks = torch.randint(0, 3, (2, 4, 5), dtype=torch.uint8)
    masks[0, :2] = 255
    expected = F.cross_entropy(logits, masks.long(), ignore_index=255)
    assert torch.allclose(pixel_loss(logits, masks), expected)
    pixel_loss(logits, masks).backward()
    assert not logits.grad[0, :, :2].any()
    nothing = pixel_loss(logits, torch.full_like(masks, 255))
    assert nothing == 0


def test_padding_does_not_change_the_scores():
    net = segmenter()
    images = torch.randint(0, 256, (2, 3, 32, 40), dtype=torch.uint8)
    masks = torch.randint(0, 3, (2, 32, 40), dtype=torch.uint8)
    sizes = torch.tensor([[32, 40], [24, 33]])
    for index, (height, width) in enumerate(sizes.tolist()):
        net.validation_step(
            SegmentBatch(
                images[index : index + 1, :, :height, :width],
                masks[index : index + 1, :height, :width],
                sizes[index : index + 1],
                torch.tensor([index]),
            ),
            0,
        )
    expected = net.scores.compute()
    net.scores.reset()
    masks[1, 24:] = 255
    masks[1, :, 33:] = 255
    net.validation_step(SegmentBatch(images, masks, sizes, torch.arange(2)), 0)
    assert torch.equal(net.scores.compute().matrices, expected.matrices)


def test_short_side_at_test():
    net = segmenter(test_short_side=64)
    seen = []
    net.net.register_forward_pre_hook(lambda module, given: seen.append(given[0].shape))
    found = net.predict_classes(torch.zeros(1, 3, 32, 48, dtype=torch.uint8))
    assert seen == [(1, 3, 64, 96)]
    assert found.shape == (1, 32, 48)


def test_channels_last_changes_nothing():
    plain = segmenter()
    other = segmenter(channels_last=True)
    other.net.load_state_dict(plain.net.state_dict())
    images = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    assert (plain.predict_classes(images) == other.predict_classes(images)).float().mean() > 0.99


def test_records():
    scores = SegmentationScores(3, per_image=True)
    truth = torch.randint(0, 2, (20, 6, 6))
    scores.update(torch.where(torch.rand(truth.shape) < 0.8, truth, 1 - truth), truth)
    result = scores.compute()
    run = Run(About("m", dataset="toy"), settings={"x": 1})
    records = segmentation_records(result, ["a", "b", "c"], run)
    assert [r.metric for r in records] == ["mIoU", "pixel accuracy", "IoU, a", "IoU, b"]
    assert records[0].value == pytest.approx(100 * float(result.mean_iou))
    assert records[2].value == pytest.approx(100 * float(result.class_iou[0]))
    assert {r.n for r in records} == {20}
    assert all(r.higher_is_better and r.settings == {"x": 1} for r in records)
    # The interval of the share of 720 pixels in 20 images: about 1.96 sigma.
    sigma = 100 * (0.8 * 0.2 / 720) ** 0.5
    assert 0.6 < records[1].ci / (1.96 * sigma) < 1.5
    draws = torch.randint(0, 20, (500, 20))
    values = torch.stack([mean_iou(result.matrices[rows].sum(0)) for rows in draws])
    low, high = values.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    assert records[0].ci == pytest.approx(50 * (high - low), rel=0.25)
    one = result._replace(matrices=result.matrices[:1])
    assert segmentation_records(one, ["a", "b", "c"], run)[0].ci is None


def test_picture(tmp_path):
    image, mask = SceneSegments(Scenes(1, image_size=32)).pair(0)
    mask[:4] = 255
    figure = segments_figure(
        [image], [mask], [mask % 3], classes=[str(i) for i in range(11)], colors=class_colors(11)
    )
    axes = figure.axes
    assert [one.get_title() for one in axes] == ["image", "truth", "prediction"]
    assert (axes[1].images[0].get_array()[:4] == 255).all()
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "255" not in shown
    assert shown == sorted(shown, key=int)
    figure.savefig(tmp_path / "one.png")
    with pytest.raises(ValueError, match="must be of one length of at least 1, got 0, 0 and 0"):
        segments_figure([], [], [], classes=["a", "b"], colors=class_colors(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.0}, "`learning_rate` must be a finite number above 0, got 0.0"),
        ({"head_rate": -1.0}, "`head_rate` must be a finite number above 0"),
        ({"weight_decay": -1.0}, "`weight_decay` must be a finite number of at least 0"),
        ({"auxiliary": -1.0}, "`auxiliary` must be a finite number of at least 0"),
        ({"test_short_side": 0}, "`test_short_side` must be a whole number of at least 1"),
        ({"window": 0}, "`window` must be a positive side"),
        ({"window_step": 4}, "`window_step` needs `window`, got 4"),
        ({"window": 4, "window_step": 5}, "`window_step` must be positive and at most the window"),
        ({"window": 4, "window_step": 0}, "`window_step` must be positive and at most the window"),
    ],
)
def test_bad_segmenters(options, message):
    with pytest.raises(ValueError, match=message):
        segmenter(**options)
