"""Few-shot accuracy on other sets, now and then during pretraining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn

from instdisc import checks
from instdisc.data import (
    Episodes,
    ImageSource,
    ImageSubset,
    ViewPolicy,
    draw_episodes,
    open_images,
)
from instdisc.models import Backbone
from instdisc.transfer import Features, evaluate_few_shot, islam_test_policy

from .features import current_features

Classifier = Literal["logistic", "euclidean", "cosine"]
Images = ImageSource | str | Path

ISLAM_VALIDATION_SETS = ("cropdisease", "eurosat", "isic", "dtd", "deepweeds", "svhn")
"""The six sets of Islam et al.'s validation, by their names in the catalog."""


class FewShotAccuracy(Callback):
    """Logs the few-shot accuracy of the backbone on other sets every so many epochs.

    At the end of the epoch, and of the last one, the frozen backbone computes features of the
    images that the episodes draw, and a classifier is fitted to each episode's support set. The
    episodes are drawn once, by `seed`, so that epochs and runs compare. Training does not notice:
    no weight, no statistic of batch norm and no random number changes. Several processes share
    the images, and each logs the same.

    Logged, as shares in [0, 1]: ``few_shot/<name>`` for each set, and ``few_shot``, their mean.
    With several numbers of shots these are means over them, and ``few_shot/<name>/<k>_shot`` are
    logged too. A checkpoint can be chosen by it, where no other epochs are asked for than those
    that have the number::

        ModelCheckpoint(monitor="few_shot", mode="max", every_n_epochs=20)

    Sets that choose the checkpoint are no test sets any more.

    Args:
        images: an `ImageSource`, or what `open_images` opens with ``part="all"``; a sequence of
            these, which get their own names; or a mapping from names to these. See
            `ISLAM_VALIDATION_SETS` for those of the paper. Images of unknown class are left out.
        every: epochs from one number to the next.
        num_episodes: of each set.
        shots: support images per class, one or several numbers.
        ways: classes per episode.
        queries: test images per class.
        classifier: see `evaluate_few_shot`, on features of unit length.
        image_size: side of the view in pixels; see `islam_test_policy`, the view.
        policy: how the view is made, in place of `islam_test_policy`; `image_size` is then not
            used.
        batch_size: images at once.
        num_workers: processes that read.
        seed: of the episodes.

    Raises:
        FileNotFoundError: if a set is not there.
        TypeError: if an argument is of another type; when the run starts, if the module has no
            `Backbone`.
        ValueError: if an argument is out of range, two sets have one name, or a set cannot give
            such episodes (see `draw_episodes`); in training, if an image of an episode cannot be
            read, or features are not finite.

    Source:
        Islam et al. (2021), released code: while mini-ImageNet is learnt, 400 episodes of 5 ways,
        5 shots and 15 queries on six sets every 20 epochs; logistic regression.

    Differs from it:
        As `evaluate_few_shot` does. Theirs draws other episodes each time.

    Example:
        >>> from instdisc import MoCoModule
        >>> from instdisc.data import Scenes
        >>> from instdisc.testing.runs import fit, make_batches
        >>> sets = {"scenes": Scenes(60, image_size=32, num_categories=3)}
        >>> watch = FewShotAccuracy(sets, every=1, ways=3, image_size=32, num_episodes=50)
        >>> module = MoCoModule(Backbone("test_resnet"), queue_size=16, batch_norm_groups=1)
        >>> trainer = fit(module, make_batches(1, 8, 32), watch)
        >>> sorted(key for key in trainer.callback_metrics if "few_shot" in key)
        ['few_shot', 'few_shot/scenes']
    """

    def __init__(
        self,
        images: Images | Sequence[Images] | Mapping[str, Images],
        *,
        every: int = 20,
        num_episodes: int = 400,
        shots: Sequence[int] = (5,),
        ways: int = 5,
        queries: int = 15,
        classifier: Classifier = "logistic",
        image_size: int = 224,
        policy: ViewPolicy | None = None,
        batch_size: int = 256,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        checks.arguments(
            FewShotAccuracy.__init__,
            locals(),
            every=checks.whole,
            num_episodes=checks.whole,
            shots=checks.whole,
            ways=checks.whole,
            queries=checks.whole,
            image_size=checks.whole,
            batch_size=checks.whole,
            num_workers=checks.count,
            seed=checks.count,
        )
        self.every = checks.whole("every", every)
        self.shots = _checked_shots(shots)
        self.ways = checks.whole("ways", ways, at_least=2)
        self.queries = checks.whole("queries", queries)
        self.classifier = checks.choice("classifier", classifier, get_args(Classifier))
        self.batch_size = checks.whole("batch_size", batch_size)
        self.num_workers = checks.whole("num_workers", num_workers, at_least=0)
        checks.whole("num_episodes", num_episodes)
        checks.whole("image_size", image_size)
        checks.whole("seed", seed, at_least=0)
        if policy is not None:
            checks.instance("policy", policy, ViewPolicy, "a ViewPolicy")
        self.policy = policy or islam_test_policy(image_size)
        self._sets = [
            self._drawn(name, source, num_episodes, seed)
            for name, source in _opened(images).items()
        ]
        self._done = False  # in this epoch

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        backbone = getattr(pl_module, "backbone", None)
        checks.instance("backbone", backbone, Backbone, "a Backbone, as an attribute of the module")
        self._done = False

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Where the epoch ends with a validation, its checkpoint is written right after it.
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if fitting and trainer.is_last_batch:
            self._evaluate(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._done:
            self._evaluate(trainer, pl_module)
        self._done = False

    def _evaluate(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epochs = trainer.current_epoch + 1
        last = epochs == trainer.max_epochs or trainer.global_step == trainer.max_steps
        if epochs % self.every and not last:
            return
        self._done = True
        values, means = {}, []
        for image_set in self._sets:
            by_shots = self._accuracies(image_set, pl_module)
            means.append(sum(by_shots) / len(by_shots))
            values[f"few_shot/{image_set.name}"] = means[-1]
            if len(by_shots) > 1:
                for count, value in zip(self.shots, by_shots, strict=True):
                    values[f"few_shot/{image_set.name}/{count}_shot"] = value
        # Equal on all processes already; sync_dist lets ModelCheckpoint monitor it on each.
        pl_module.log_dict(values, sync_dist=True)
        pl_module.log("few_shot", sum(means) / len(means), prog_bar=True, sync_dist=True)

    def _accuracies(self, image_set: _Set, pl_module: LightningModule) -> list[float]:
        """The mean accuracy for each number of shots, in [0, 1]."""
        table = current_features(
            pl_module,
            image_set.images,
            policy=self.policy,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
        )
        settings: dict[str, Any] = {"ways": self.ways, "queries": self.queries}
        settings |= {"episodes": image_set.episodes, "classifier": self.classifier}
        settings["device"] = pl_module.device
        features = Features(table, image_set.images.labels)
        records = evaluate_few_shot(features, shots=self.shots, **settings)
        return [record.value / 100 for record in records]

    def _drawn(self, name: str, images: ImageSource, num_episodes: int, seed: int) -> _Set:
        try:
            drawn = draw_episodes(
                images.labels,
                ways=self.ways,
                shots=max(self.shots),
                queries=self.queries,
                episodes=num_episodes,
                seed=seed,
                classes=images.classes,
            )
        except ValueError as error:
            raise ValueError(f"the set {name!r} of `images` gives no episodes: {error}") from error
        positions, episodes = drawn.compacted(images.labels)
        used = ImageSubset(images, positions)
        used.on_unreadable = "raise"  # another image cannot take the place of one of an episode
        return _Set(name, used, episodes)


class _Set(NamedTuple):
    """The images of a set that occur in episodes, and the episodes over them."""

    name: str
    images: ImageSource
    episodes: Episodes


def _checked_shots(shots: Sequence[int]) -> tuple[int, ...]:
    checks.instance("shots", shots, Sequence, "a sequence of whole numbers")
    counts = tuple(checks.whole("shots", count) for count in shots)
    if not counts or len(set(counts)) < len(counts):
        checks.refuse("shots", "one or more different numbers", list(counts))
    return counts


def _open(entry: str | Path) -> ImageSource:
    try:
        return open_images(entry, part="all")
    except FileNotFoundError as error:
        raise FileNotFoundError(str(error).replace("`name`", "`images`")) from None


def _opened(images: Images | Sequence[Images] | Mapping[str, Images]) -> dict[str, ImageSource]:
    """The sets by their names in the logs."""
    kinds, rule = (ImageSource, str, Path), "an ImageSource or what open_images opens, or several"
    if isinstance(images, kinds):
        images = [images]
    checks.instance("images", images, (Mapping, Sequence), rule)
    named = images.items() if isinstance(images, Mapping) else [(None, entry) for entry in images]
    sets: dict[str, ImageSource] = {}
    for name, entry in named:
        checks.instance("images", entry, kinds, rule)
        source = entry if isinstance(entry, ImageSource) else _open(entry)
        name = source.name if name is None else checks.instance("images", name, str, "named by str")
        if name in sets:
            checks.refuse("images", "of different names", name, "Name them: {'a': ..., 'b': ...}.")
        sets[name] = source
    if not sets:
        checks.refuse("images", "one set or more", images)
    return sets
