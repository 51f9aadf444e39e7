"""Some of a source's images are a source, too."""

from __future__ import annotations

import torch

from instdisc.data import ImageSource

from .source_contents import Images, difference
from .watching import check


def check_subset(source: ImageSource, images: Images) -> None:
    """A subset in another order has the images and what is known of them.

    Args:
        source: what is checked.
        images: of `check_reading`.

    Raises:
        AssertionError: if something is lost or goes with another image.
    """
    positions = torch.tensor(list(images)).flip(0)
    subset = source.subset(positions)
    check(isinstance(subset, ImageSource), "`subset` must return an ImageSource")
    check(
        len(subset) == len(positions),
        f"`subset` of {len(positions)} positions has {len(subset)} images",
    )
    fault = difference(subset, dict(enumerate(reversed(images.values()))))
    check(not fault, f"in what `subset` returns {fault}: it must keep the order of `positions`")
    check(
        torch.equal(subset.labels, source.labels[positions]),
        "`subset` gives images the labels of others",
    )
    names = source.image_names()
    check(
        subset.image_names() == [names[position] for position in positions.tolist()],
        "`subset` gives images the names of others",
    )
    check(
        all(
            subset.encoded(row) == source.encoded(position)
            for row, position in enumerate(positions.tolist())
        ),
        "`subset` gives images the bytes of others in `encoded`",
    )
    for attribute in ("kind", "name", "on_unreadable"):
        expected, kept = getattr(source, attribute), getattr(subset, attribute)
        check(kept == expected, f"`subset` loses `{attribute}`: {kept!r} instead of {expected!r}")
    check(list(subset.classes) == list(source.classes), "`subset` loses `classes`")
