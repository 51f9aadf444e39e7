import pytest
import torch

from instdisc.analysis.invariance import landmark_factors, object_factors
from instdisc.analysis.invariance.sources import factors_of
from instdisc.data import (
    FACE_5,
    ImagesInMemory,
    ImageSource,
    LandmarkSource,
    ObjectSource,
    SceneLandmarks,
    SceneObjects,
    Scenes,
)
from instdisc.types import Objects


class Boxes(ObjectSource):
    """Two images of 40 x 20 pixels, and a third without any object but a crowd."""

    def __init__(self):
        self.name = "boxes"
        self.classes = ["ant", "bee"]
        self.labels = torch.full((3,), -1)
        self.image_ids = [0, 1, 2]
        self.category_ids = [1, 2]
        self.masks = False
        self.sizes = torch.tensor([[20, 40]] * 3)
        self.has_objects = torch.tensor([True, True, False])

    def read(self, index):
        return torch.zeros(3, 20, 40, dtype=torch.uint8)

    def objects(self, index):
        rows = [
            [[0, 0, 8, 4], [20, 10, 40, 15], [0, 0, 40, 20]],  # the last is a crowd
            [[-10, 10, 10, 30], [0, 0, 0, 0]],
            [[0, 0, 40, 20]],
        ][index]
        crowd = torch.zeros(len(rows), dtype=torch.bool)
        if index != 1:
            crowd[-1] = True
        labels = torch.arange(len(rows)) % 2
        return Objects(torch.tensor(rows).float(), labels, None, crowd & False, crowd)


def test_object_factors_of_hand_made_boxes():
    factors = object_factors(Boxes())
    # Of the image's width and height: 0.5 x 0.25; clipped to 0.25 x 0.5.
    assert factors["size"][:2].tolist() == pytest.approx([0.125**0.5] * 2)
    assert factors["aspect"][:2].tolist() == pytest.approx([0.6931472, -0.6931472])
    assert factors["position"][:2].flatten().tolist() == pytest.approx([0.75, 0.625, 0.125, 0.75])
    assert factors["category"].tolist() == [1, 0, -1]
    assert factors["number of objects"].tolist() == [2, 2, 0]
    for name in ("size", "aspect", "position"):
        assert bool(factors[name][2].isnan().all())


def test_object_factors_of_scenes_are_near_the_true_ones():
    scenes = Scenes(60, image_size=64, max_others=2)
    seen, truth = object_factors(SceneObjects(scenes)), scenes.factors()
    assert torch.equal(seen["number of objects"], truth["number of objects"])
    assert float((seen["category"] == truth["category"]).double().mean()) > 0.9
    assert float((seen["position"] - truth["position"]).abs().mean()) < 0.08


def test_landmark_factors_of_hand_made_points():
    class Points(LandmarkSource):
        name = "points"
        classes = ()
        layout = FACE_5
        labels = torch.full((3,), -1)

        def read(self, index):
            return torch.zeros(3, 20, 40, dtype=torch.uint8)

        def points(self, index):
            seen = [1.0, 1.0, float(index == 0), 0.0, 0.0] if index < 2 else [1.0, 0, 1, 1, 1]
            places = [[10, 5], [30, 15], [20, 10], [-1, -1], [-1, -1]]
            return torch.cat([torch.tensor(places).float(), torch.tensor(seen)[:, None]], 1)

    factors = landmark_factors(Points())
    # In shares of width and height the eyes lie at (0.25, 0.25) and (0.75, 0.75).
    assert factors["position"][:2].flatten().tolist() == pytest.approx([0.5] * 4)
    assert factors["size"][1] == pytest.approx((2 * 0.25**2) ** 0.5)
    assert factors["size"][0] == pytest.approx((2 / 3 * 2 * 0.25**2) ** 0.5)
    assert factors["orientation"][0].tolist() == pytest.approx([0.5**0.5] * 2)
    assert bool(factors["orientation"][2].isnan().all())  # an eye is hidden


def test_landmark_factors_of_scenes_follow_the_true_ones():
    scenes = Scenes(80, image_size=64, max_others=0)
    seen, truth = landmark_factors(SceneLandmarks(scenes)), scenes.factors()
    angle = torch.atan2(seen["orientation"][:, 1], seen["orientation"][:, 0]).rad2deg()
    inside = ~angle.isnan()  # neither the left nor the right point is outside the image
    assert int(inside.sum()) > 50
    assert torch.allclose(angle[inside], truth["orientation"][inside], atol=0.01)


def test_subsets_know_the_factors_of_their_images():
    scenes = Scenes(30, image_size=32)
    few = scenes.subset(torch.tensor([9, 4, 7])).subset(torch.tensor([2, 0]))
    expected = scenes.factors(torch.tensor([7, 9]))
    factors = factors_of("test", few)
    assert all(torch.equal(factors[name], expected[name]) for name in expected)


def test_subsets_of_sets_with_points_or_boxes_know_theirs():
    scenes, few = Scenes(12, image_size=32), torch.tensor([9, 4, 7])
    for source, factors in (
        (SceneObjects(scenes), object_factors),
        (SceneLandmarks(scenes), landmark_factors),
    ):
        expected = factors(source)
        for name, column in factors_of("test", source.subset(few)).items():
            assert torch.equal(column.nan_to_num(), expected[name][few].nan_to_num()), name


def test_a_set_of_a_user_with_factors():
    class Mine(Scenes):
        def factors(self, positions=None):
            return {"number": positions.double()}

    assert factors_of("test", Mine(4, image_size=32))["number"].tolist() == [0, 1, 2, 3]


def test_sets_that_know_nothing_are_refused():
    class Plain(ImageSource):
        name = "plain"
        classes = ()
        labels = torch.zeros(4).long()

        def read(self, index):
            return torch.zeros(3, 8, 8, dtype=torch.uint8)

    with pytest.raises(ValueError, match="`train` must be a set that knows the factors of its"):
        factors_of("train", Plain())
    with pytest.raises(ValueError, match="got 'scenes'. .*Images in memory do not"):
        factors_of("train", ImagesInMemory(Scenes(4, image_size=32)))
    with pytest.raises(TypeError, match="`train` must be a set of images, got 3"):
        factors_of("train", 3)
    with pytest.raises(TypeError, match="`source` must be an ObjectSource"):
        object_factors(Plain())
    with pytest.raises(TypeError, match="`source` must be a LandmarkSource"):
        landmark_factors(Plain())
