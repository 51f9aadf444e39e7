"""The layout of pictures: nothing leaves its place."""

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from instdisc.analysis.analysis import plain_text
from instdisc.analysis.pictures.sheet import Sheet, shorten
from instdisc.analysis.pictures.tile_sheet import Tile, TileRow, tile_sheet


@pytest.mark.parametrize("text", ["short", "a class with a very long name indeed", "W" * 40, "$x$"])
def test_words_fit(text):
    sheet = Sheet(3, 1)
    sheet.words(0.5, 0.2, text, width=1.0)
    canvas = FigureCanvasAgg(sheet.figure)
    canvas.draw()
    (drawn,) = sheet.figure.axes[0].texts
    box = drawn.get_window_extent(canvas.get_renderer())
    assert box.width <= 1.05 * sheet.figure.dpi
    assert box.x0 == pytest.approx(0.5 * sheet.figure.dpi, abs=2)


def test_short_words_stay_as_they_are():
    assert shorten("tabby  cat\n", 3) == "tabby cat"
    assert shorten("anything", 0.01) == "…"
    assert plain_text("a $ b") == r"a \$ b"


def test_a_picture_lies_where_it_should():
    sheet = Sheet(2, 1)
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    sheet.picture(0.5, 0.25, 0.5, red, smooth=False)
    canvas = FigureCanvasAgg(sheet.figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    inside = (pixels == [255, 0, 0]).all(2)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == pytest.approx((25, 74, 50, 99), abs=1)


def test_the_upper_row_of_a_picture_is_on_top():
    sheet = Sheet(1, 1)
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0] = 255
    sheet.picture(0, 0, 1, picture, smooth=False)
    canvas = FigureCanvasAgg(sheet.figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., 0]
    assert pixels[25, 25] == 255
    assert (pixels[75, 25], pixels[25, 75], pixels[75, 75]) == (0, 0, 0)


def test_tiles_do_not_overlap():
    tile = Tile(np.zeros((8, 8, 3), np.uint8), "a very long name of a class", "b" * 40, 1.0, "a")
    rows = [TileRow("first", [tile] * 8), TileRow("second", []), TileRow("third", [tile])]
    figure = tile_sheet(rows, num_columns=8, title="Title", note="note")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in figure.axes[0].texts]
    for i, first in enumerate(boxes):
        for second in boxes[i + 1 :]:
            width = min(first.x1, second.x1) - max(first.x0, second.x0)
            height = min(first.y1, second.y1) - max(first.y0, second.y0)
            assert width <= 1 or height <= 1
    figure.savefig(io.BytesIO(), format="png")
