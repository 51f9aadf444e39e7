"""What the keys of annotations depend on, and how many objects there are."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import (
    COCOObjects,
    JoinedObjects,
    ObjectSource,
    ObjectSubset,
    PennFudan,
    SceneObjects,
    Scenes,
    VOCObjects,
)

from .conftest import coco_content
from .test_coco import changed, opened

CAT, DOG = ("cat", 3, 4, 20, 25, 0), ("dog", 1, 1, 40, 30, 1)


def keys(source):
    return [row.tobytes() for row in source.annotation_keys().keys]


def test_keys_of_a_copy_elsewhere_are_the_same(write_coco, write_voc, write_people, tmp_path):
    for root, read in (
        (write_coco(), opened),
        (write_voc({"a": [CAT], "b": [CAT, DOG]}, {}), lambda root: VOCObjects(root, None)),
        (write_people({"a": np.eye(30, 40), "b": np.zeros((30, 40))}), PennFudan),
    ):
        copy = shutil.copytree(root, tmp_path / "elsewhere" / root.name)
        assert keys(read(root)) == keys(read(copy))
        assert len(set(keys(read(root)))) == len(read(root))
        assert read(root).fingerprint() == read(copy).fingerprint()


@pytest.mark.parametrize(
    "fields",
    [
        {"bbox": [5, 5, 20, 14]},
        {"category_id": 1},
        {"iscrowd": 1},
        {"area": 149},
        {"segmentation": [[5.0, 5.0, 25.0, 5.0, 5.0, 19.0]]},
        {"segmentation": {"size": [30, 40], "counts": [1200]}},
    ],
)
def test_every_change_of_an_object_changes_the_key_of_its_image_alone(write_coco, fields):
    before = keys(opened(write_coco()))
    after = keys(opened(write_coco(changed(0, **fields))))
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True]


def test_changes_of_ids_and_sizes_show_and_those_of_names_do_not(write_coco):
    before = keys(opened(write_coco()))
    content = coco_content()
    content["images"][2]["id"] = 21
    assert keys(opened(write_coco(content)))[2] != before[2]
    content = coco_content()
    content["images"][2]["file_name"] = "other.jpg"
    assert keys(opened(write_coco(content))) == before
    file = write_coco() / "annotations" / "instances_train2017.json"
    file.write_text(file.read_text().replace('"height": 30', '"height": 60'))
    assert not set(keys(COCOObjects(file, masks=False))) & set(before)


def test_the_order_of_objects_shows(write_voc):
    root = write_voc({"a": [CAT, DOG]}, {})
    other = write_voc({"a": [DOG, CAT]}, {}, "other")
    assert keys(VOCObjects(root, None)) != keys(VOCObjects(other, None))


def test_a_changed_mask_shows(write_people):
    root = write_people({"a": np.eye(30, 40), "b": np.eye(30, 40)})
    before = keys(PennFudan(root))
    numbered = np.eye(30, 40, dtype=np.uint8)
    numbered[0, 1], numbered[1, 1] = 1, 0  # the same box and area
    Image.fromarray(numbered).save(root / "PedMasks" / "b_mask.png")
    after = keys(PennFudan(root))
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_keys_of_subsets_are_those_of_their_images(write_coco):
    source = opened(write_coco())
    subset = ObjectSubset(source, torch.tensor([2, 0]))
    assert keys(subset) == [keys(source)[2], keys(source)[0]]


def test_a_subclass_with_other_objects_has_other_keys_and_counts(write_coco):
    class Fewer(COCOObjects):
        def objects(self, index):
            found = super().objects(index)
            return type(found)(*(column[:0] for column in found))

    root = write_coco()
    file = root / "annotations" / "instances_train2017.json"
    assert not set(keys(Fewer(file))) & set(keys(COCOObjects(file)))
    assert Fewer(file).counts().trained.tolist() == [0, 0]


def test_a_subclass_of_scenes_too():
    class Crowds(SceneObjects):
        def objects(self, index):
            found = super().objects(index)
            return found._replace(crowd=torch.ones_like(found.crowd))

    scenes = Scenes(2, image_size=48)
    assert not set(keys(Crowds(scenes))) & set(keys(SceneObjects(scenes)))


def same_counts(source, positions=None):
    fast, slow = source.counts(positions), ObjectSource.counts(source, positions)
    return all(torch.equal(one, other) for one, other in zip(fast, slow, strict=True))


def test_counts_are_those_of_a_loop(write_coco, write_voc):
    coco = opened(write_coco())
    assert coco.counts().trained.tolist() == coco.counts().scored.tolist() == [1, 1]
    voc = VOCObjects(write_voc({"a": [CAT, DOG], "b": [], "c": [CAT]}, {}), None)
    assert voc.counts().trained.tolist() == [2, 1]
    assert voc.counts().scored.tolist() == [2, 0]
    for source in (coco, voc):
        assert same_counts(source)
        for positions in ([0], [2, 0], [1, 1, 2], []):
            positions = torch.tensor(positions, dtype=torch.int64)
            assert same_counts(source, positions)
            if len(positions):
                assert same_counts(ObjectSubset(source, positions))
    scenes = SceneObjects(Scenes(6, image_size=48))
    joined = JoinedObjects([ObjectSubset(scenes, torch.tensor([part])) for part in (3, 1)])
    assert same_counts(joined)
    assert same_counts(joined, torch.tensor([1]))
    every = torch.cat([scenes.objects(index).labels for index in (1, 3)])
    assert torch.equal(joined.counts().trained, every.bincount(minlength=10))


def test_objects_of_an_own_source_are_looked_at():
    class Own(SceneObjects):
        def objects(self, index):
            found = super().objects(index)
            return found._replace(**({} if index < 2 else self.changes))

    own = Own(Scenes(3, image_size=48))
    count = len(own.scenes[2].boxes)
    own.changes = {"labels": torch.full((count,), 10)}
    with pytest.raises(ValueError, match="`labels` must lie in 0 to 9 .* 10 to 10 in image 2 of"):
        own.counts()
    own.changes = {"boxes": torch.full((count, 4), float("nan"))}
    with pytest.raises(
        ValueError, match="`boxes` must be finite, got nan in row 0. Correct image 2"
    ):
        own.counts()
