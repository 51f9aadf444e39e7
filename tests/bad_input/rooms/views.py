"""Views: frames, photometric steps, policies, data sets of views, loaders, ViewData."""

import torch

from instdisc import Scenes
from instdisc.data import (
    CenterCrop,
    RandomGrayscale,
    ViewDataset,
    view_policy,
)

from ..calls import Call
from ..sorts import OBJECT, PATH, POSITIVE, SHARE, TEXT, number, optional, sequence, whole

SCENES = Scenes(8, image_size=32)
POLICY = view_policy("moco_v2", 32)
POLICIES = sequence(OBJECT)
MEAN = sequence(number()).also(two=(0.5, 0.5))
STD = sequence(POSITIVE).also(two=(0.5, 0.5), zero=(0.5, 0.0, 0.5))
SCALE = sequence(number(above=0, at_most=1)).also(falling=(1.0, 0.2), three=(0.1, 0.2, 0.3))
NAME = TEXT.also(unknown="moco_v9", empty="")


def dataset() -> ViewDataset:
    return ViewDataset(SCENES, [POLICY])


CALLS = [
    Call(
        "instdisc.data.CenterCrop",
        lambda: {"size": 32, "resize": 32},
        {"resize": whole(1).also(below_size=16)},
    ),
    Call("instdisc.data.RandomResizedCrop", lambda: {"size": 32}, {"scale": SCALE}),
    Call(
        "instdisc.data.ColorJitter",
        lambda: {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
        {
            **dict.fromkeys(["brightness", "contrast", "saturation"], SHARE),
            "hue": number(at_least=0, at_most=0.5),
        },
    ),
    Call(
        "instdisc.data.GaussianBlur",
        dict,
        {"low": POSITIVE.also(above_high=3.0), "high": POSITIVE},
    ),
    Call("instdisc.data.RandomGrayscale"),
    Call("instdisc.data.RandomSolarize", dict, {"threshold": SHARE}),
    Call(
        "instdisc.data.ViewPolicy",
        lambda: {"frame": CenterCrop(32, resize=32), "photometric": [RandomGrayscale()]},
        {"photometric": sequence(OBJECT, empty=True), "mean": MEAN, "std": STD},
    ),
    Call("instdisc.data.describe_view", lambda: {"policy": POLICY}),
    Call("instdisc.data.evaluation_policy"),
    Call(
        "instdisc.data.multi_crop",
        dict,
        {"name": NAME, "num_small": whole(0), "scale": SCALE, "small_scale": SCALE},
    ),
    Call(
        "instdisc.data.view_policies",
        lambda: {"name": "dino"},
        {"name": NAME, "num_views": optional(whole(1)).also(too_few=1)},
    ),
    Call(
        "instdisc.data.view_policy",
        lambda: {"name": "moco_v2", "scale": (0.2, 1.0)},
        {"name": NAME, "scale": optional(SCALE)},
    ),
    Call(
        "instdisc.data.ViewDataset",
        lambda: {"images": SCENES, "policies": [POLICY]},
        {"policies": POLICIES},
    ),
    Call(
        "instdisc.data.ViewFinisher",
        lambda: {"policies": [POLICY]},
        {"policies": POLICIES, "dtype": OBJECT.also(whole_type=torch.uint8)},
    ),
    Call(
        "instdisc.data.ViewLoader",
        lambda: {"dataset": dataset(), "batch_size": 4},
        {
            "batch_size": whole(1).also(more_than_images=9),
            "device": PATH.also(unknown="gpu"),
        },
    ),
    Call(
        "instdisc.ViewData",
        lambda: {"images": SCENES, "test_images": SCENES, "image_size": 32, "batch_size": 4},
        {
            "images": PATH.also(missing="/no/such/folder", tensor=lambda good: torch.zeros(2)),
            "test_images": optional(PATH).also(missing="/no/such/folder"),
            "policy": TEXT.also(unknown="moco_v9").without("list"),
            "image_size": whole(1),
        },
        raises={"images": FileNotFoundError, "test_images": FileNotFoundError},
    ),
]

EXEMPT = {
    "instdisc.data.Draws": "made by the loaders for every batch; users' operators are handed it",
    "instdisc.data.Box": "a plain tuple that frames make for themselves",
    "instdisc.data.Frame": "an abstract class without arguments",
    "instdisc.data.PhotometricStep": "an abstract class without arguments",
}
