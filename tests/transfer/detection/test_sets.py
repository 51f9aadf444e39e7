"""Sets that would train in vain are refused before anything trains."""

import logging

import pytest
import torch
from pytorch_lightning import LightningDataModule, Trainer

from instdisc.data import (
    JoinedObjects,
    ObjectData,
    ObjectPolicy,
    ObjectSubset,
    SceneObjects,
    Scenes,
)
from instdisc.models import Backbone
from instdisc.transfer import DetectionModule, DetectionRecipe, detect
from instdisc.transfer.detection.sets import check_sets, check_test, choose_masks


class Marked(SceneObjects):
    """Scenes with other flags, classes or without masks."""

    def __init__(self, count=4, *, crowd=False, difficult=False, empty=False, masks=True, **more):
        super().__init__(Scenes(count, image_size=48, **more))
        self.flags = {"crowd": crowd, "difficult": difficult}
        self.empty = empty
        self.masks = masks
        self.name = "marked"

    def objects(self, index):
        found = super().objects(index)
        flags = {name: torch.full_like(found.crowd, on) for name, on in self.flags.items()}
        found = found._replace(**flags, masks=found.masks if self.masks else None)
        if self.empty:
            found = type(found)(*(None if column is None else column[:0] for column in found))
        return found


def fine(**more):
    return Marked(split="val", **more)


def run(train, test, **options):
    return detect(
        Backbone("test_resnet"), train, test,
        recipe=DetectionRecipe(1, 2, 0.001, (), 0), norm="plain", precise_batches=1,
        short_sides=[48], regions_per_image=8, accelerator="cpu", **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (Marked(empty=True), fine(), "`train` must have objects to train on, got none in the 4"),
        (Marked(crowd=True), fine(), r"`train` must .* of 'marked' \(crowds alone, which are not"),
        (
            Marked(),
            fine(empty=True),
            "`test` must have .* in the 4 images of 'mark",
        ),
        (Marked(), fine(crowd=True), "`test` must have objects to find that are neither crowds"),
        (Marked(), fine(difficult=True), "`test` must have objects to find"),
        (Marked(), fine(num_categories=3), "got 3 for 10: with nothing and without 'arrow', "),
        (Marked(num_categories=3), fine(), "`test` must have the classes of `train` in"),
    ],
)
def test_sets_that_would_train_in_vain(monkeypatch, train, test, message):
    monkeypatch.setattr(DetectionModule, "training_step", lambda *_: pytest.fail("it trained"))
    for protocols in (("coco",), ("voc07", "voc10")):
        with pytest.raises(ValueError, match=message):
            run(train, test, protocols=protocols)
    with pytest.raises(ValueError, match=message):
        check_sets(train, test)


def test_difficult_objects_are_trained_on():
    check_sets(Marked(difficult=True), fine())


def test_classes_in_another_order():
    test = fine()
    test.classes = [test.classes[1], test.classes[0], *test.classes[2:]]
    with pytest.raises(ValueError, match="in another order: number 0 is '.*' instead of '"):
        check_sets(Marked(), test)
    with pytest.raises(ValueError, match="in another order"):
        ObjectData(Marked(), test)


def test_classes_that_are_never_trained_on_are_said(caplog):
    scenes = Marked(12)
    train = ObjectSubset(scenes, torch.tensor([0]))
    known = set(scenes.objects(0).labels.tolist())
    unseen = sorted(
        {label for index in range(12) for label in scenes.objects(index).labels.tolist()} - known
    )
    with caplog.at_level(logging.WARNING):
        check_sets(train, Marked(12))
    line = caplog.messages[0]
    assert line.startswith(
        f"marked: {len(unseen)} classes are to be found here and never trained on"
    )
    assert line.endswith(", ".join(scenes.classes[one] for one in unseen))


def test_images_of_both_sets_are_counted(caplog):
    scenes = Marked(6)
    train = JoinedObjects([ObjectSubset(scenes, torch.tensor([one])) for one in (0, 1, 2, 3)])
    with caplog.at_level(logging.WARNING):
        check_sets(train, ObjectSubset(scenes, torch.tensor([5, 3, 4, 2])))
    (line,) = (one for one in caplog.messages if "images to test on" in one)
    assert line == "2 of the 4 images to test on (marked) are trained on, too, first: 3"
    caplog.clear()
    check_sets(train, ObjectSubset(scenes, torch.tensor([4, 5])))
    assert not any("images to test on" in one for one in caplog.messages)


def test_whether_there_are_masks(caplog):
    with caplog.at_level(logging.WARNING):
        assert choose_masks(Marked(), fine(), None)
        assert not choose_masks(Marked(masks=False), fine(masks=False), None)
        assert not choose_masks(Marked(), fine(), False)
        assert not caplog.records
        assert not choose_masks(Marked(), fine(masks=False), None)
    assert caplog.messages == ["masks are not predicted: `test` (marked) has none"]
    for pair in ((Marked(masks=False), fine()), (Marked(), fine(masks=False))):
        with pytest.raises(ValueError, match="`masks` must be False .* and 'marked' has none"):
            choose_masks(*pair, True)
    with pytest.raises(ValueError, match="`masks` must be False for sets without masks, got True"):
        run(Marked(masks=False), fine(), masks=True)


def trainer():
    return Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip


def test_the_module_asks_too():
    module = DetectionModule("test_resnet", 10, norm="plain", precise_batches=0)
    policy = ObjectPolicy([48])
    data = ObjectData(Marked(), fine(empty=True), policy=policy, batch_size=2, iterations=1)
    for start in (trainer().fit, trainer().test):
        with pytest.raises(ValueError, match="`test` must have objects to find"):
            start(module, datamodule=data)

    class Own(LightningDataModule):
        test = fine(crowd=True)

        def train_dataloader(self):
            return data.train_dataloader()

        def val_dataloader(self):
            return data.val_dataloader()

    with pytest.raises(ValueError, match="`test` must have objects to find"):
        trainer().fit(module, datamodule=Own())


def test_a_test_alone():
    assert check_test(fine()).sum() > 0
    with pytest.raises(ValueError, match="no number would come out"):
        check_test(fine(empty=True))
