"""Images with objects for Lightning's Trainer."""

from __future__ import annotations

from pathlib import Path

import torch
from pytorch_lightning import LightningDataModule

from instdisc import checks
from instdisc.checks import refuse
from instdisc.types import InputSpec

from ..left_out import say_left_out
from .dataset import ObjectDataset
from .loader import ObjectLoader
from .opening import open_objects
from .policy import ObjectPolicy
from .source import ObjectSource, ObjectSubset, check_classes


class ObjectData(LightningDataModule):
    """Images with objects to train a detector on, and to test it.

    Batches are `ObjectBatch`. The training loader gives `iterations` batches per epoch of the
    Trainer: a run of one epoch is a schedule of `iterations` steps. The test loader, also the one
    for validation, gives each image once, at the largest short side.

    Training leaves crowds out and clips boxes to the image; test batches hold everything as
    annotated. A score needs the annotations themselves, which resizing has not touched:
    ``data.test.objects(index)`` and ``data.test.areas(index)``.

    Args:
        train: a source, or a name for `open_objects`, which takes its training part.
        test: a source or a name, of which the test part is taken; ``None``: the name of `train`.
        root: the folder that holds sets by name; see `open_objects`.
        policy: how training images are resized; ``None`` for that of VOC.
        batch_size: images per process and step.
        iterations: training steps.
        test_batch_size: images per process and test batch. With 1 no image is padded to the size
            of another, so a result does not depend on the other images of its batch.
        num_workers: processes that read and resize.
        seed: of the order and of all random numbers.
        masks: whether to read masks where there are any; for sets by name.
        skip_empty: leave images without objects out of training, as the published COCO recipes do;
            else they train as background.
        multiple: height and width of a batch are padded with 0 to multiples of it.

    Raises:
        ValueError, TypeError: if an argument is out of range, there is no test set, both sets
            differ in their classes, or `skip_empty` leaves no image; and from the sources.

    Example:
        >>> data = ObjectData("scenes", policy=ObjectPolicy([128]), batch_size=4, iterations=10)
        >>> batch = next(iter(data.train_dataloader()))
        >>> batch.images.shape, data.num_classes, len(data.test_dataloader())
        (torch.Size([4, 3, 128, 128]), 10, 100)
    """

    def __init__(
        self,
        train: ObjectSource | str | Path,
        test: ObjectSource | str | Path | None = None,
        *,
        root: str | Path | None = None,
        policy: ObjectPolicy | None = None,
        batch_size: int = 16,
        iterations: int = 9000,
        test_batch_size: int = 1,
        num_workers: int = 0,
        seed: int = 0,
        masks: bool = True,
        skip_empty: bool = False,
        multiple: int = 32,
    ) -> None:
        checks.arguments(
            ObjectData.__init__,
            locals(),
            batch_size=checks.whole,
            iterations=checks.whole,
            test_batch_size=checks.whole,
            num_workers=checks.count,
            seed=checks.count,
            multiple=checks.whole,
        )
        super().__init__()
        if test is None and isinstance(train, ObjectSource):
            refuse("test", "given where `train` is a source", test)
        if not isinstance(train, ObjectSource):
            test = train if test is None else test
            train = open_objects(train, root, part="train", masks=masks)
        if not isinstance(test, ObjectSource):
            assert test is not None
            test = open_objects(test, root, part="test", masks=masks)
        check_classes(train, test)
        self.train: ObjectSource = _without_empty(train) if skip_empty else train
        self.test: ObjectSource = test
        self.policy = ObjectPolicy() if policy is None else policy
        self.batch_size = batch_size
        self.iterations = iterations
        self.test_batch_size = test_batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.multiple = multiple
        self._train_set = ObjectDataset(self.train, self.policy, seed=seed, multiple=multiple)
        self._test_set = ObjectDataset(
            self.test, self.policy.for_test(), seed=seed, training=False, multiple=multiple
        )

    def show_as(self, seen: InputSpec) -> None:
        """Resizes images as those were that a backbone was trained on; its module says so."""
        for policy in (self.policy, self._train_set.policy, self._test_set.policy):
            policy.interpolation = seen.interpolation

    @property
    def num_classes(self) -> int:
        """Number of classes, without the background."""
        return len(self.train.classes)

    def train_dataloader(self) -> ObjectLoader:
        return self._loader(self._train_set, self.batch_size, self.iterations)

    def val_dataloader(self) -> ObjectLoader:
        return self.test_dataloader()

    def test_dataloader(self) -> ObjectLoader:
        return self._loader(self._test_set, self.test_batch_size, None)

    def predict_dataloader(self) -> ObjectLoader:
        return self.test_dataloader()

    def _loader(
        self, dataset: ObjectDataset, batch_size: int, iterations: int | None
    ) -> ObjectLoader:
        return ObjectLoader(
            dataset,
            batch_size,
            iterations=iterations,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
        )


def _without_empty(source: ObjectSource) -> ObjectSource:
    kept = source.has_objects.nonzero()[:, 0]
    if not len(kept):
        raise ValueError(f"`skip_empty` leaves no image of {source.name!r}: none has an object")
    if len(kept) == len(source):
        return source
    say_left_out(
        torch.nonzero(~source.has_objects)[:, 0].tolist(),
        f"{source.name}: left out %d images without objects, first: ",
        lambda row: str(source.image_ids[row]),
    )
    return ObjectSubset(source, kept)
