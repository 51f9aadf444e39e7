"""The page as a document: its parts, its words, and that nothing in it points outside."""

import csv
import itertools
import re
from html.parser import HTMLParser

import pytest

from instdisc.records import append_records
from instdisc.report import write_report
from instdisc.types import Record

SECTIONS = ["verdict", "who", "results", "published", "figures", "pictures", "how"]
# Attributes by which HTML and SVG load or lead elsewhere.
ADDRESSES = {"href", "src", "xlink:href", "srcset", "action", "data", "poster", "background"}
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Document(HTMLParser):
    """Every element with its attributes, in order, and the text within each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.unmatched: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
            self.words.setdefault(tag, []).append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unmatched.append(tag)

    def handle_data(self, data):
        for tag in set(self.open):
            self.words[tag][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def document(page):
    return Document(page.text)


def test_every_section_is_there_in_order(document):
    assert [section["id"] for section in document.all("section")] == SECTIONS
    assert document.unmatched == []
    assert document.open == []
    titles = [re.sub(r"\s+", " ", text) for text in document.words["h2"]]
    assert titles == [
        *("Contents", "1 Verdict", "2 Who", "3 Results", "4 Published beside measured"),
        *("5 Figures", "6 Pictures", "7 How"),
    ]


def test_nothing_leads_outside(document, page):
    for tag, attributes in document.elements:
        for name in ADDRESSES & attributes.keys():
            assert attributes[name].startswith(("#", "data:image/")), (tag, attributes[name][:80])
    assert document.all("link") == []
    assert "://" not in page.text
    assert "@import" not in page.text
    assert all(aim.startswith("#") for aim in re.findall(r"url\((.*?)\)", page.text))
    (policy,) = [m["content"] for m in document.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_identifiers_are_unique_and_every_link_has_its_aim(document):
    names = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert len(names) == len(set(names)) > 20
    aims = [a[name][1:] for _, a in document.elements for name in ("href", "xlink:href")
            if a.get(name, "").startswith("#")]  # fmt: skip
    for attribute in ("aria-labelledby", "aria-describedby"):
        aims += [a[attribute] for _, a in document.elements if attribute in a]
    aims += re.findall(r"url\(#([^)]+)\)", "".join(str(a) for _, a in document.elements))
    assert set(aims) <= set(names)


def test_it_can_be_heard_and_driven_by_keys(document):
    (html,) = document.all("html")
    assert html["lang"] == "en"
    assert all(image["alt"] for image in document.all("img"))
    assert all(heading["scope"] in ("col", "row") for heading in document.all("th"))
    assert len(document.words["caption"]) == len(document.all("table")) > 8
    assert all(text.strip() for text in document.words["caption"])
    for drawing in document.all("svg"):
        assert drawing["role"] == "img"
        assert drawing["aria-labelledby"]
        assert drawing["aria-describedby"]
    boxes = [a for _, a in document.elements if "scroll" in a.get("class", "").split()]
    assert all(b["role"] == "region" and b["tabindex"] == "0" and b["aria-label"] for b in boxes)
    levels = [int(tag[1]) for tag, _ in document.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_texts_of_records_are_no_markup(document, page):
    assert len(document.all("script")) == 1
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert not {"b>one", "u", "em", "i"} & {tag for tag, _ in document.elements}
    assert any("<em>birds</em>" in text for text in document.words["th"])
    assert "Figure <b>one</b>" in document.words["title"][1]


def test_results_are_bold_shaded_and_averaged(document, page):
    table = page.text[page.text.index('<section id="results"') : page.text.index('id="numbers"')]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td>(.*?)</td>(.*?)</tr>', table)
    shown = {(dataset, what): cells for dataset, what, cells in rows}
    pets = shown["pets", "readout top-1 (%)"]
    # 84 and 82 of 900 images each: not significantly apart; random weights reach 44.
    assert pets.count("<b>") == 2
    assert "<b>84.0</b><small>± 2.0</small>" in pets
    assert 'class="number gain4"' in pets
    means = shown["mean of 2 sets", "readout top-1 (%)"]
    assert re.findall(r"[\d.]{3,}(?=<)", means) == ["84.0", "82.0", "44.0"]
    assert table.count("<tfoot>") == 1
    assert "seed 0: 40" in page.text
    assert "95 % intervals: Wilson, 900 images" in page.text


def test_cautions(page):
    text = page.text[page.text.index('id="cautions"') : page.text.index('<section id="results"')]
    assert "Damaged predictions, which were not used: readout on pets of &lt;script" in text
    assert "No predictions beside the records of readout on cars of" in text
    assert "are of one seed" in text


def test_published_beside_measured(page):
    text = page.text[page.text.index('<section id="published"') : page.text.index('id="figures"')]
    (row,) = re.findall(r"<tr>[^\n]*<td>MoCo v1</td>.*?</tr>", text)
    assert "60.8 %" in row
    assert "moco_v1: 60.7 [60.3, 61.1] %" in row
    assert "<td>agrees</td>" in row
    assert "± 0.45" in row
    (row,) = re.findall(r"<tr>[^\n]*<td>MoCo v2</td>.*?</tr>", text)
    assert "no network of this name here" in row


def test_how(document, page):
    text = page.text[page.text.index('<section id="how"') :]
    assert "there is no such set" in text
    assert "instdisc 0.2.0, torch 2.14.1" in text
    # Six runs of 75 s with a job; nine records of a network and a set, without one, for each seed.
    assert "6 runs, 7 min 30 s" in text
    assert "<dt>shots</dt><dd>5</dd>" in text


def test_the_tables_beside_the_page(page):
    files = {path.name for path in page.path.parent.iterdir()}
    assert files == {
        *("report.html", "report_table.csv", "report_table.md", "report_table.tex"),
    }
    with (page.path.parent / "report_table.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 3 * (2 * 2 + 2 + 1) + 1 + 1
    best = [line["method"] for line in lines if line["best"] == "True" and line["metric"] == "top-1"
            and line["dataset"] == "pets"]  # fmt: skip
    assert len(best) == 2
    markdown = (page.path.parent / "report_table.md").read_text(encoding="utf-8")
    assert "**84.0 ± 2.0**" in markdown
    assert "alpha" not in markdown


def test_the_same_records_give_the_same_bytes(stand_ins, results, page, tmp_path):
    again = write_report([results], tmp_path / "report.html")
    assert again.read_bytes() == page.path.read_bytes()


def test_without_images(stand_ins, results, tmp_path):
    text = write_report([results], tmp_path / "a.html", images=False).read_text(encoding="utf-8")
    document = Document(text)
    assert document.all("img") == []
    assert len(document.all("svg")) == 2
    assert "this page was made without them" in text


def test_a_single_record_is_a_report(stand_ins, tmp_path):
    path = tmp_path / "results.jsonl"
    append_records([Record("stage1_factors", "scenes", "R2 light", 0.2)], path)
    text = write_report([path], tmp_path / "a.html", title="A <title>").read_text(encoding="utf-8")
    document = Document(text)
    assert [section["id"] for section in document.all("section")] == SECTIONS
    assert document.words["h1"] == ["A <title>"]
    assert "Nothing is compared" in text
    assert "these records are analyses" in text
    assert "No command is recorded" in text


def test_what_cannot_be_reported(tmp_path):
    with pytest.raises(ValueError, match="`results` must"):
        write_report([], tmp_path / "a.html")
    with pytest.raises(FileNotFoundError, match="`results` must be a file that is there"):
        write_report([tmp_path / "none.jsonl"], tmp_path / "a.html")
    with pytest.raises(ValueError, match="`out` must"):
        write_report([tmp_path / "none.jsonl"], tmp_path / "a.pdf")
