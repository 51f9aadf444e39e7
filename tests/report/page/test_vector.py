"""Figures within the page."""

import re
import xml.etree.ElementTree as ET

from matplotlib.figure import Figure

from instdisc.report.page.vector import inline_svg


def figure():
    drawn = Figure(figsize=(4, 3))
    left, right = drawn.subplots(1, 2)
    left.plot([1, 2, 3], [1.23456789, 4, 9], "o-", label="a < b & c")
    left.legend()
    right.imshow([[0.0, 1.0], [2.0, 3.0]])
    return drawn


def test_it_refers_to_itself_alone_and_is_the_same_twice():
    text = inline_svg(figure(), name="f1", title="A <title>", alternative="It rises.")
    assert text == inline_svg(figure(), name="f1", title="A <title>", alternative="It rises.")
    root = ET.fromstring(text)
    names = {element.get("id") for element in root.iter()} - {None}
    assert all(name.startswith("f1-") for name in names)
    aims = re.findall(r'href="#(.*?)"', text) + re.findall(r"url\(#(.*?)\)", text)
    assert len(aims) > 8
    assert set(aims) <= names
    others = re.findall(r'href="([^#"]{10})', text)
    assert others == ["data:image"]
    for word in ("metadata", "xmlns", "<style", "://", "DOCTYPE", "xlink", "matplotlib"):
        assert word not in text


def test_words_stay_words_and_numbers_are_short():
    root = ET.fromstring(inline_svg(figure(), name="f1", title="A <title>", alternative="Rises."))
    assert [root[0].tag, root[0].text] == ["title", "A <title>"]
    assert [root[1].tag, root[1].text] == ["desc", "Rises."]
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", root[0].get("id"))
    words = "".join("".join(text.itertext()) for text in root.iter("text"))
    assert "a < b & c" in words
    paths = " ".join(path.get("d", "") for path in root.iter("path"))
    assert not re.search(r"\.\d{3}", paths)


def test_two_figures_share_no_name():
    texts = [inline_svg(figure(), name=n, title="t", alternative="a") for n in ("f1", "f2")]
    first, second = (set(re.findall(r' id="(.*?)"', text)) for text in texts)
    assert first
    assert not first & second
