"""Suppression of overlapping boxes as two Triton kernels, for all images at once.

The first writes which box overlaps which, a bit for each pair. The second, one program for each
image, goes through the boxes from the best on in blocks of 64, the bits of a word, and stops when
it has as many as are wanted.

Legend: B images, M boxes of an image, W = ceil(M / 64) words of a row, K boxes wanted.
"""

from __future__ import annotations

from typing import Any

from instdisc.gpu import jit, tl


@jit
def mark_overlaps(
    boxes: tl.tensor,
    overlaps: tl.tensor,
    count: tl.tensor,
    words: tl.tensor,
    threshold: tl.tensor,
) -> None:
    """Bit j of ``overlaps (B, M, W)`` int64: box i takes box j > i away.

    ``boxes (B, M, 4)`` are float32, best first; the worse of two goes above an IoU of `threshold`.
    """
    block, word, image = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    if word >= block:
        row, column = block * 64 + tl.arange(0, 64), word * 64 + tl.arange(0, 64)
        boxes += image.to(tl.int64) * count * 4
        left, top, right, bottom = _box(boxes, row, count)
        left_, top_, right_, bottom_ = _box(boxes, column, count)
        width = tl.minimum(right[:, None], right_[None, :]) - tl.maximum(
            left[:, None], left_[None, :]
        )
        height = tl.minimum(bottom[:, None], bottom_[None, :]) - tl.maximum(
            top[:, None], top_[None, :]
        )
        both = tl.maximum(width, 0.0) * tl.maximum(height, 0.0)
        area, area_ = (right - left) * (bottom - top), (right_ - left_) * (bottom_ - top_)
        union = area[:, None] + area_[None, :] - both
        takes = both / tl.where(union > 0, union, 1.0) > threshold
        takes = takes & (column[None, :] > row[:, None])
        bits = tl.sum(takes.to(tl.int64) << tl.arange(0, 64).to(tl.int64)[None, :], 1)
        place = (image.to(tl.int64) * count + row) * words + word
        tl.store(overlaps + place, bits, mask=row < count)


@jit
def keep_best(
    overlaps: tl.tensor,
    usable: tl.tensor,
    rows: tl.tensor,
    counts: tl.tensor,
    count: tl.tensor,
    words: tl.tensor,
    most: tl.tensor,
    WORDS: tl.constexpr,
) -> None:
    """The boxes that no better one takes away: ``rows (B, K)`` int64 and how many, ``counts (B,)``.

    ``usable (B, W)`` int64 has a bit for each box; the others neither stay nor take away. K =
    `most`; W is at most `WORDS`, a power of 2.
    """
    image = tl.program_id(0).to(tl.int64)
    overlaps += image * count * words
    rows += image * most
    word = tl.arange(0, WORDS)
    bit = tl.arange(0, 64)
    left = tl.load(usable + image * words + word, mask=word < words, other=0)  # bits that are left
    kept, block = 0, 0
    while (block < words) & (kept < most):
        box = block * 64 + bit
        row = overlaps + box[:, None].to(tl.int64) * words
        free = tl.sum(tl.where(word == block, left, 0), 0)
        takes = tl.load(overlaps + box.to(tl.int64) * words + block, mask=box < count, other=0)
        # Within the block: what stays is what nothing that stays takes away. Each pass settles at
        # least one more box from the best on; mostly a few passes settle all.
        stays, before = free, free ^ free
        while stays != before:
            before = stays
            taken = tl.reduce(tl.where((before >> bit) & 1 == 1, takes, 0), 0, _either)
            stays = free & ~taken
        chosen = (stays >> bit) & 1
        place = kept + tl.cumsum(chosen, 0) - 1
        tl.store(rows + place, box.to(tl.int64), mask=(chosen == 1) & (place < most))
        kept += tl.sum(chosen, 0).to(tl.int32)
        later = (chosen == 1)[:, None] & ((word > block) & (word < words))[None, :]
        taken_words = tl.load(row + word[None, :], mask=later, other=0)
        left = left & ~tl.reduce(taken_words, 0, _either)
        block += 1
    tl.store(counts + image, tl.minimum(kept, most).to(tl.int64))


@jit
def _box(boxes: tl.tensor, row: tl.tensor, count: tl.tensor) -> Any:
    inside = row < count
    left = tl.load(boxes + row * 4, mask=inside, other=0.0)
    top = tl.load(boxes + row * 4 + 1, mask=inside, other=0.0)
    right = tl.load(boxes + row * 4 + 2, mask=inside, other=0.0)
    bottom = tl.load(boxes + row * 4 + 3, mask=inside, other=0.0)
    return left, top, right, bottom


@jit
def _either(one: tl.tensor, other: tl.tensor) -> Any:
    return one | other
