"""Several processes, one of them without images, get what one process gets."""

import multiprocessing

import torch
import torch.distributed

from instdisc.metrics import (
    COCOAveragePrecision,
    DetectionStore,
    KNNAccuracy,
    LandmarkErrors,
    SegmentationScores,
    VOCAveragePrecision,
    voc_average_precision,
)
from instdisc.types import Detections, Objects

SHARES = ([0, 3, 4], [1, 2], [])


def images():
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.rand(shape, generator=generator)

    for _ in range(5):
        corners = 30 * draw(4, 2)
        truth = torch.cat([corners, corners + 5 + 20 * draw(4, 2)], 1)
        labels = (2 * draw(4)).long()
        masks = torch.zeros(4, 60, 60, dtype=torch.bool)
        for mask, (left, top, right, bottom) in zip(masks, truth.long().tolist(), strict=True):
            mask[top:bottom, left:right] = True
        no = torch.zeros(4, dtype=torch.bool)
        scores = (4 * draw(4)).round() / 4  # with equal ones
        found = Detections(truth + 3 * draw(4, 4), labels, scores, masks.roll(2, 1))
        yield found, Objects(truth, labels, masks, no, no)


def results(share):
    everything = list(images())
    metrics = (
        VOCAveragePrecision(2),
        COCOAveragePrecision(2, kinds=("box", "mask")),
        DetectionStore(2, masks=True),
    )
    for index in share:
        found, true = everything[index]
        for metric in metrics:
            metric.update([found], [true], torch.tensor([index]))
    voc, coco, store = (metric.compute() for metric in metrics)
    per_class = {kind: result.per_class for kind, result in coco.items()}
    # What was gathered can be given to a function: it gathers nothing.
    detections, true = [image.detections for image in store], [image.true for image in store]
    again = voc_average_precision(detections, true, num_classes=2)
    assert torch.equal(again.per_class, voc.per_class)
    stored = [(one.image, one.true_masks, one.areas) for one in store]
    return voc.per_class, per_class, stored, rows(share)


def rows(share):
    """Metrics that do not know their width before their first rows."""
    generator = torch.Generator().manual_seed(2)
    features, labels = torch.randn(5, 3, generator=generator), torch.arange(5) % 2
    points, masks = features[:, None, :2] * torch.ones(1, 4, 1), (features > 0).long()
    knn, errors, scores = KNNAccuracy(k=1), LandmarkErrors(), SegmentationScores(2, per_image=True)
    for index in share:
        one = torch.tensor([index])
        knn.add_to_bank(features[one], labels[one], one)
        knn.update(-features[one], labels[one], one)
        seen, distance = torch.ones(1, 4, dtype=torch.bool), torch.tensor([index + 1.0])
        errors.update(points[one], 2 * points[one], seen, distance, one)
        scores.update(masks[one], masks[one].flip(1), one)
    return float(knn.compute()), errors.compute(), list(scores.compute())


def work(rank, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=len(SHARES)
    )
    torch.save(results(SHARES[rank]), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(), b.nan_to_num())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_shares_are_gathered(tmp_path):
    alone = results(range(5))
    assert 0 < float(alone[0].nanmean()) < 1
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=work, args=(rank, tmp_path)) for rank in range(len(SHARES))]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(60)
        assert process.exitcode == 0
    for rank in range(len(SHARES)):
        assert same(torch.load(tmp_path / f"{rank}.pt", weights_only=False), alone)


def test_one_object_stays_a_row():
    # torchmetrics makes numbers of tensors with one element.
    box, one = torch.tensor([[0.0, 0.0, 4.0, 4.0]]), torch.tensor([0])
    no = torch.zeros(1, dtype=torch.bool)
    store, voc = DetectionStore(1), VOCAveragePrecision(1, thresholds=[0.5])
    for metric in (store, voc):
        metric.update(
            [Detections(box, one, torch.ones(1), None)], [Objects(box, one, None, no, no)], one
        )
    (image,) = store.compute()
    assert image.true.labels.shape == image.detections.scores.shape == image.areas.shape == (1,)
    assert voc.compute().mean(0.5) == 1


def test_reset_forgets_and_pickles():
    import pickle

    metric = VOCAveragePrecision(2)
    found, true = next(images())
    metric.update([found], [true], torch.tensor([0]))
    again = pickle.loads(pickle.dumps(metric))
    assert torch.equal(again.compute().per_class, metric.compute().per_class)
    metric.reset()
    metric.update([], [], torch.zeros(0, dtype=torch.int64))
    assert metric.compute().per_class.isnan().all()
