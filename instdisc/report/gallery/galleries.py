"""All pictures of a report, within a limit of bytes."""

from __future__ import annotations

from instdisc.checks import checked_call, whole

from ..material import Material
from .dense import dense_galleries
from .disagreements import disagreement_galleries
from .gallery import Gallery
from .reconstructions import reconstruction_galleries
from .sheets import NEIGHBOURS, OTHERS, other_galleries, sheet_galleries
from .views import view_galleries

# In a page they take a third more.
MOST_BYTES = 2_200_000


@checked_call(most_bytes=whole)
def galleries(material: Material, *, most_bytes: int = MOST_BYTES) -> list[Gallery]:
    """The pictures that tasks and analyses saved, made small enough for one page.

    Test images that are right with one method and wrong with another; nearest neighbours;
    detections, masks and points of all methods on the same images; reconstructions and what else
    analyses drew; the views of the pretraining; figures that no chart of the report shows. Nothing
    but the results files and what lies beside them is read.

    Args:
        material: of the report, see `read_material`.
        most_bytes: of all pictures together. If they are more, the first picture of each gallery
            comes before the second of any, and the captions say how many are left out.

    Returns:
        Galleries with at least one picture.

    Raises:
        ValueError: if a file of predictions or pictures is damaged, or `most_bytes` is out of
            range.

    Example:
        >>> galleries(Material([], []))
        []
    """
    made = [
        *disagreement_galleries(material),
        *sheet_galleries(material, NEIGHBOURS),
        *dense_galleries(material),
        *reconstruction_galleries(material),
        *sheet_galleries(material, OTHERS),
        *view_galleries(material),
        *other_galleries(material),
    ]
    return _within(made, most_bytes)


def _within(made: list[Gallery], most_bytes: int) -> list[Gallery]:
    """The galleries, without the pictures that are too many."""
    kept: list[list[int]] = [[] for _ in made]
    left = most_bytes
    for rank in range(max((len(gallery.pictures) for gallery in made), default=0)):
        for place, gallery in enumerate(made):
            if rank < len(gallery.pictures) and len(gallery.pictures[rank].image) <= left:
                kept[place].append(rank)
                left -= len(gallery.pictures[rank].image)
    shown = []
    for gallery, ranks in zip(made, kept, strict=True):
        lost = len(gallery.pictures) - len(ranks)
        note = f" {lost} more would make the page too large." if lost else ""
        pictures = [gallery.pictures[rank] for rank in ranks]
        if pictures:
            shown.append(Gallery(gallery.title, gallery.caption + note, pictures))
    return shown
