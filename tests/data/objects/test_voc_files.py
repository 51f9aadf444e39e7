"""Files in VOC's layout as tools write them."""

import logging

import pytest

from instdisc.data import VOCObjects, open_objects

from .conftest import save_image, voc_xml

CAT, DOG = ("cat", 3, 4, 20, 25, 0), ("dog", 1, 1, 40, 30, 1)
BOX = "<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>20</xmax><ymax>25</ymax></bndbox>"
OBJECT = f"<object><name>cat</name>{BOX}</object>"


@pytest.fixture
def read(write_voc):
    """``read(content)`` opens a set whose one annotation holds this."""
    root = write_voc({"a": [CAT]}, {})

    def opened(content, **options):
        content = content if isinstance(content, bytes) else content.encode()
        (root / "Annotations" / "a.xml").write_bytes(content)
        return VOCObjects(root, None, **options)

    return opened


def annotation(inside=OBJECT, head="<annotation>"):
    return f"{head}<size><width>40</width><height>30</height></size>{inside}</annotation>"


@pytest.mark.parametrize(
    "content",
    [
        annotation(),
        annotation(head='<annotation xmlns="http://example.org/voc">'),
        annotation(head='<annotation verified="yes">'),
        annotation(head='<v:annotation xmlns:v="http://example.org/voc">').replace(
            "</annotation>", "</v:annotation>"
        ),
        annotation().replace("object>", "Object>").replace("bndbox>", "BndBox>"),
        "\n  " + annotation(),
        "\n<?xml version='1.0' encoding='utf-8'?>\n<!-- by hand -->" + annotation(),
        annotation(OBJECT.replace("cat", "\n    cat  \n")),
        annotation(OBJECT.replace(">3<", "> 3.0 <")),
        annotation(OBJECT.replace("<xmin>", "<angle>0</angle><xmin>")),
        annotation(OBJECT.replace("</object>", "<difficult>Unspecified</difficult></object>")),
        annotation(OBJECT.replace("</object>", "<difficult> false </difficult></object>")),
        annotation(OBJECT.replace("</object>", "<difficult/></object>")),
    ],
)
def test_what_means_the_same(read, content):
    objects = read(content)
    assert objects.classes == ["cat"]
    found = objects.objects(0)
    assert found.boxes.tolist() == [[2, 3, 20, 25]]
    assert found.difficult.tolist() == [False]


@pytest.mark.parametrize("mark", ["1", " 1 ", "true", "True", "yes"])
def test_difficult_objects(read, mark):
    inside = OBJECT.replace("</object>", f"<difficult>{mark}</difficult></object>")
    assert read(annotation(inside)).objects(0).difficult.tolist() == [True]


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        *(("utf-8-sig", ""), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16")),
        *(("latin-1", "ISO-8859-1"), ("gb2312", "GB2312"), ("shift_jis", "Shift_JIS")),
        ("cp1252", "windows-1252"),
    ],
)
def test_encodings(read, encoding, declared):
    name = "\u732b" if encoding in ("gb2312", "shift_jis") else "ch\u00eatre"
    if encoding == "gb2312":
        name = "\u732b\u72d7"
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    content = head + annotation(OBJECT.replace("cat", name))
    assert read(content.encode(encoding)).classes == [name]


def test_an_encoding_that_is_not_the_declared_one(read):
    content = annotation(OBJECT.replace("cat", "ch\u00eatre"))
    for head in ("", '<?xml version="1.0" encoding="utf-8"?>', '<?xml version="1.0"?>'):
        with pytest.raises(ValueError, match="a.xml is not an annotation in VOC's format"):
            read((head + content).encode("latin-1"))
    with pytest.raises(ValueError, match=r"a.xml is not an annotation .*klingon"):
        read(f'<?xml version="1.0" encoding="klingon"?>{content}')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no element found"),
        ("<annotation>", "no element found"),
        (
            f"<annotations><image>{OBJECT}</image></annotations>",
            "with <annotation>, got <anno",
        ),
        (annotation(f"<objects>{OBJECT}</objects>"), "<object>s must stand right below"),
        (annotation(BOX), "<object>s must stand right below"),
        (annotation("<object/>"), "one <name> and one <bndbox>, got 0 and 0"),
        (annotation(OBJECT.replace("<name>cat</name>", "")), "got 0 and 1"),
        (annotation(OBJECT.replace("cat", " ")), "got 1 and 1, and no text in <name>"),
        (annotation(OBJECT.replace(BOX, BOX + BOX)), "got 1 and 2"),
        (annotation(OBJECT.replace(BOX, "")), "got 1 and 0"),
        (annotation(OBJECT.replace("bndbox", "robndbox")), "got 1 and 0"),
        (annotation(OBJECT.replace("<xmin>", "<xmin>1</xmin><xmin>")), "has two <xmin>"),
        (annotation(OBJECT.replace("<xmin>3</xmin>", "")), "of 'cat' has no <xmin>"),
        (annotation(OBJECT.replace(">3<", "><")), "<xmin> of 'cat' must be a number"),
        (annotation(OBJECT.replace(">3<", ">3,5<")), "<xmin> of 'cat' must be a number .*'3,5'"),
        (
            annotation(OBJECT.replace("</o", "<difficult>2</difficult></o")),
            "be 0 or 1, got '2'",
        ),
        (annotation().replace(">40<", ">wide<"), "could not convert string to float: 'wide'"),
        (annotation().replace(">40<", ">40.5<"), "`width` must be a whole number of pixels"),
    ],
)
def test_what_is_no_annotation(read, content, message):
    with pytest.raises(
        ValueError, match=f"a.xml is not an annotation in VOC's format: .*{message}"
    ):
        read(content)


@pytest.mark.parametrize("size", ["0", "-1", "", "40.0"])
def test_sizes(read, size):
    assert read(annotation().replace(">40<", f">{size}<")).sizes.tolist() == [[30, 40]]


def test_impossible_boxes_name_the_file(read):
    for left, message in (("21", "left before its right"), ("nan", "be finite")):
        with pytest.raises(ValueError, match=f"{message}.* Correct .*Annotations/a.xml"):
            read(annotation(OBJECT.replace(">3<", f">{left}<")))


def test_boxes_in_shares_of_the_image(read):
    shares = "<xmin>0.1</xmin><ymin>0.2</ymin><xmax>0.5</xmax><ymax>0.6</ymax>"
    inside = f"<object><name>cat</name><bndbox>{shares}</bndbox></object>"
    with pytest.raises(ValueError, match="must be in pixels; 1 of 1 .* look like shares"):
        read(annotation(inside))


def test_files_of_macos_are_left_out(write_voc, caplog):
    root = write_voc({"a": [CAT]}, {})
    for name in ("Annotations/._a.xml", "Annotations/._b.xml", "JPEGImages/._a.jpg"):
        (root / name).write_bytes(b"\x00\x05\x16\x07Mac OS X")
    with caplog.at_level(logging.WARNING):
        assert VOCObjects(root, None).image_ids == ["a"]
    assert [line.split("/")[-1] for line in caplog.messages] == [
        "JPEGImages: left out 1 files that a system left, first: ._a.jpg",
        "Annotations: left out 2 files that a system left, first: ._a.xml",
    ]


def test_suffixes_in_capitals(write_voc):
    root = write_voc({"a": [CAT]}, {})
    (root / "Annotations" / "a.xml").rename(root / "Annotations" / "a.XML")
    (root / "JPEGImages" / "a.jpg").rename(root / "JPEGImages" / "a.JPG")
    objects = VOCObjects(root, None)
    assert objects.path(0).name == "a.JPG"
    assert len(objects.objects(0).boxes) == 1


def test_two_images_of_one_name(write_voc):
    root = write_voc({"a": [CAT]}, {})
    save_image(root / "JPEGImages" / "a.png")
    with pytest.raises(ValueError, match=r"one image for .*a.xml, got a.jpg, a.png. Name one in"):
        VOCObjects(root, None)
    file = root / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace("<size>", "<filename>a.png</filename><size>"))
    assert VOCObjects(root, None).path(0).name == "a.png"
    file.with_suffix(".XML").write_text(voc_xml([DOG]))
    with pytest.raises(ValueError, match="one annotation of each image, got a.XML, a.xml"):
        VOCObjects(root, None)


def test_classes_that_look_alike(write_voc, caplog):
    root = write_voc({"a": [CAT, ("Cat", 3, 4, 20, 25, 0), DOG]}, {})
    with caplog.at_level(logging.WARNING):
        assert VOCObjects(root, None).classes == ["Cat", "cat", "dog"]
    (line,) = caplog.messages
    assert line.partition("/Annotations")[2].startswith(
        ": 1 classes differ from another by capitals alone"
    )
    assert line.endswith("first: 'Cat' and 'cat'")
    with pytest.raises(ValueError, match="`classes` must be names that differ, got .'cat', 'cat'."):
        VOCObjects(root, None, classes=["cat", "cat"])


def test_images_without_annotation_are_counted(write_voc, caplog):
    root = write_voc({"b": [CAT]}, {"train": ["b"]})
    for name in ("a", "c"):
        save_image(root / "JPEGImages" / f"{name}.jpg")
    with caplog.at_level(logging.WARNING):
        assert VOCObjects(root, None).image_ids == ["b"]
    (line,) = caplog.messages
    assert line.startswith("set: left out 2 images without an annotation, first: ")
    assert line.endswith("JPEGImages/a.jpg")
    caplog.clear()
    VOCObjects(root, "train")
    assert not caplog.records


@pytest.mark.parametrize(
    "content",
    [
        b"a\nb c\nd.v1\n",
        b"\xef\xbb\xbfa\r\nb c\r\nd.v1\r\n\r\n",
        "a\r\nb c\r\nd.v1\r\n".encode("utf-16"),
        b"  a  \n\n\tb c\nd.v1",
        b"a.jpg\nb c.jpg\nd.v1.jpg\n",
        b"JPEGImages/a.jpg\n/data/set/JPEGImages/b c.JPG\nJPEGImages\\d.v1.png",
        b"a.xml\nb c.xml\nd.v1\n",
    ],
)
def test_splits_as_they_are_written(write_voc, caplog, content):
    root = write_voc({"a": [CAT], "b c": [CAT], "d.v1": [DOG], "e": [CAT]}, {})
    (root / "ImageSets" / "Main" / "train.txt").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert VOCObjects(root, "train").image_ids == ["a", "b c", "d.v1"]
    assert not caplog.records


def test_splits_of_one_class_and_images_that_are_named_twice(write_voc, caplog):
    root = write_voc({"a": [CAT], "b": [CAT], "c 1": [DOG]}, {})
    (root / "ImageSets" / "Main" / "cat_train.txt").write_text("a  1\nb -1\nc 1\nb  0\n")
    with caplog.at_level(logging.WARNING):
        assert VOCObjects(root, "cat_train").image_ids == ["a", "b", "c 1"]
    columns, twice = (line.split("cat_train.txt: ")[1] for line in caplog.messages)
    assert columns.startswith("3 lines have a second column, which is passed over")
    assert columns.endswith("first: line 1, 'a  1'")
    assert twice == "1 lines name an image again, which counts once, first: line 4, 'b  0'"


def test_splits_that_cannot_be_read(write_voc):
    root = write_voc({"a": [CAT]}, {})
    file = root / "ImageSets" / "Main" / "train.txt"
    file.write_bytes("a\nch\u00eatre\n".encode("latin-1"))
    with pytest.raises(ValueError, match="line 2 of .*train.txt must be in UTF-8.* Save the file"):
        VOCObjects(root, "train")
    file.write_text("a 2\n")
    with pytest.raises(ValueError, match="there is no annotation .*a 2.xml, which the split names"):
        VOCObjects(root, "train")


def numbered(*corners):
    return {f"{row}": [("cat", *one, 0)] for row, one in enumerate(corners)}


INSIDE = [(5, 5, 30, 20)] * 6


@pytest.mark.parametrize(
    "corners",
    [
        [*INSIDE, (0, 5, 30, 20)],
        [*INSIDE, (5, 0, 39, 29)],
        [*INSIDE, (0.5, 5, 30, 20)],
        [*INSIDE, (0, 0, 40, 30)],  # the whole image, by its borders
        [*INSIDE, (0, 5, 30, 20), (0, 5, 30, 20), (5, 5, 40, 20)],
        [*INSIDE, (0, 5, 30, 20), (0, 5, 30, 20), (1, 5, 40, 20)],
    ],
)
def test_counted_from_zero(write_voc, caplog, corners):
    root = write_voc(numbered(*corners), {})
    with caplog.at_level(logging.WARNING):
        objects = VOCObjects(root, None)
    boxes = [objects.objects(row).boxes[0].tolist() for row in range(len(corners))]
    assert boxes == [list(one) for one in corners]
    (line,) = caplog.messages
    assert line.startswith("set: counted from 0 (VOCObjects(one_based=True) if not)")


@pytest.mark.parametrize(
    ("corners", "strays"),
    [
        (INSIDE, 0),
        ([*INSIDE, (1, 1, 40, 30)], 0),
        ([*INSIDE, (0, 5, 30, 20), (5, 5, 40, 20)], 1),
        ([*INSIDE, (0, 5, 30, 20), (5, 5, 30, 30), (1, 5, 40, 20)], 1),
        ([*INSIDE, *[(0, 5, 30, 20)] * 2, *[(1, 5, 40, 20)] * 3], 2),
        ([*INSIDE, *[(0, 5, 30, 20)] * 2, *[(5, 5, 40, 20)] * 9], 2),
    ],
)
def test_counted_from_one_with_stray_corners(write_voc, caplog, corners, strays):
    root = write_voc(numbered(*corners), {})
    with caplog.at_level(logging.WARNING):
        objects = VOCObjects(root, None)
    for row, (left, top, right, bottom) in enumerate(corners):
        position = objects.image_ids.index(str(row))
        expected = [max(left - 1, 0), max(top - 1, 0), right, bottom]
        assert objects.objects(position).boxes[0].tolist() == expected
    assert len(caplog.messages) == bool(strays)
    if strays:
        start = "set: counted from 1 (VOCObjects(one_based=False) if not): "
        assert caplog.messages[0].startswith(f"{start}{strays} objects have a corner at 0, which")


def test_every_split_counts_alike(write_voc):
    names = ["0", "1"]
    root = write_voc(numbered((0, 5, 30, 20), (5, 5, 30, 20)), {"train": names[:1], "test": ["1"]})
    assert VOCObjects(root, "test").objects(0).boxes.tolist() == [[5, 5, 30, 20]]
    for classes in (["cat"], None):
        objects = VOCObjects(root, "train", classes=classes)
        assert objects.objects(0).boxes.tolist() == [[0, 5, 30, 20]]
    assert VOCObjects(root, "test", one_based=True).objects(0).boxes.tolist() == [[4, 4, 30, 20]]
    assert open_objects(root, part="test").objects(0).boxes.tolist() == [[5, 5, 30, 20]]


def test_sizes_that_only_the_image_knows_count_too(write_voc):
    root = write_voc(numbered((0, 5, 30, 20), (5, 5, 40, 20)), {})
    for file in (root / "Annotations").iterdir():
        file.write_text(file.read_text().replace("<width>40", "<width>0"))
    assert VOCObjects(root, None).objects(1).boxes.tolist() == [[4, 4, 40, 20]]
