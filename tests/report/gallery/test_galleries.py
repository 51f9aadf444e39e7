"""Pictures of a report, from a results file and what lies beside it."""

import io

import numpy as np
import pytest
from PIL import Image

from instdisc.predictions import save_predictions
from instdisc.records import append_records
from instdisc.report.gallery import galleries
from instdisc.report.gallery.galleries import MOST_BYTES
from instdisc.report.material import read_material
from instdisc.types import Record

DIGEST = "0a" * 16
NAMES = [f"test/{number}.jpg" for number in range(6)]
LABELS = np.array([0, 0, 1, 1, 2, 2])


def webp(color, size=(40, 30)):
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "WEBP", quality=95)
    return np.frombuffer(file.getvalue(), np.uint8)


def opened(picture):
    assert picture.media == "image/webp"
    return Image.open(io.BytesIO(picture.image)).convert("RGB")


def record(method, task="knn", dataset="pets", job=None, digest=DIGEST, **fields):
    return Record(
        task, dataset, "top-1", 50.0, method=method, weights=f"{ord(method[0]):x}",
        settings={"data": ["1", digest]}, job=job or f"{task}-{method}", **fields,
    )  # fmt: skip


def write(folder, records):
    append_records(records, folder / "results.jsonl")
    return read_material([folder / "results.jsonl"])


def predict(folder, job, predictions, confidence, order=slice(None)):
    columns = {"image": np.array(NAMES), "label": LABELS, "prediction": np.array(predictions)}
    columns["confidence"] = np.array(confidence)
    columns = {name: column[order] for name, column in columns.items()}
    save_predictions(folder / "predictions" / f"{job}.npz", columns)


def keep(folder, names, digest=DIGEST):
    pictures = [webp((40 * NAMES.index(name), 0, 0)) for name in names]
    columns = {"image": names, "picture": pictures, "classes": ["cat", "dog", "owl"]}
    save_predictions(folder / "pictures" / f"{digest}.npz", columns)


@pytest.fixture
def classified(tmp_path):
    """B alone is wrong on images 0, 2, 3 and 5; A alone on 1."""
    predict(tmp_path, "knn-A", [0, 2, 1, 1, 2, 2], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    other = ([1, 0, 0, 2, 2, 0], [0.5, 0.5, 0.9, 0.7, 0.5, 0.3], slice(None, None, -1))
    predict(tmp_path, "knn-B", *other)
    return tmp_path


def test_images_that_one_method_alone_has_right(classified):
    keep(classified, NAMES[:4])  # of the image 5 there is no picture
    only_a, only_b = galleries(write(classified, [record("A"), record("B")]))
    assert only_a.title == "pets: right with A, wrong with B"
    assert only_a.caption.startswith(
        "4 of 6 test images of pets are right with A and wrong with B (knn); 1 are right with both."
    )
    # The surest mistakes of B come first, whatever the order of the rows.
    titles = ["dog; B: cat (90 %)", "dog; B: owl (70 %)", "cat; B: dog (50 %)"]
    assert [picture.title for picture in only_a.pictures] == titles
    assert only_a.pictures[0].alternative == (
        "Test image test/2.jpg of pets, class dog. A predicts dog (70 %), which is right. "
        "B predicts cat (90 %), which is wrong."
    )
    reds = [opened(picture).getpixel((9, 9))[0] for picture in only_a.pictures]
    assert np.abs(np.array(reds) - [80, 120, 0]).max() < 8
    assert [picture.title for picture in only_b.pictures] == ["cat; A: owl (80 %)"]


def test_trained_methods_are_compared_before_random_weights(classified):
    keep(classified, NAMES)
    predict(classified, "knn-C", [2] * 6, [0.5] * 6)
    three = [record("A"), record("B"), record("C", pretraining="random")]
    shown = galleries(write(classified, three))
    assert {gallery.title for gallery in shown} == {
        "pets: right with A, wrong with B", "pets: right with B, wrong with A"
    }  # fmt: skip


@pytest.mark.parametrize("digest", ["0b" * 16, "../pictures/" + DIGEST, None, 7])
def test_without_pictures_of_these_images_nothing_is_shown(classified, digest):
    keep(classified, NAMES)
    pair = [record("A", digest=digest), record("B", digest=digest)]
    assert galleries(write(classified, pair)) == []


def test_results_files_of_two_runs_are_compared(classified, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    keep(classified, NAMES[:1])
    keep(other, NAMES[2:3])
    predict(other, "knn-D", [1, 0, 0, 2, 2, 0], [0.5] * 6)
    write(classified, [record("A")])
    write(other, [record("D")])
    material = read_material([classified / "results.jsonl", other / "results.jsonl"])
    (only_a,) = galleries(material)
    assert [picture.title[:3] for picture in only_a.pictures] == ["cat", "dog"]


def dense(folder, job, color, names=("a", "b")):
    save_predictions(
        folder / "predictions" / f"{job}.npz",
        {
            "shown": list(names),
            "shown_truth": [webp((0, 0, 255)) for _ in names],
            "shown_truth_words": [f"1 {name}" for name in names],
            "shown_prediction": [webp(color) for _ in names],
            "shown_prediction_words": [f"2 {name}" for name in names],
            "shown_key": ["cat"],
            "shown_colors": np.array([[255, 0, 0]], np.uint8),
        },
    )


def test_methods_side_by_side_on_the_same_images(tmp_path):
    dense(tmp_path, "detection-A", (255, 0, 0))
    dense(tmp_path, "detection-B", (0, 255, 0), names=["b"])
    both = [record("A", "detection"), record("B", "detection")]
    (gallery,) = galleries(write(tmp_path, both))
    assert gallery.title == "pets: detections on the same images"
    key, *images = gallery.pictures
    assert key.alternative == "Colours of: cat."
    assert opened(key).getpixel((7, 9))[0] > 200
    assert [picture.title for picture in images] == ["a", "b"]
    assert images[1].alternative == ("Test image b of pets. Annotated: 1 b. A: 2 b. B: 2 b.")
    centers = [(20 + 46 * column, 35) for column in range(3)]
    colors = [opened(images[1]).getpixel(place) for place in centers]
    assert [int(np.argmax(color)) for color in colors] == [2, 0, 1]
    empty = opened(images[0]).getpixel(centers[2])  # B was not tested on it
    assert max(empty) - min(empty) < 8
    assert "B" not in images[0].alternative


def test_reconstructions_have_a_row_for_each_stage(tmp_path):
    originals = np.full((1, 8, 8, 3), 200, np.uint8)
    made = np.stack([np.full((1, 8, 8, 3), level, np.uint8) for level in (100, 20)])
    columns = {"image": ["a"], "stages": np.array([1, 4]), "originals": originals}
    path = tmp_path / "predictions" / "it.npz"
    save_predictions(path, {**columns, "reconstructions": made})
    (gallery,) = galleries(write(tmp_path, [record("A", "stage1_inversion", job="it")]))
    (picture,) = gallery.pictures
    shown = opened(picture)
    levels = [shown.getpixel((80 + 166 * (k % 2), 100 + 186 * (k // 2)))[0] for k in range(4)]
    assert np.abs(np.array(levels) - [200, 100, 200, 20]).max() < 6


def test_sheets_of_analyses_and_views(tmp_path):
    names = ("big_pets_neighbours", "big_pets_cka", "predictors", "big_pets_map_0123abcd")
    for name in (*names, "pets_my_own"):
        (tmp_path / "figures").mkdir(exist_ok=True)
        Image.new("RGBA", (2200, 400)).save(tmp_path / "figures" / f"{name}.png")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "views-41.webp").write_bytes(webp((9, 9, 9)).tobytes())
    near = record("A", "neighbours", dataset="big/pets")
    shown = {gallery.title: gallery for gallery in galleries(write(tmp_path, [near]))}
    assert list(shown) == [
        "Nearest neighbours", "Maps of the features", "Views in pretraining",
        "Other figures of analyses",
    ]  # fmt: skip
    assert [p.title for p in shown["Other figures of analyses"].pictures] == ["pets my own"]
    (picture,) = shown["Nearest neighbours"].pictures
    assert picture.alternative == "Nearest neighbours on big_pets. top-1: A 50 %."
    assert opened(picture).size == (1100, 200)
    assert min(opened(picture).getpixel((5, 5))) > 250  # what is transparent is white
    assert [picture.title for picture in shown["Views in pretraining"].pictures] == ["A"]


def test_pictures_keep_to_a_limit_of_bytes(classified):
    keep(classified, NAMES)
    dense(classified, "detection-A", (255, 0, 0))
    material = write(classified, [record("A"), record("B"), record("A", "detection")])
    every = galleries(material)
    assert sum(len(p.image) for g in every for p in g.pictures) < MOST_BYTES
    first = sum(len(gallery.pictures[0].image) for gallery in every)
    few = galleries(material, most_bytes=first)
    assert [gallery.title for gallery in few] == [gallery.title for gallery in every]
    assert sum(len(p.image) for g in few for p in g.pictures) <= first
    assert few[0].caption.endswith(" 3 more would make the page too large.")


@pytest.mark.parametrize("most", [0, 2.5])
def test_a_limit_out_of_range_is_refused(tmp_path, most):
    with pytest.raises((ValueError, TypeError), match="`most_bytes` must be a whole number"):
        galleries(write(tmp_path, [record("A")]), most_bytes=most)


def test_a_damaged_file_is_named(classified):
    keep(classified, NAMES)
    (classified / "predictions" / "knn-B.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="knn-B.npz is no file of predictions, or damaged"):
        galleries(write(classified, [record("A"), record("B")]))
