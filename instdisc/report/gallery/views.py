"""The views on which checkpoints were trained."""

from __future__ import annotations

import re

from ..material import Material
from ..pooling import method_labels
from .drawing import smaller
from .gallery import Gallery, Picture

_SIZE = (900, 900)  # pixels


def view_galleries(material: Material) -> list[Gallery]:
    """The picture of the views of each checkpoint that has one."""
    labels: dict[str, str] = {}
    if material.records:
        for record, label in zip(material.records, method_labels(material.records), strict=True):
            if re.fullmatch("[0-9a-f]+", record.weights):  # it becomes part of a path
                labels.setdefault(record.weights, label)
    pictures = []
    for weights, label in labels.items():
        paths = [folder / "pictures" / f"views-{weights}.webp" for folder in material.folders]
        path = next((path for path in paths if path.is_file()), None)
        if path is not None:
            words = f"Views of training images of {label}, a row for each image."
            pictures.append(Picture(label, words, smaller(path, _SIZE), "image/webp"))
    caption = "The first batch of the pretraining: each row shows the views of one image."
    return [Gallery("Views in pretraining", caption, pictures)] if pictures else []
