"""What timm must be told to build a backbone: the file config.json of the Hugging Face Hub."""

from __future__ import annotations

from typing import Any

import timm

from instdisc.models import Backbone
from instdisc.models.identity import fixed_size


def timm_config(backbone: Backbone) -> dict[str, Any] | None:
    """The entries of config.json, by which ``timm.create_model("hf-hub:USER/REPO")`` builds it.

    Args:
        backbone: any.

    Returns:
        JSON values; ``None`` for what timm alone cannot build: another stem than timm's, an
        architecture that is not in timm (``"resnet12"``), a network of your own, or a subclass of
        `Backbone`, which may compute other features.

    Source:
        timm's ``save_config_for_hf``. It is not called: its arguments differ between releases.

    Example:
        >>> config = timm_config(Backbone("vit_tiny_patch16_224", img_size=32))
        >>> config["architecture"], config["model_args"], config["pretrained_cfg"]["input_size"]
        ('vit_tiny_patch16_224', {'img_size': 32}, [3, 32, 32])
        >>> print(timm_config(Backbone("resnet18", stem="cifar")))
        None
    """
    net: Any = backbone.net
    source: dict[str, Any] = dict(getattr(net, "pretrained_cfg", None) or {})
    name = backbone.name.split(".")[0]
    is_plain = type(backbone) is Backbone and source.get("architecture") == name
    if not is_plain or backbone.stem != "imagenet":
        return None
    if not timm.model_entrypoint(name).__module__.startswith("timm."):
        return None
    seen = backbone.input
    size = fixed_size(net, source) or seen.size
    height, width = (size, size) if isinstance(size, int) else size
    options = {"model_args": backbone.timm_options} if backbone.timm_options else {}
    return {
        "architecture": name,
        "num_classes": 0,
        "num_features": int(net.num_features),
        **options,
        "pretrained_cfg": {
            "input_size": [backbone.timm_options.get("in_chans", 3), height, width],
            "fixed_input_size": bool(source.get("fixed_input_size", False)),
            "interpolation": seen.interpolation,
            "crop_pct": seen.crop,
            "crop_mode": "center",
            "mean": list(seen.mean),
            "std": list(seen.std),
            "num_classes": 0,
            "first_conv": source.get("first_conv"),
            "classifier": source.get("classifier"),
            "custom_load": False,
        },
    }
