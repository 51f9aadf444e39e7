"""The views that a method is published with, as ``instdisc pretrain --model METHOD`` takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from instdisc import methods

_VIT = re.compile(r"(^|_)(vit|deit3?)_")


def method_views(arguments: Sequence[str]) -> list[str]:
    """Options of the data that stand before all others, so that what is given counts.

    Args:
        arguments: of ``instdisc pretrain``.

    Returns:
        None without ``--config`` and with a class of the library behind ``--model``, where a recipe
        or a file of the user's says nothing of the views.

    Example:
        >>> method_views(["--model", "BYOLModule"])
        ['--config={"data": {"policy": "byol"}}']
        >>> method_views(["--config", "mine.yaml", "--model", "BYOLModule"])
        []
    """
    words = [part for word in arguments for part in word.split("=", 1)]
    if "--config" in words or "--model" not in words[:-1]:
        return []
    kind = getattr(methods, words[words.index("--model") + 1].rpartition(".")[2], None)
    if not (isinstance(kind, type) and issubclass(kind, methods.PretrainModule)):
        return []
    policy = kind.policy
    if any(_VIT.search(word) for word in words):
        policy = policy.removesuffix("_resnet")  # MoCo v3 and DINO have other crops for ViTs
    views: dict[str, object] = {"policy": policy}
    if issubclass(kind, methods.InstDiscModule):
        views["num_views"] = 1
    return [f"--config={json.dumps({'data': views})}"]
