"""Files of images and masks, drawn small."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def draw(tmp_path):
    """Writes an image of noise, or a mask of the given values and the first of them."""

    def write(name, values=None, mode="RGB", size=(12, 8)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if values is None:
            noise = np.random.RandomState(len(name)).randint(0, 256, (size[1], size[0], 3))
            Image.fromarray(noise.astype(np.uint8)).convert(mode).save(path)
        else:
            wide = max(values) > 255
            pixels = np.full(size[0] * size[1], values[0], dtype=np.uint16 if wide else np.uint8)
            pixels[: len(values)] = values
            mask = Image.fromarray(pixels.reshape(size[1], size[0]))
            (mask if mode == "RGB" else mask.convert(mode)).save(path)
        return path

    return write
