"""Parts and joins of sources, and what a command line may name."""

import numpy as np
import pytest
import torch

from instdisc.data import (
    JoinedObjects,
    ObjectSource,
    ObjectSubset,
    SceneObjects,
    Scenes,
    VOCObjects,
    open_objects,
    split_objects,
)

CAT = ("cat", 3, 4, 20, 25, 0)


def same_objects(found, expected):
    return all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


def test_scenes_are_those_of_the_generator():
    objects = SceneObjects(Scenes(5, image_size=48, num_categories=4, split="val", seed=3))
    scene = objects.scenes[2]
    found = objects.objects(2)
    assert torch.equal(objects.read(2), scene.image)
    assert torch.equal(found.boxes, scene.boxes)
    assert torch.equal(found.labels, scene.classes)
    assert torch.equal(found.masks, scene.masks)
    assert objects.areas(2).tolist() == scene.masks.sum((1, 2)).tolist()
    assert objects.sizes.tolist() == [[48, 48]] * 5


def test_the_area_of_a_box_where_there_is_nothing_else():
    class Boxes(SceneObjects):
        def objects(self, index):
            return super().objects(index)._replace(masks=None)

    found = Boxes(Scenes(1, image_size=48))
    assert found.areas(0).tolist() == ObjectSource.areas(found, 0).tolist()
    left, top, right, bottom = found.objects(0).boxes[0].tolist()
    assert found.areas(0)[0] == (right - left) * (bottom - top)


def test_a_subset_and_a_join_give_the_objects_of_their_sources():
    scenes = SceneObjects(Scenes(6, image_size=48))
    few = ObjectSubset(scenes, torch.tensor([5, 2]))
    joined = JoinedObjects([few, ObjectSubset(scenes, torch.tensor([0]))], name="both")
    assert joined.image_ids == [5, 2, 0]
    assert len(joined) == len(joined.sizes) == len(joined.has_objects) == 3
    for index, position in enumerate([5, 2, 0]):
        assert torch.equal(joined.read(index), scenes.read(position))
        assert same_objects(joined.objects(index), scenes.objects(position))
        assert torch.equal(joined.areas(index), scenes.areas(position))


def test_bad_subsets_and_joins():
    scenes = SceneObjects(Scenes(6, image_size=48))
    with pytest.raises(IndexError, match="`positions` must lie in 0 to 5, got 6"):
        ObjectSubset(scenes, torch.tensor([0, 6]))
    with pytest.raises(
        ValueError, match="`positions` must be at least one image of 'scenes', got .0,. torch.int64"
    ):
        ObjectSubset(scenes, torch.tensor([], dtype=torch.int64))
    with pytest.raises(ValueError, match="at least one source, got none"):
        JoinedObjects([])
    with pytest.raises(ValueError, match="must not share an image; two have the id 0"):
        JoinedObjects([scenes, scenes])
    with pytest.raises(ValueError, match="must be alike in their `classes`"):
        JoinedObjects([scenes, SceneObjects(Scenes(1, image_size=48, num_categories=3))])


def test_a_split_keeps_the_order_and_shares_nothing():
    train, test = split_objects(SceneObjects(Scenes(20, image_size=32)))
    assert len(test) == 6
    assert sorted(train.image_ids + test.image_ids) == list(range(20))
    assert train.image_ids == sorted(train.image_ids)
    assert (
        split_objects(SceneObjects(Scenes(20, image_size=32)), 6, seed=1)[1].image_ids
        != test.image_ids
    )
    with pytest.raises(ValueError, match="`num_test` must be .* at most 19, got 20. .* has 20 im"):
        split_objects(train.source, 20)


@pytest.mark.parametrize("place", ["VOCdevkit", "."])
def test_voc_by_name(write_voc, tmp_path, place):
    for year, image in (("07", "000001"), ("12", "2008_1")):
        splits = {"trainval": [image], "test": [f"{image}t"]}
        write_voc({image: [CAT], f"{image}t": [CAT]}, splits, f"{place}/VOC20{year}")
    assert open_objects("voc07", tmp_path, part="train").image_ids == ["000001"]
    both = open_objects("voc0712", tmp_path, part="train")
    assert both.image_ids == ["000001", "2008_1"]
    assert both.name == "voc0712_trainval"
    test = open_objects(f"voc0712={tmp_path}", part="test")
    assert test.image_ids == ["000001t"]
    assert test.classes == both.classes


def test_coco_by_name(write_coco, tmp_path):
    write_coco()
    write_coco(split="val2017")
    train = open_objects("coco", tmp_path, part="train")
    assert train.masks
    assert train.name == "coco_train2017"
    assert not open_objects(f"coco={tmp_path / 'coco'}", part="test", masks=False).masks


def test_folders_by_path(write_voc, write_coco, write_people, tmp_path):
    names = [f"{number}" for number in range(10)]
    write_voc({name: [CAT] for name in names}, {"train": names[:4], "val": names[4:]})
    assert open_objects("set", tmp_path, part="train").image_ids == names[:4]
    assert open_objects(tmp_path / "set", part="test").image_ids == names[4:]
    assert len(open_objects("set", tmp_path, part="all")) == 10
    (tmp_path / "set" / "ImageSets" / "Main" / "val.txt").unlink()
    assert [len(open_objects("set", tmp_path, part=part)) for part in ("train", "test")] == [7, 3]

    write_coco()
    (tmp_path / "coco").rename(tmp_path / "own")
    sizes = [len(open_objects("own", tmp_path, part=part)) for part in ("all", "train", "test")]
    assert sizes == [3, 2, 1]
    (tmp_path / "own" / "train2017").rename(tmp_path / "own" / "images")
    assert open_objects("own", tmp_path, part="all").read(0).shape == (3, 30, 40)
    (tmp_path / "own").rename(tmp_path / "coco")
    write_coco(split="val2017")
    (tmp_path / "coco").rename(tmp_path / "own")
    test = open_objects("own", tmp_path, part="test")
    assert test.name == "own"
    assert str(test.path(0)).endswith("val2017/30.jpg")
    with pytest.raises(ValueError, match="holds the annotations of train2017, val2017: with part"):
        open_objects("own", tmp_path, part="all")

    write_people({name: np.eye(30, 40) for name in map(str, range(52))})
    assert len(open_objects("people", tmp_path, part="train")) == 2
    assert open_objects("people", tmp_path, part="test").masks


def test_bad_names(write_voc, tmp_path):
    with pytest.raises(ValueError, match="`part` must be one of 'all', 'train', .* got 'dev'"):
        open_objects("scenes", part="dev")
    with pytest.raises(ValueError, match="`part` of 'scenes' must be 'train' or 'test', got 'all'"):
        open_objects("scenes", part="all")
    with pytest.raises(FileNotFoundError, match="or one of scenes, .*, got 'voc08'"):
        open_objects("voc08", tmp_path, part="train")
    with pytest.raises(ValueError, match="lies in no layout .*PennFudan.*; Annotations/"):
        open_objects(tmp_path, part="train")
    with pytest.raises(FileNotFoundError, match="`root` must be the folder with Annotations/"):
        open_objects("voc07", tmp_path, part="train")
    write_voc({"a": [CAT], "b": [CAT], "c": [CAT]}, {})
    with pytest.raises(ValueError, match="for 'set', which has no official split, got 'val'"):
        open_objects("set", tmp_path, part="val")


def test_real_sets(real_data):
    bccd = VOCObjects(real_data("bccd"), None)
    assert len(bccd) == 364
    assert bccd.classes == ["Platelets", "RBC", "WBC"]
    assert int(bccd._table.ends[-1]) == 4886
    people = open_objects(real_data("pennfudan"), part="all")
    assert (len(people), int(people._table.ends[-1])) == (170, 423)
    coco = open_objects(real_data("coco128"), part="all")
    assert (len(coco), int(coco._table.ends[-1]), int(coco._table.crowd.sum())) == (128, 939, 10)
    assert len({int(label) for label in coco._table.labels}) == 71
    for source in (bccd, people, coco):
        for index in (0, len(source) - 1):
            image, found = source.read(index), source.objects(index)
            assert list(image.shape[1:]) == source.sizes[index].tolist()
            assert found.masks is None or found.masks.shape[1:] == image.shape[1:]
