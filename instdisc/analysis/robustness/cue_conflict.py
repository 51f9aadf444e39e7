"""Shape against texture: images with the shape of one class and the texture of another.

Legend: N images, C classes, D width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageFolder

_FILE = re.compile(r"([a-z_]+?)\d*-([a-z_]+?)\d*\.\w+")


@checked_call()
class ShapeBias(NamedTuple):
    """What decisions went by.

    Attributes:
        shape: decisions for the class of the shape.
        texture: for that of the texture.
        other: for neither.
        bias: shape over shape and texture, in [0, 1].
    """

    shape: int
    texture: int
    other: int
    bias: float


class CueConflict(ImageFolder):
    """Cue-conflict images: ``SHAPE/SHAPE1-TEXTURE2.png``, labelled by their shape.

    Args:
        root: the folder of the class folders; theirs has 16 of 80 images.

    Attributes:
        textures: ``(N,)`` int64 class of each image's texture.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if a file is not named so, its shape is not its folder's, or its texture is
            none of the folders.

    Source:
        Geirhos et al., "ImageNet-trained CNNs are biased towards texture" (2019).

    Example:
        >>> CueConflict("nowhere")
        Traceback (most recent call last):
        FileNotFoundError: `root` must be a folder of images, got 'nowhere'
    """

    textures: Tensor

    @checked_call()
    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        position = {name: place for place, name in enumerate(self.classes)}
        textures = []
        for path, label in zip(self.image_names(), self.labels.tolist(), strict=True):
            named = _FILE.fullmatch(Path(path).name)
            if named is None or named[1] != self.classes[label] or named[2] not in position:
                checks.refuse(
                    "root",
                    "a folder of files like cat/cat3-dog1.png, both of its class folders",
                    path,
                )
            textures.append(position[named[2]])
        self.textures = torch.tensor(textures)


@checked_call()
def shape_bias(
    predictions: Tensor | Sequence[str],
    shapes: Tensor | Sequence[str],
    textures: Tensor | Sequence[str],
) -> ShapeBias:
    """How often decisions go by the shape where shape and texture disagree.

    ``bias = shape / (shape + texture)``. Images whose shape and texture are of one class are left
    out, and decisions for a third class do not count.

    Args:
        predictions: ``(N,)`` int64 classes, or their names.
        shapes: ``(N,)`` likewise, of the shape.
        textures: ``(N,)`` likewise, of the texture.

    Raises:
        TypeError: if some are tensors and some are not, or one is a text.
        ValueError: if they differ in length, or no decision is for shape or texture.

    Source:
        Geirhos et al. (2019). On their images ResNet-50 has 0.22, people 0.96.

    Example:
        >>> shape_bias(["cat", "dog", "car"], ["cat"] * 3, ["dog"] * 3)
        ShapeBias(shape=1, texture=1, other=1, bias=0.5)
    """
    names = ("predictions", "shapes", "textures")
    columns = (predictions, shapes, textures)
    for name, column in zip(names, columns, strict=True):
        if isinstance(column, str) or isinstance(column, Tensor) != isinstance(predictions, Tensor):
            rule = "a tensor of classes or a list of names, like the others and `predictions`"
            checks.refuse(name, rule, column, kind=TypeError)
    for name, column in zip(names, columns, strict=True):
        if isinstance(column, Tensor):
            checks.dtype(name, checks.shape(name, column, ("N",)), checks.INTEGERS)
    rows = [column.tolist() if isinstance(column, Tensor) else list(column) for column in columns]
    if len({len(row) for row in rows}) > 1:
        checks.refuse("textures", "as many as predictions and shapes", [len(row) for row in rows])
    triples = [(p, s, t) for p, s, t in zip(*rows, strict=True) if s != t]
    by_shape = sum(bool(p == s) for p, s, _ in triples)
    by_texture = sum(bool(p == t) for p, _, t in triples)
    if not by_shape + by_texture:
        checks.refuse(
            "predictions",
            "for shape or texture in at least one image where they differ",
            f"{len(triples)} such images",
        )
    other = len(triples) - by_shape - by_texture
    return ShapeBias(by_shape, by_texture, other, by_shape / (by_shape + by_texture))
