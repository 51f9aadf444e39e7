"""Rows of the benchmark: decoding files of images."""

import argparse
import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from torchvision.io import ImageReadMode, decode_image

from benchmarks.views import jpeg_folder
from instdisc.data import ImageFolder
from instdisc.data.images.decoding import decode_file

Contenders = dict[str, Callable[[], Any]]


def files(options: argparse.Namespace, form: str, size: tuple[int, int]) -> Contenders:
    """Files of a format and of width and height `size`.

    The peer is the fastest there is, which ends the process at a damaged PNG; it decides by what
    the file holds, as ours does.
    """
    originals = ImageFolder(jpeg_folder(options.images))
    folder = Path(tempfile.mkdtemp(prefix="instdisc_benchmark_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    paths = []
    for index in range(len(originals)):
        paths.append(folder / f"{index}.{form}")
        with Image.open(originals.path(index)) as opened:
            opened.resize(size).save(paths[-1])
    return {
        "torchvision: decode_image": lambda: [
            decode_image(str(path), ImageReadMode.RGB) for path in paths
        ],
        "ours: decode_file": lambda: [decode_file(path) for path in paths],
    }
