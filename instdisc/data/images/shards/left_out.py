"""What the log says of files in shards that are no images with labels."""

from __future__ import annotations

from collections.abc import Sequence

from ...left_out import say_once
from .index_file import ShardIndex

_LEFT_OUT = {
    "beside": "files in the shards of {} are neither images nor labels and are left out",
    "no_image": "samples in the shards of {} have no image and are left out",
    "images": "samples in the shards of {} have several images and are left out (image= says "
    "which counts)",
}
_NO_LABEL = {"no_label": "images in the shards of {} have no label"}


def say_left_out(index: ShardIndex, root: str, shards: Sequence[str]) -> None:
    """One line for each kind of what is left out, with the first of all shards.

    Args:
        index: of the shards.
        root: where they lie, for the message.
        shards: their names there.
    """
    for kind, message in {**_LEFT_OUT, **(_NO_LABEL if index.classes else {})}.items():
        shards_with = [shard for shard, left in index.left_out.items() if kind in left]
        if shards_with:
            first = shards_with[0]
            count = sum(index.left_out[shard][kind].number for shard in shards_with)
            name = index.left_out[first][kind].first
            say_once(f"{count} {message.format(root)}, first: {name} in {shards[first]}")
