"""Few-shot episodes as a fixed list that can be stored.

Legend: N images, E episodes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from instdisc import checks

_FORMAT = 1


class EpisodeProtocol(NamedTuple):
    """What a published few-shot evaluation draws; ``_asdict()`` gives keyword arguments.

    Attributes:
        ways: classes per episode.
        shots: support images per class, one evaluation for each number.
        queries: test images per class.
        episodes: how many.
    """

    ways: int
    shots: tuple[int, ...]
    queries: int
    episodes: int


ISLAM_EPISODES = EpisodeProtocol(ways=5, shots=(1, 5, 20, 50), queries=15, episodes=600)
"""Islam et al. (2021); their default is 5 shots. Images of the training and test part together."""

BSCD_FSL_EPISODES = EpisodeProtocol(ways=5, shots=(5, 20, 50), queries=15, episodes=600)
"""Guo et al., "A Broader Study of Cross-Domain Few-Shot Learning" (2020): all classes of
CropDisease (its training folder), EuroSAT, ISIC and ChestX."""


class Episodes(NamedTuple):
    """A fixed list of n-way k-shot episodes over one set of images.

    Attributes:
        support: ``(E, ways, shots)`` int64 positions in the set, one row per class.
        queries: ``(E, ways, queries)`` int64 positions, of the same classes.
        seed: what they were drawn with.
        labels_digest: of the labels they were drawn from; see `check`.
    """

    support: Tensor
    queries: Tensor
    seed: int
    labels_digest: str

    def first(self, shots: int) -> Episodes:
        """The same episodes with the first so many support images of each class.

        Raises:
            ValueError: if the list has fewer.
        """
        if not 1 <= shots <= self.support.shape[2]:
            raise ValueError(
                f"`shots` must be 1 to {self.support.shape[2]}, as many as the episodes have, "
                f"got {shots}. Draw the list with more."
            )
        return self._replace(support=self.support[:, :, :shots])

    @property
    def digest(self) -> str:
        """A hash of the list, by which two results are known to be on the same episodes."""
        digest = hashlib.sha256(repr([part.shape for part in self[:2]]).encode())
        for part in self[:2]:
            digest.update(part.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def check(self, labels: Tensor) -> None:
        """Makes sure that the list belongs to a set of images.

        Raises:
            ValueError: if it was drawn from other labels, or the same in another order.
        """
        if _digest(labels) != self.labels_digest:
            raise ValueError(
                f"the episodes were drawn from a set with other labels (digest "
                f"{self.labels_digest}) than these {len(labels)} (digest {_digest(labels)}). "
                "Draw them anew with draw_episodes."
            )

    def compacted(self, labels: Tensor) -> tuple[Tensor, Episodes]:
        """The images that occur, and the same episodes as a list over these alone.

        Large sets have many images that no episode draws, and whose features are not needed.

        Args:
            labels: ``(N,)`` of the set.

        Returns:
            ``(M,)`` int64 positions of the images, ascending, and the episodes over them.

        Raises:
            ValueError: see `check`.

        Example:
            >>> labels = torch.arange(4).repeat(100)
            >>> drawn = draw_episodes(labels, ways=2, shots=1, queries=1, episodes=2)
            >>> positions, episodes = drawn.compacted(labels)
            >>> len(positions), torch.equal(positions[episodes.support], drawn.support)
            (8, True)
        """
        self.check(labels)
        positions = torch.cat([self.support.flatten(), self.queries.flatten()]).unique()
        support, queries = (
            torch.searchsorted(positions, part.contiguous())
            for part in (self.support, self.queries)
        )
        return positions, Episodes(support, queries, self.seed, _digest(labels[positions]))

    def save(self, path: str | Path) -> None:
        """Writes one compressed ``.npz`` file, readable with numpy alone.

        Raises:
            ValueError: if `path` does not end in ``.npz``.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise ValueError(f"`path` must end in '.npz', got {str(path)!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"format": _FORMAT, "seed": self.seed, "labels_digest": self.labels_digest}
        support, queries = (part.numpy().astype(np.int32) for part in (self.support, self.queries))
        np.savez_compressed(
            path, about=np.array(json.dumps(about)), support=support, queries=queries
        )

    @classmethod
    def load(cls, path: str | Path) -> Episodes:
        """Reads what `save` wrote; nothing in the file is executed.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a list of episodes.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                support, queries = (
                    torch.from_numpy(file[name].astype(np.int64)) for name in ("support", "queries")
                )
            if about["format"] != _FORMAT:
                raise ValueError(f"format {about['format']}, this version reads {_FORMAT}")
            return cls(support, queries, about["seed"], about["labels_digest"])
        except FileNotFoundError:
            raise
        except Exception as error:  # numpy raises anything at broken bytes
            raise ValueError(
                f"{path} is not a list of episodes ({error}). Draw it anew."
            ) from error


def draw_episodes(
    labels: Tensor,
    *,
    ways: int = 5,
    shots: int = 5,
    queries: int = 15,
    episodes: int = 600,
    seed: int = 0,
    classes: Sequence[str] = (),
) -> Episodes:
    """Draws a list of episodes: classes first, then different images of each.

    An episode depends on the seed, its number and the labels alone. Its classes and queries are
    the same for any number of shots, and its support images are the first of one order: so
    ``draw_episodes(labels, shots=20).first(5)`` is ``draw_episodes(labels, shots=5)``, and shots
    are compared on the same queries. Images of unknown class (``-1``) are left out.

    Args:
        labels: ``(N,)`` int64, ``-1`` = unknown.
        ways: classes per episode.
        shots: support images per class.
        queries: test images per class.
        episodes: how many; the first so many are the same for any number.
        seed: of the draws, not negative.
        classes: names of the classes, for messages.

    Raises:
        ValueError: if a number is out of range, there are fewer classes than `ways`, a class has
            fewer than `shots` + `queries` images (names all such), or a label is below -1 or not
            in `classes`.

    Source:
        Islam et al. (2021) and BSCD-FSL draw so: classes at random, images without replacement.

    Differs from it:
        They draw anew for each number of shots. Islam et al. fill small classes up by repeating
        images, which puts one image in support and queries: here such a class is refused.

    Example:
        >>> drawn = draw_episodes(torch.arange(8).repeat(20), episodes=2)
        >>> drawn.support.shape, drawn.queries.shape
        (torch.Size([2, 5, 5]), torch.Size([2, 5, 15]))
    """
    checks.arguments(
        draw_episodes,
        locals(),
        shots=checks.whole,
        queries=checks.whole,
        episodes=checks.whole,
        seed=checks.count,
    )
    checks.whole("ways", ways, at_least=2)
    check_labels(labels, classes)
    present = [int(label) for label in labels.unique() if label >= 0]
    if len(present) < ways:
        raise ValueError(
            f"`ways`={ways} needs at least {ways} classes, got {len(present)} in {len(labels)} "
            "labels. Use more classes, or fewer ways."
        )
    values = labels.numpy()
    members = [np.flatnonzero(values == label) for label in present]
    _check_sizes(present, [len(positions) for positions in members], shots, queries, classes)
    support = np.empty((episodes, ways, shots), np.int64)
    tests = np.empty((episodes, ways, queries), np.int64)
    for episode in range(episodes):
        # Raw bits: numpy promises to keep these the same, unlike what it makes of them.
        bits = np.random.PCG64((seed, episode))
        for way, row in enumerate(np.argsort(bits.random_raw(len(members)))[:ways]):
            order = members[row][np.argsort(bits.random_raw(len(members[row])))]
            tests[episode, way] = order[:queries]
            support[episode, way] = order[queries : queries + shots]
    return Episodes(torch.from_numpy(support), torch.from_numpy(tests), seed, _digest(labels))


def check_labels(labels: Tensor, classes: Sequence[str]) -> None:
    """Refuses labels below -1 or, if names are given, without a name.

    Raises:
        ValueError: names the image.
    """
    checks.dtype("labels", labels, checks.INTEGERS)
    checks.shape("labels", labels, ("N",))
    if not len(labels):
        checks.refuse("labels", "of at least one image", labels)
    outside = labels < -1
    if classes:
        outside = outside | (labels >= len(classes))
    if outside.any():
        first = int(outside.nonzero()[0])
        rule = f"-1 to {len(classes) - 1}" if classes else "-1 (unknown) or above"
        of = f" (there are {len(classes)} `classes`)" if classes else ""
        raise ValueError(f"`labels` must be {rule}, got {int(labels[first])} for image {first}{of}")


def _check_sizes(
    present: Sequence[int],
    sizes: Sequence[int],
    shots: int,
    queries: int,
    classes: Sequence[str],
) -> None:
    small = [
        f"{repr(classes[label]) if classes else label} ({size})"
        for label, size in zip(present, sizes, strict=True)
        if size < shots + queries
    ]
    if small:
        more = f" and {len(small) - 5} others" if len(small) > 5 else ""
        raise ValueError(
            f"`shots`={shots} and `queries`={queries} need {shots + queries} images of every "
            f"class; too few have the classes {', '.join(small[:5])}{more}. Leave these out "
            "(instdisc.data.ClassSubset), or ask for fewer shots or queries."
        )


def _digest(labels: Tensor) -> str:
    return hashlib.sha256(labels.numpy().astype("<i8").tobytes()).hexdigest()[:16]
