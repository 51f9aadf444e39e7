"""What is made smaller or left out where a page would be too large."""

import base64
import io
from types import SimpleNamespace

import pytest
from PIL import Image

from instdisc.report.gallery import Gallery
from instdisc.report.page import budget
from instdisc.report.page.pictures import embed_galleries

from .conftest import picture


@pytest.fixture(scope="module")
def galleries():
    noisy = [Gallery(name, "", [picture(700, noise=True)]) for name in ("first", "second")]
    return [*noisy, Gallery("empty", "", [])]


@pytest.fixture
def content(galleries, monkeypatch):
    """Of a page that is the texts of its parts."""

    def render(content):
        pictures = [p.data for gallery in content["galleries"] for p in gallery.pictures]
        charts = [chart.drawing for chart in content["charts"]]
        return "".join([*content["notices"], *content["families"], *charts, *pictures])

    monkeypatch.setattr(budget, "render", render)
    charts = [SimpleNamespace(title=f"chart {n}", drawing="c" * 4000) for n in (1, 2)]
    return {
        "galleries": embed_galleries(galleries),
        "charts": charts,
        "families": ["t" * 4000],
        "pair_tables": [],
        "notices": [],
    }


def fit(content, galleries, largest):
    text = budget.render_within(content, galleries, largest=largest)
    assert len(text) < largest
    return text


def test_what_fits_stays(content, galleries):
    text = fit(content, galleries, 10_000_000)
    assert "keep the page small" not in text
    assert len(text) > 1_000_000


def test_pictures_first_then_tables_then_figures(content, galleries):
    def told(largest):
        text = fit(content, galleries, largest)
        return text[: text.index("t" * 9 if "ttt" in text else "c" * 9)], "ttt" in text

    notices, tables = told(1_000_000)
    assert "at most 1,024 px" in notices
    assert tables
    assert "at most 240 px" in told(100_000)[0]
    notices, tables = told(50_000)
    assert notices.count("at most") == 1
    assert notices.endswith("Pictures left out to keep the page small: second.")
    notices, tables = told(14_000)
    assert notices.endswith("Pictures left out to keep the page small: first, second.")
    assert tables
    notices, tables = told(9_000)
    assert "Tables left out" in notices
    assert not tables
    notices, _ = told(5_000)
    assert notices.endswith("Figures left out to keep the page small: chart 2.")


def test_what_never_fits_is_refused(content, galleries):
    with pytest.raises(ValueError, match="`results` must make a page below 100 bytes"):
        budget.render_within(content, galleries, largest=100)


def test_pictures_become_smaller_files_and_empty_galleries_none(galleries):
    (first, _) = embed_galleries(galleries, 240)
    (shown,) = first.pictures
    with Image.open(io.BytesIO(base64.b64decode(shown.data))) as image:
        assert (image.format, image.size) == ("JPEG", (240, 240))
    assert (shown.media, shown.width) == ("image/jpeg", 240)
    # A flat PNG is smaller than any JPEG file: it stays.
    (kept,) = embed_galleries([Gallery("flat", "", [picture(64)])], 1024)[0].pictures
    assert kept.media == "image/png"
