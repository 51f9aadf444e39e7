"""Faces made by hand: flips, crops, what is masked, and what the readers refuse."""

import pytest
import torch
from PIL import Image

from instdisc.data import (
    FACE_5,
    FACE_68,
    SCENE_5,
    Box,
    CelebALandmarks,
    Draws,
    LandmarkData,
    LandmarkDataset,
    LandmarkFiles,
    LandmarkFinisher,
    LandmarkLayout,
    LandmarkSource,
    LandmarkTable,
    SceneLandmarks,
    Scenes,
    SquareFrame,
    ViewLoader,
    ViewPolicy,
    evaluation_policy,
    open_landmarks,
)
from instdisc.data.landmarks.dataset import to_image

EYES = LandmarkLayout(("left", "right"), ((0, 1),), ((0,), (1,)))
FACE = torch.tensor([[4.0, 5], [11, 5], [8, 9], [5, 12], [10, 12]])  # of 16 x 20 pixels


class HandMade(LandmarkSource):
    """An image that is black but for one bright pixel under each point."""

    name, classes, layout = "hand-made", (), FACE_5

    def __init__(self, points=FACE, width=16, height=20, hidden=(), box=None, count=4):
        self._points = torch.cat([points, torch.ones(len(points), 1)], 1)
        self._points[list(hidden), 2] = 0
        self._size, self._box = (height, width), box
        self.labels = torch.full((count,), -1)

    def read(self, index):
        image = torch.zeros(3, *self._size, dtype=torch.uint8)
        for x, y, _ in self._points.tolist():
            if 0 <= x < self._size[1] and 0 <= y < self._size[0]:
                image[:, int(y), int(x)] = 255
        return image

    def points(self, index):
        return self._points

    def box(self, index):
        return self._box


def only(source, policy, *, epoch=0, **options):
    return LandmarkDataset(source, policy, **options).batch([(epoch, 0)]).batch


def plain(size, **options):
    return ViewPolicy(SquareFrame(size, **options), flip=0.0)


# Layouts


def test_pairs_of_68_points_are_mirror_images():
    order = FACE_68.order
    assert [order[place] for place in order] == list(range(68))
    assert len(FACE_68.flip_pairs) == 29
    single = {point for point in range(68) if order[point] == point}
    assert single == {8, 27, 28, 29, 30, 33, 51, 57, 62, 66}  # chin, nose, middle of the lips
    # On a symmetric face, drawn from these pairs, a mirror changes nothing.
    points = torch.rand(68, 2)
    for left, right in FACE_68.flip_pairs:
        points[right] = torch.tensor([1 - points[left, 0], points[left, 1]])
    points[sorted(single), 0] = 0.5
    mirrored = torch.stack([1 - points[:, 0], points[:, 1]], 1)[order]
    torch.testing.assert_close(mirrored, points)
    for left, right in FACE_68.flip_pairs:
        names = FACE_68.names[left].split(), FACE_68.names[right].split()
        sides = {name[0] for name in names}
        assert sides in ({"left", "right"}, {"jaw"}, {"nose"}, {"mouth"})


def test_distance_is_between_the_means_of_the_eyes():
    assert FACE_5.distance(FACE) == 7
    wide = FACE_5._replace(eyes=((0, 3), (1, 4)))
    assert wide.distance(FACE) == 6


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (EYES, "must name 5 points, as many as there are, got 2"),
        (FACE_5._replace(flip_pairs=((0, 1), (1, 2))), "must name a point once"),
        (FACE_5._replace(flip_pairs=((0, 7),)), "points 0 to 4, got 7"),
        (FACE_5._replace(eyes=((0,), (0,))), "two different groups"),
        (FACE_5._replace(eyes=((0,), ())), "two different groups"),
    ],
)
def test_a_layout_must_fit(layout, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        LandmarkFiles(tmp_path, ["1.png"], FACE[None], layout)


# Views


@pytest.mark.parametrize("size", [20, 40])
def test_points_stay_on_their_pixels(size):
    batch = only(HandMade(), plain(size))
    (points,) = batch.points
    # 16 x 20 in a square of 20: two columns on each side.
    torch.testing.assert_close(points, (FACE + torch.tensor([2.0, 0])) * size / 20)
    for x, y in (points + size / 40).int().tolist():  # the middle of the bright pixel
        assert batch.images[0, 0, y, x] > 100
    torch.testing.assert_close(to_image(batch.points, batch.boxes, size)[0], FACE)


def test_flip_swaps_left_and_right_and_follows_the_pixels():
    source = HandMade()
    batch = only(source, ViewPolicy(SquareFrame(20), flip=1.0))
    before = only(source, plain(20))
    assert torch.equal(batch.images, before.images.flip(3))
    left, right, nose, *_ = batch.points[0]
    assert left.tolist() == [20 - 13, 5]  # the image's left eye is what was the right one
    assert right.tolist() == [20 - 6, 5]
    assert nose.tolist() == [20 - 10, 9]


def test_flip_swaps_what_is_hidden():
    flipped = only(HandMade(hidden=[0]), ViewPolicy(SquareFrame(20), flip=1.0))
    assert flipped.visible[0].tolist() == [True, False, True, True, True]


def test_points_outside_are_masked_and_keep_their_place():
    points = FACE.clone()
    points[0, 0], points[4, 1] = -3, 20  # left of the image; below its last row
    batch = only(HandMade(points), plain(20))
    assert batch.visible[0].tolist() == [False, True, True, True, False]
    assert torch.equal(batch.visible, batch.inside)
    torch.testing.assert_close(to_image(batch.points, batch.boxes, 20)[0], points)


def test_a_point_that_only_the_view_lacks_counts_for_the_score():
    batch = only(HandMade(), plain(8, margin=-0.3))  # the middle 8 pixels: 4 to 12, 6 to 14
    assert batch.visible.all()
    assert batch.inside[0].tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("crop", "margin", "expected"),
    [
        ("image", 0.0, [-2, 0, 18, 20]),
        ("box", 0.0, [2, 4, 12, 14]),
        ("box", 0.5, [-3, -1, 17, 19]),
        ("points", 0.0, [4, 5, 11, 12]),
    ],
)
def test_crops(crop, margin, expected):
    source = HandMade(box=torch.tensor([4.0, 4, 10, 14]))
    batch = only(source, plain(10, margin=margin), crop=crop)
    assert batch.boxes[0].tolist() == expected


def test_beyond_the_image_lies_the_mean_colour():
    batch = only(HandMade(), plain(20))
    assert batch.images[0, :, 0, 0].tolist() == [124, 116, 104]
    assert batch.images[0, :, 0, 2].tolist() == [0, 0, 0]
    far = SquareFrame(6).cut_box(torch.zeros(3, 8, 8, dtype=torch.uint8), Box(40, 40, 6, 6, True))
    assert (far == torch.tensor([124, 116, 104])[:, None, None]).all()


def test_random_squares_have_the_right_size_and_place():
    frame = SquareFrame(8, scale=0.2, shift=0.1)
    boxes = [frame.box(100, 100, row) for row in frame.draw(Draws(0, 0, range(200), 0)).tolist()]
    sides = [box.height for box in boxes]
    assert min(sides) < 83
    assert max(sides) > 117
    centres = torch.tensor([[box.left + box.width / 2, box.top + box.height / 2] for box in boxes])
    assert (centres - 50).abs().max() <= 12.5
    assert (centres - 50).abs().amax(0).min() > 8


def test_views_do_not_depend_on_workers_or_neighbours():
    source = SceneLandmarks(Scenes(8, image_size=32))
    data = LandmarkData(source, source, image_size=32, crop="box", augment="strong", batch_size=4)
    views = data.train_set
    whole = views.batch([(1, i) for i in range(8)])
    for index in (3, 6):
        one = views.batch([(1, index)])
        for column, all_rows in zip(one.batch, whole.batch, strict=True):
            assert torch.equal(column[0], all_rows[index])
        assert torch.equal(one.numbers[0], whole.numbers[index])
    loaders = [ViewLoader(views, 4, num_workers=workers, raw=True) for workers in (0, 1)]
    for here, there in zip(*loaders, strict=True):
        for one, other in zip(here.batch, there.batch, strict=True):
            assert torch.equal(one, other)
    again = views.batch([(2, 3)]).batch
    assert not torch.equal(again.boxes[0], whole.batch.boxes[3])
    finished = LandmarkFinisher(views.policies[0])(whole)
    assert finished.images.dtype == torch.float32
    assert finished.images.isfinite().all()


def test_scenes_hide_what_is_covered():
    scenes = Scenes(20, image_size=48, max_others=4)
    source = SceneLandmarks(scenes)
    assert source.layout == SCENE_5
    seen = torch.stack([source.points(index) for index in range(20)])
    assert 0 < seen[..., 2].mean() < 1
    box, points = source.box(0), source.points(0)
    shown = points[points[:, 2] > 0, :2]
    assert ((shown >= box[:2] - 1) & (shown <= box[2:] + 1)).all()
    # The right end lies to the right: no pair is swapped in an upright object.
    assert (seen[:, 4, 0] > seen[:, 3, 0]).all()


# Data for the trainer


def test_features_take_the_place_of_views():
    source = HandMade(count=5)
    data = LandmarkData(source, source, image_size=20, batch_size=2)
    seen = []

    def encoder(images):
        seen.append(len(images))
        return images.mean((2, 3))

    data.encode(encoder, "cpu")
    assert sum(seen) == 10
    source.read = None  # no image is read any more
    (first, *_), count = list(data.val_dataloader()), 0
    assert first.images.shape == (2, 3)
    for batch in data.train_dataloader():
        count += len(batch.images)
        torch.testing.assert_close(batch.points[0], FACE + torch.tensor([2.0, 0]))
    assert count == 4
    assert sum(seen) == 10


def test_mean_shape_leaves_out_what_is_not_seen():
    far = FACE.clone()
    far[0] = 1000.0
    data = LandmarkData(HandMade(far), HandMade(), image_size=20)
    mean = data.mean_points()
    torch.testing.assert_close(mean[1:], (FACE[1:] + torch.tensor([2.0, 0])) / 20)
    assert mean[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augment": "some"}, "`augment` must be one of 'none', 'weak', 'strong', got 'some'"),
        ({"crop": "face"}, "`crop` must be one of 'image', 'box', 'points', got 'face'"),
        ({"crop": "box"}, "'hand-made' does not have. Take 'points'"),
        ({"batch_size": 1}, "`batch_size` must be at least 2"),
        ({"image_size": 0}, "`image_size` must be a whole number of at least 1, got 0"),
        (
            {"margin": -0.5},
            "`margin` must be a finite number above -0.5, got -0.5. At -0.5 nothing is",
        ),
        ({"test": None}, "`test` must be given where `train` is not a name"),
        ({"test": SceneLandmarks(Scenes(2))}, "`test` has the points centre.*must be the same"),
    ],
)
def test_data_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        LandmarkData(HandMade(), **{"test": HandMade(), **options})


def test_random_views_cannot_be_kept():
    data = LandmarkData(HandMade(), HandMade(), image_size=20, augment="weak", batch_size=2)
    with pytest.raises(ValueError, match="`augment` must be 'none' to keep features"):
        data.encode(lambda images: images, "cpu")


def test_a_data_set_needs_points_and_a_square():
    with pytest.raises(
        TypeError,
        match="`images` must be a LandmarkSource, got <instdisc.data.scenes.render.Scenes",
    ):
        LandmarkDataset(Scenes(2), plain(8))
    with pytest.raises(TypeError, match="must have a SquareFrame, got CenterCrop"):
        LandmarkDataset(HandMade(), evaluation_policy(8))


@pytest.mark.parametrize(("name", "value"), [("scale", 1.0), ("shift", -0.1)])
def test_frame_refuses(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a finite .* got {value}"):
        SquareFrame(8, **{name: value})


# Tables

GOOD = "image,lx,ly,rx,ry\na.png,1,2,5,2\nb.png,2,2,6,3\n"


@pytest.fixture
def table(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (9, 7)).save(tmp_path / name)

    def write(text=GOOD, **options):
        (tmp_path / "eyes.csv").write_text(text)
        return LandmarkTable(None, tmp_path / "eyes.csv", **{"layout": EYES, **options})

    return write


def test_table(table):
    read = table()
    assert read.points(1).tolist() == [[2.5, 2.5, 1], [6.5, 3.5, 1]]
    assert read.box(0) is None
    assert table(offset=0).points(0)[0].tolist() == [1, 2, 1]
    boxed = GOOD.replace("ry", "ry,left,top,right,bottom").replace("5,2\n", "5,2,0,0,8,6\n")
    boxed = boxed.replace("6,3\n", "6,3,1,0,8,6\n")
    assert table(boxed).box(1).tolist() == [1.5, 0.5, 8.5, 6.5]
    split = "image,lx,ly,rx,ry,split\na.png,1,2,5,2,train\nb.png,2,2,6,3,test\n"
    assert len(table(split, only=("split", "test"))) == 1
    assert read.read(0).shape == (3, 7, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("6,3", "6,"), "line 3 of .*eyes.csv: the value of 'ry' is missing"),
        (GOOD.replace("6,3", "nan,3"), "line 3 of .*: the value of 'rx' is 'nan'"),
        (GOOD.replace("6,3", "6,a"), "line 3 of .*: the value of 'ry' is 'a'"),
        (GOOD.replace("6,3", "6"), "line 3 of eyes.csv has 4 columns instead of 5"),
        (GOOD.replace("6,3", "2,2"), "b.png of 'eyes' has eyes in one place"),
        (GOOD.replace("b.png", "c.png"), "line 3 of .* names 'c.png', which is not in"),
        (GOOD.replace("b.png", ""), "line 3 of .* has no image"),
        (
            GOOD.replace("image", "file"),
            "no column 'image'; its first line has 'file', 'lx'",
        ),
        (GOOD.replace("ry", "rz"), "an x and a y of each point, got the column 'rx' without"),
        (GOOD.replace("lx", "top"), "there must be all of the columns .*, got .'top'"),
        ("image,lx,ly,rx,ry\n", "lists no image"),
        ("image\na.png\n", "has no columns of points"),
    ],
)
def test_table_refuses(text, message, table):
    with pytest.raises(ValueError, match=message):
        table(text)


def test_table_refuses_more(table, tmp_path):
    with pytest.raises(ValueError, match="`layout` must be given for the 2 points.* 5 or 68"):
        table(layout=None)
    with pytest.raises(ValueError, match="`layout` must name 2 points"):
        table(layout=FACE_5)
    with pytest.raises(FileNotFoundError, match="`table` must be a CSV file"):
        LandmarkTable(None, tmp_path / "no.csv")
    with pytest.raises(FileNotFoundError, match="`root` must be the folder of the images"):
        LandmarkTable(tmp_path / "no", tmp_path / "eyes.csv")


@pytest.mark.parametrize(
    ("points", "boxes", "message"),
    [
        (FACE, None, r"`points` must be \(1, P, 2\) or \(1, P, 3\), got \(5, 2\)"),
        (FACE[None] * torch.nan, None, "1.png of .* has a point that is not finite"),
        (FACE[None], torch.zeros(1, 3), r"`boxes` must be \(1, 4\), got \(1, 3\)"),
        (FACE[None], torch.tensor([[4.0, 4, 4, 9]]), "1.png of .* has an empty box"),
    ],
)
def test_files_refuse(points, boxes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        LandmarkFiles(tmp_path, ["1.png"], points, FACE_5, boxes=boxes)


# CelebA and MAFL


@pytest.fixture
def celeba(tmp_path):
    """Six faces in the official layout; MAFL trains on 1 and 3, and tests on 2."""
    folder = tmp_path / "celeba"
    names = [f"{number:06d}.jpg" for number in range(1, 7)]
    for images, size in (("img_align_celeba", (178, 218)), ("img_celeba", (60, 50))):
        (folder / images).mkdir(parents=True)
        for name in names:
            Image.new("RGB", size).save(folder / images / name)
    parts = zip(names, (0, 0, 0, 0, 1, 2), strict=True)
    write = {"list_eval_partition.txt": [f"{name} {part}" for name, part in parts]}
    for file in ("list_landmarks_align_celeba.txt", "list_landmarks_celeba.txt"):
        rows = [f"{name} {i} 11 20 11 15 15 11 20  19 20" for i, name in enumerate(names)]
        write[file] = ["6", "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y ...", *rows]
    boxes = [f"{name} {i} 5 30 40" for i, name in enumerate(names)]
    write["list_bbox_celeba.txt"] = ["6", "image_id x_1 y_1 width height", *boxes]
    write["MAFL/training.txt"] = [names[0], names[2]]
    write["MAFL/testing.txt"] = [names[1]]
    (folder / "MAFL").mkdir()
    for file, lines in write.items():
        (folder / file).write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("split", "faces"),
    [
        ("mafl_train", [1, 3]),
        ("mafl_test", [2]),
        ("train", [1, 2, 3, 4]),
        ("valid", [5]),
        ("all", [1, 2, 3, 4, 5, 6]),
        ("train_without_mafl_test", [1, 3, 4]),
    ],
)
def test_celeba(split, faces, celeba):
    for root in (celeba, celeba / "celeba"):
        source = CelebALandmarks(root, split)
        assert list(source.paths) == [f"{face:06d}.jpg" for face in faces]
        first = faces[0] - 1
        assert source.points(0)[0].tolist() == [first + 0.5, 11.5, 1]
        assert source.points(0)[4].tolist() == [19.5, 20.5, 1]
        assert source.read(0).shape == (3, 218, 178)
        assert source.name == ("mafl" if "mafl_t" in split[:6] else "celeba")


def test_celeba_in_the_wild_has_boxes(celeba):
    source = CelebALandmarks(celeba, "mafl_test", aligned=False)
    assert source.box(0).tolist() == [1, 5, 31, 45]
    assert source.read(0).shape == (3, 50, 60)


def test_training_by_name_never_sees_mafls_test(celeba):
    test = set(open_landmarks("mafl", celeba, part="test").paths)
    for name in ("mafl", "celeba"):
        assert not test & set(open_landmarks(name, celeba, part="train").paths)
    assert len(open_landmarks("celeba", celeba, part="val")) == 1


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("MAFL/training.txt", None, "there is no file MAFL/training.txt"),
        ("MAFL/training.txt", "000002.jpg\n", "training.txt and MAFL/testing.txt both name 000002"),
        ("MAFL/training.txt", "", "MAFL/training.txt names no image"),
        ("MAFL/training.txt", "9.jpg\n", "1 of the images .*9.jpg first"),
        ("list_landmarks_align_celeba.txt", None, "there is no file list_landmarks_align"),
        ("list_landmarks_align_celeba.txt", "6\n-\n", "2 images are not in list_land.*000001"),
        ("list_landmarks_align_celeba.txt", "6\n-\n000001.jpg 1 2\n", "line 3 of .* 3 columns"),
        (
            "list_landmarks_align_celeba.txt",
            "6\n-\n000001.jpg 1 2 3 4 5 6 7 8 9 x\n",
            "line 3 of .* must hold numbers",
        ),
    ],
)
def test_celeba_incomplete(file, text, message, celeba):
    (celeba / "celeba" / file).unlink()
    if text is not None:
        (celeba / "celeba" / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        CelebALandmarks(celeba, "mafl_train")


def test_celeba_refuses(celeba):
    with pytest.raises(ValueError, match="`split` must be one of mafl_train, .*, got 'test2'"):
        CelebALandmarks(celeba, "test2")
    with pytest.raises(FileNotFoundError, match="the folder of CelebA, got '/no/such'.*mmlab"):
        CelebALandmarks("/no/such")
    (celeba / "celeba" / "img_celeba").rename(celeba / "gone")
    with pytest.raises(ValueError, match="there is no folder img_celeba"):
        CelebALandmarks(celeba, aligned=False)


# Names


def test_names(table, tmp_path):
    split = "image,x0,y0,x1,y1,x2,y2,x3,y3,x4,y4,split\n"
    split += "a.png,1,1,5,1,3,3,1,5,5,5,train\nb.png,1,1,5,1,3,3,1,5,5,5,test\n"
    (tmp_path / "faces.csv").write_text(split)
    assert len(open_landmarks("faces.csv", tmp_path, part="train")) == 1
    for part in ("train", "test"):
        (tmp_path / "faces" / part).mkdir(parents=True)
        Image.new("RGB", (9, 7)).save(tmp_path / "faces" / part / "c.png")
        text = split.splitlines()[0].removesuffix(",split") + "\nc.png,1,1,5,1,3,3,1,5,5,5\n"
        (tmp_path / "faces" / f"{part}_keypoints.csv").write_text(text)
    source = open_landmarks("faces", tmp_path, part="test")
    assert (source.name, source.layout, len(source)) == ("faces", FACE_5, 1)
    assert len(LandmarkData("faces", root=tmp_path).test_set) == 1
    with pytest.raises(ValueError, match="must name 'val' for `part`='val', it has test, train"):
        open_landmarks("faces", tmp_path, part="val")
    with pytest.raises(ValueError, match="`part` must be one of 'all', 'train', .*, got 'some'"):
        open_landmarks("faces", tmp_path, part="some")
    with pytest.raises(ValueError, match="`part` of 'mafl' must be one of train, test, got 'val'"):
        open_landmarks("mafl", tmp_path, part="val")
    with pytest.raises(FileNotFoundError, match="one of mafl, celeba, scenes, got"):
        open_landmarks("nothing", tmp_path, part="test")


def test_real_faces(real_data):
    folder = real_data("faces68")
    source = open_landmarks(folder, part="test")
    assert (len(source), source.layout) == (400, FACE_68)
    # The one face of the test set that reaches beyond its picture.
    position = list(source.paths).index("Eliza_Dushku_21.jpg")
    batch = LandmarkDataset(source, plain(64)).batch([(0, position)]).batch
    assert 6 <= int((~batch.visible).sum()) < 20
    # Left and right as the layout has them: the right corner of a mouth is left in the picture.
    right, left = (torch.stack([source.points(i)[p, 0] for i in range(400)]) for p in (48, 54))
    assert (right < left).float().mean() > 0.95
