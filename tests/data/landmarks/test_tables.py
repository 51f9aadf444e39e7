"""Tables of points as people have them."""

import pytest
import torch
from PIL import Image

from instdisc.data import FACE_5, LandmarkLayout, LandmarkTable
from instdisc.data.landmarks.columns import order_points, point_columns

EYES = LandmarkLayout(("left", "right"), ((0, 1),), ((0,), (1,)))
HEAD = "image,x0,y0,x1,y1"


@pytest.fixture
def table(tmp_path):
    """``table(rows)`` is a table beside the images a.png and b.png of 40 x 20 pixels."""
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png", "in/c.png"):
        Image.new("RGB", (40, 20)).save(tmp_path / name)

    def write(*rows, head=HEAD, encoding="utf-8", end="\n", **options):
        (tmp_path / "eyes.csv").write_bytes(end.join([head, *rows, ""]).encode(encoding))
        return LandmarkTable(None, tmp_path / "eyes.csv", **{"layout": EYES, **options})

    return write


# Not there


@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        ("0,0", "0,0"),
        ("0.0,0", "0, 0"),
        ("-1,-1", "-1,-1"),
        ("999,999", "999,999"),
        (",", "empty"),
        ("NaN,nan", "empty"),
        ("0,0", ["empty", "0,0"]),
        (",", ["0,0", "empty"]),
        ("-1,-1", None),
        ("-1,-1", ()),
    ],
)
def test_missing(cells, missing, table):
    images = table(f"a.png,{cells},9,8", "b.png,5,6,9,8", missing=missing)
    assert images.all_points()[..., 2].tolist() == [[0, 1], [1, 1]]
    assert EYES.distance(images.all_points()).isnan().tolist() == [True, False]
    assert images.points(0)[1].tolist() == [9.5, 8.5, 1]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (["a.png,0,0,9,8"], {}, "line 2 of .*eyes.csv has a point at 0,0.* missing='0,0'"),
        (["a.png,5,6,9,8", "b.png,0,0,9,8"], {}, "line 3 of .*at 0,0.*missing=.. .1 such rows"),
        (["a.png,0,0,9,8"], {"missing": "empty"}, None),
        (["a.png,0,0,9,8"], {"missing": ()}, None),
        (["a.png,,,9,8"], {}, "line 2 .*: the value of 'x0' is missing.* missing='empty'"),
        (["a.png,,,9,8"], {"missing": "0,0"}, "the value of 'x0' is missing.* missing='empty'"),
        (["a.png,5,,9,8"], {"missing": "empty"}, "line 2 of .* has an x without a y"),
        (["a.png,inf,2,9,8"], {"missing": "empty"}, "line 2 .* 'x0' is 'inf'; it must be a number"),
        (["a.png,5,6,9,8"], {"missing": "none"}, "`missing` must be 'empty' or a pair .*'none'"),
        (["a.png,5,6,9,8"], {"missing": "1,2,3"}, "`missing` must be 'empty' or a pair"),
        (["a.png,5,6,9,8"], {"missing": ("0",)}, "`missing` must be 'empty' or a pair"),
    ],
)
def test_what_looks_missing(rows, options, message, table):
    if message is None:
        assert table(*rows, **options).all_points()[..., 2].all()
        return
    with pytest.raises(ValueError, match=message):
        table(*rows, **options)


# Units


def test_shares(table):
    images = table("a.png,0.25,0.5,0.75,0.5", "b.png,-1,-1,0.5,0.1", unit="share")
    assert images.points(0).tolist() == [[10, 10, 1], [30, 10, 1]]
    assert images.points(1)[:, 2].tolist() == [0, 1]
    moved = table("a.png,0.25,0.5,0.75,0.5", unit="share", offset=0.5)
    assert moved.points(0)[0].tolist() == [10.5, 10.5, 1]
    head = f"{HEAD},left,top,right,bottom"
    boxed = table("a.png,0.25,0.5,0.75,0.5,0,0.1,0.5,1", head=head, unit="share")
    assert boxed.box(0).tolist() == [0, 2, 20, 20]


def test_shares_of_an_image_that_is_skipped(table, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    rows = ("a.png,0.25,0.5,0.75,0.5", "b.png,0.25,0.5,0.75,0.5")
    with pytest.raises(ValueError, match="a.png are shares of its size, which cannot be read"):
        table(*rows, unit="share")
    images = table(*rows, unit="share", on_unreadable="skip")
    assert images.points(images.fetch(0)[0]).tolist() == [[10, 10, 1], [30, 10, 1]]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (["a.png,0.2,0.5,0.7,1"], {}, "line 2 .* shares of the .*unit='share'"),
        (["a.png,0.2,0.5,0.7,0.5", "b.png,-1,-1,1,0.3"], {}, "shares of the .*unit='share'"),
        (["a.png,0.2,0.5,0,0"], {"missing": "0,0"}, "shares of the .*unit='share'"),
        (["a.png,5,6,9,8"], {"unit": "share"}, "line 2 .* far outside 0 to 1.*unit='pixel'"),
        (
            ["a.png,5,6,9,8"],
            {"unit": "percent"},
            "`unit` must be one of 'pixel', 'share', None, got 'percent'",
        ),
        (["a.png,5,6,9,8"], {"offset": float("nan")}, "`offset` must be a finite number, got nan"),
    ],
)
def test_units_refused(rows, options, message, table):
    with pytest.raises(ValueError, match=message):
        table(*rows, **options)


def test_small_numbers_may_be_pixels(table):
    images = table("a.png,0.2,0.5,0.7,1", unit="pixel", offset=0)
    torch.testing.assert_close(images.points(0)[1], torch.tensor([0.7, 1, 1]))


# Columns


@pytest.mark.parametrize("names", ["visible0,visible1", "v0,v1", "0_visibility,1_visibility"])
def test_columns_that_say_what_is_visible(table, caplog, names):
    head = f"image,x0,y0,x1,y1,{names}"
    images = table("a.png,5,6,9,8,1,0", "b.png,0,0,9,8,0,2", head=head)  # 0,0 is not there
    assert images.all_points()[..., 2].tolist() == [[1, 0], [0, 1]]
    assert not caplog.messages
    with pytest.raises(ValueError, match="line 2 .* no 0, 1 or 2"):
        table("a.png,5,6,9,8,1,3", head=head)
    with pytest.raises(ValueError, match="all points or none .* got 'visible0' alone"):
        table("a.png,5,6,9,8,1", head="image,x0,y0,x1,y1,visible0")


def test_shares_with_some_outside_the_image(table):
    with pytest.raises(ValueError, match="line 2 .* 3 of 4 points in 0 to 1.*unit='share'"):
        table("a.png,.5,.6,.9,.8", "b.png,.5,.6,1.05,.8")


def test_columns_in_any_order(table, caplog):
    images = table("3,6,a.png,8,9,5", head="age,y0,image,y1,x1,x0")
    assert images.points(0).tolist() == [[5.5, 6.5, 1], [9.5, 8.5, 1]]
    assert "eyes.csv: 1 columns are neither" in caplog.messages[0]
    assert caplog.messages[0].endswith("points nor boxes and are passed over, first: 'age'")
    swapped = table("a.png,9,8,5,6", head="image,x1,y1,x0,y0")
    assert torch.equal(swapped.all_points(), images.all_points())


def test_points_by_the_names_of_the_layout(table):
    head = "image,nose_x,nose_y,righteye_x,righteye_y,lefteye_x,lefteye_y,"
    head += "mouth_right_x,mouth_right_y,mouth_left_x,mouth_left_y"
    images = table("a.png,7,9,9,5,5,5,8,12,6,12", head=head, layout=None)
    assert images.layout is FACE_5
    assert images.points(0)[:, 0].tolist() == [5.5, 9.5, 7.5, 6.5, 8.5]


def test_columns_named_otherwise(table):
    images = table(
        "a.png,7,2,5,6,9,8", head="file,x,y,x0,y0,x1,y1", image="file", ignore=["x", "y"]
    )
    assert images.points(0)[0].tolist() == [5.5, 6.5, 1]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("image,x0,y0,x1,y2", "eyes.csv: .* the column 'x1' without its partner.* `ignore`"),
        ("image,x0,y0,x1,x1", "eyes.csv must have each column once, got 'x1' twice"),
        ("image;x0;y0;x1;y1", "no column 'image'.*commas, not by semicolons"),
        ("name,x0,y0,x1,y1", "no column 'image'; its first line has 'name'"),
        ("image,a,b,c,d", "eyes.csv: it has no columns of points, such as x0 and y0"),
    ],
)
def test_columns_refused(head, message, table):
    with pytest.raises(ValueError, match=message):
        table("a.png,5,6,9,8", head=head)


def test_column_names_alone():
    columns = point_columns(["Y0", "X0", "left", "top", "right", "bottom", "id"])
    assert columns.points == [("0", "X0", "Y0")]
    assert (columns.box, columns.others) == (["left", "top", "right", "bottom"], ["id"])
    assert order_points(["p10", "p9"], EYES) == [1, 0]
    assert order_points(["b", "a"], EYES) == [0, 1]
    assert order_points(["right_", "LEFT_"], EYES) == [1, 0]


# Rows and files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings(encoding, end, table):
    assert len(table("a.png,5,6,9,8", "b.png,5,6,9,8", encoding=encoding, end=end)) == 2


def test_an_unknown_encoding_is_named(table, tmp_path):
    with pytest.raises(ValueError, match="line 3 of .* must be in UTF-8, got the byte 0xe4"):
        table("a.png,5,6,9,8", "ä.png,5,6,9,8", encoding="latin-1")


def test_separators_of_windows(table):
    images = table("in\\c.png,5,6,9,8", ".\\a.png,5,6,9,8")
    assert list(images.paths) == ["in/c.png", "a.png"]


@pytest.mark.parametrize("again", ["a.png", "./a.png", "in/../a.png", ".\\a.png"])
def test_an_image_named_twice(again, table):
    with pytest.raises(ValueError, match="line 4 of .* again, after line 2. Remove one of them"):
        table("a.png,5,6,9,8", "b.png,5,6,9,8", f"{again},5,6.0,9,8")


def test_an_image_named_in_two_parts(table):
    with pytest.raises(ValueError, match="line 3 of .* names 'a.png' again, after line 2"):
        table("a.png,5,6,9,8,train", "a.png,5,6,9,8,test", head=f"{HEAD},split",
              only=("split", "test"))  # fmt: skip


def test_opinions_on_one_image(table, caplog):
    images = table("a.png,5,6,9,8", "b.png,5,6,9,8", "a.png,5,6,9,7")
    assert list(images.paths) == ["a.png", "b.png", "a.png"]
    assert len(caplog.messages) == 1
    assert "eyes.csv: 1 rows name an image that" in caplog.messages[0]
    assert caplog.messages[0].endswith("each row counts as a face, first: a.png")
    head = f"{HEAD},split"
    rows = ("a.png,5,6,9,8,train", "b.png,5,6,9,8,test", "a.png,5,6,9,7,test")
    with pytest.raises(ValueError, match="line 4 of .* 'a.png' for 'test', and line 2 for 'train'"):
        table(*rows, head=head, only=("split", "test"))


def test_faces_of_one_image_differ_in_their_boxes(table):
    head = f"{HEAD},left,top,right,bottom"
    images = table("a.png,5,6,9,8,0,0,10,10", "a.png,25,6,29,8,20,0,30,10", head=head)
    assert [images.box(i)[0].item() for i in range(2)] == [0.5, 20.5]
    with pytest.raises(ValueError, match="line 3 of .* names 'a.png' again, after line 2"):
        table("a.png,5,6,9,8,0,0,10,10", "a.png,5,6,9,8,0,0,10,10", head=head)
    with pytest.raises(ValueError, match="line 2 of .* must have all numbers of the box"):
        table("a.png,5,6,9,8,0,0,,10", head=head, missing="empty")


def test_layout_says_how(table):
    with pytest.raises(ValueError, match="for the 2 points of .*LandmarkLayout.*--data.layout"):
        table("a.png,5,6,9,8", layout=None)
