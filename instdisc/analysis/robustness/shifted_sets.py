"""ImageNet's shifted test sets in their official layouts, with labels as a classifier counts.

Legend: N images, C classes of the classifier, K classes of a set.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageFolder, ImageSource
from instdisc.data.catalog.layout import class_folders
from instdisc.data.left_out import say_left_out

# Name: classes, and the folder in which its archive unpacks.
SHIFTED_SETS: dict[str, tuple[int, str]] = {
    "imagenet_a": (200, "imagenet-a"),
    "imagenet_r": (200, "imagenet-r"),
    "imagenet_o": (200, "imagenet-o"),
    "imagenet_v2": (1000, "imagenetv2-matched-frequency-format-val"),
    "imagenet_v2_threshold": (1000, "imagenetv2-threshold0.7-format-val"),
    "imagenet_v2_top": (1000, "imagenetv2-top-images-format-val"),
    "imagenet_sketch": (1000, "sketch"),
}
_FEWEST = 2


class Classes(NamedTuple):
    """Where a set's classes stand among a classifier's.

    Attributes:
        ids: ``(K',)`` int64, rising: the classifier's classes that the set has. Its logits are
            restricted to them.
        labels: ``(N,)`` int64 of each image as a position in `ids`; -1 where the classifier does
            not know the class.
    """

    ids: Tensor
    labels: Tensor


@checked_call()
def open_shifted(name: str, root: str | Path) -> ImageFolder:
    """A shifted test set of ImageNet in its official layout.

    ``imagenet_a``, ``imagenet_r``, ``imagenet_o`` (out of distribution, see
    `evaluate_out_of_distribution`) and ``imagenet_sketch`` hold class folders named by WordNet id;
    ``imagenet_v2`` (``_threshold`` and ``_top`` for its other two) folders 0 to 999, the classes
    in the order of the ids.

    Args:
        name: one of these.
        root: the folder of the set, or the one in which its archive was unpacked.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if there is no such set, or the folder holds another number of classes.

    Source:
        Hendrycks et al. (2021a, "Natural Adversarial Examples": -A and -O; 2021b, "The Many Faces
        of Robustness": -R), Recht et al. (2019, -V2), Wang et al. (2019, -Sketch).

    Example:
        >>> open_shifted("imagenet_b", "sets")
        Traceback (most recent call last):
        ValueError: `name` must be one of 'imagenet_a', ..., got 'imagenet_b'. Did you mean ...
    """
    checks.choice("name", name, list(SHIFTED_SETS))
    count, folder = SHIFTED_SETS[name]
    root = Path(root)
    place = root / folder if (root / folder).is_dir() else root
    if not place.is_dir():
        raise FileNotFoundError(f"`root` must be the folder of {name}, got {str(root)!r}")
    names = class_folders(place)
    if len(names) != count:
        checks.refuse(
            "root", f"a folder of {count} class folders, as {name} has", f"{place}: {len(names)}"
        )
    if name.startswith("imagenet_v2") and set(names) != {str(k) for k in range(count)}:
        checks.refuse("root", f"a folder of the folders 0 to {count - 1}", names[:3])
    images = ImageFolder(place)
    images.name = name
    return images


@checked_call()
def match_classes(images: ImageSource, classes: Sequence[str]) -> Classes:
    """The classes of a set as a classifier counts them, by their names.

    Names that are all numbers, as ImageNet-V2's folders, are positions in the sorted names of the
    classifier's 1,000 classes. Images of classes that the classifier does not know are counted and
    left out.

    Args:
        images: the set.
        classes: names of the classifier's C classes, in its order.

    Raises:
        ValueError: if the classifier knows fewer than two of the set's classes.

    Example:
        >>> from instdisc.data import ImageArray
        >>> pixels = torch.zeros(3, 3, 4, 4, dtype=torch.uint8)
        >>> some = ImageArray(pixels, torch.arange(3), classes=["n2", "n5", "n7"],
        ...     name="some")
        >>> match_classes(some, ["n1", "n2", "n5"])
        Classes(ids=tensor([1, 2]), labels=tensor([ 0,  1, -1]))
    """
    place = {name: position for position, name in enumerate(classes)}
    names = list(images.classes)
    if names and all(name.isdecimal() for name in names) and not set(names) & set(place):
        ordered = sorted(classes)
        largest = max(map(int, names))
        if len(ordered) != 1000 or largest > 999:
            checks.refuse(
                "classes",
                "the 1000 of ImageNet for a set whose classes are numbers",
                f"{len(ordered)} for the numbers up to {largest}",
            )
        names = [ordered[int(name)] for name in names]
    positions = torch.tensor([place.get(name, -1) for name in names])
    ids = positions[positions >= 0].sort().values
    if len(ids) < _FEWEST:
        checks.refuse(
            "classes",
            f"at least {_FEWEST} of those of {images.name!r}",
            list(classes)[:5],
            f"It has {names[:5]}.",
        )
    rank = torch.full((len(classes) + 1,), -1)
    rank[ids] = torch.arange(len(ids))
    labels = torch.where(images.labels < 0, -1, rank[positions[images.labels]])
    say_left_out(
        ((labels < 0) & (images.labels >= 0)).nonzero()[:, 0].tolist(),
        f"{images.name}: %d images of classes that were not trained on are left out, first of ",
        lambda row: repr(names[int(images.labels[row])]),
    )
    return Classes(ids, labels)


@checked_call()
def restrict_logits(logits: Tensor, ids: Tensor) -> Tensor:
    """``(N, K)`` logits of a set's classes, of ``(N, C)``: the softmax is over these alone.

    Args:
        logits: ``(N, C)``.
        ids: ``(K,)`` int64, see `Classes`.

    Raises:
        ValueError: if there are fewer than two, one comes twice or lies outside the classes.

    Source:
        Hendrycks et al. (2021a), their code, for the 200 classes of ImageNet-A, -O and -R.

    Example:
        >>> restrict_logits(torch.tensor([[2.0, 1.0, 9.0]]), torch.tensor([0, 2])).argmax(1)
        tensor([1])
    """
    checks.dtype("logits", checks.shape("logits", logits, ("N", "C")), checks.FLOATS)
    checks.shape("ids", ids, ("K",))
    checks.dtype("ids", ids, torch.int64)
    count = logits.shape[1]
    if len(ids) < _FEWEST or int(ids.min()) < 0 or int(ids.max()) >= count:
        checks.refuse("ids", f"at least {_FEWEST} classes of 0 to {count - 1}", ids.tolist())
    if len(ids.unique()) < len(ids):
        checks.refuse("ids", "each a class of its own", ids.tolist())
    return logits[:, ids.to(logits.device)]
