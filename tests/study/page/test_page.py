"""The page of a study: whole, in part, without any record; what it says follows the records."""

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from instdisc.records import append_records, read_records
from instdisc.study.claims.rules import rules_content
from instdisc.study.page import write_study_page
from instdisc.study.page.claims_text import effect, margin
from instdisc.study.page.figures.forest import draw_forest
from instdisc.study.page.figures.spread import draw_spread
from instdisc.study.page.material import Study, read_study
from instdisc.study.page.values import Values
from instdisc.study.page.verdicts import read_claims
from instdisc.study.page.words import chance
from instdisc.study.page.write import study_text
from instdisc.types import Record

from .synthetic import (
    METHODS,
    PRESET,
    SOURCE,
    cell,
    part,
    records,
    verdict,
    verdicts,
    write_cells,
    write_lines,
    write_preset,
    write_records,
)

FEW = ["random", "cross_entropy", "moco", "moco_weak"]
PATH = re.compile(r"(?<![\w/.:\]`(])/(?:tmp|home|work|root|scratch|data)\b")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of a study of four methods and three seeds with verdicts, and its preset."""
    root = tmp_path_factory.mktemp("study")
    folder = write_records(root / "study", FEW, [0, 1, 2])
    write_lines(folder / "tiny_verdicts.jsonl", verdicts())
    return folder, write_preset(root)


def text_of(study: Study) -> str:
    """The page without figures."""
    return study_text(study, read_claims(study), Values(study.records), {}, "study")


def without_figures(page: str) -> str:
    """The page without figures and their captions."""
    return re.sub(r"!\[[^\]]*\]\([^)]*\)\n\n\*[^\n]*\*\n\n", "", page)


def section(page: str, title: str) -> str:
    """What stands below a heading."""
    return page.split(f"# {title}\n")[1].split("\n#")[0]


def rows(table: str) -> list[list[str]]:
    """The cells of a table's body."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def is_drawn(row: Record) -> bool:
    """Whether a record is of a panel that is tried: each costs a while."""
    if row.task.endswith("_readout"):
        return row.dataset == SOURCE
    return not row.task.endswith("_factors") or row.metric == "R2 position"


def test_the_page_of_all_records(study: tuple[Path, Path], tmp_path: Path):
    folder_of_all, preset = study
    folder = tmp_path / "study"
    shutil.copytree(folder_of_all, folder, ignore=shutil.ignore_patterns("tiny.jsonl"))
    append_records(
        filter(is_drawn, read_records(folder_of_all / "tiny.jsonl")), folder / "tiny.jsonl"
    )
    page_file = write_study_page(folder, tmp_path / "a" / "study.md", preset=preset)
    files = sorted(page_file.with_suffix("").iterdir())
    names = ("factors", "forest", "spread", "stages", "transfer")
    assert [file.name for file in files] == [f"tiny-{name}.svg" for name in names]
    page = page_file.read_text(encoding="utf-8")
    for file in files:
        drawn = file.read_text(encoding="utf-8")
        assert ET.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
        assert "<image" not in drawn
        assert not PATH.search(drawn)
        assert f"](study/{file.name})" in page
    assert not PATH.search(page)
    assert "Command: `instdisc study tiny`" in page
    for amendment in rules_content()["amendments"]:  # what was changed after results were seen
        assert f"amended: {amendment['when']}" in page or f"; {amendment['when']}" in page
        assert amendment["commit"] in page
    # The same records, read again, are the same bytes.
    said = read_study(folder, preset)
    claims, values = read_claims(said), Values(said.records)
    forest, spread = draw_forest(said, claims, values), draw_spread(said, claims, values)
    assert forest.svg("tiny-forest").encode() == files[1].read_bytes()
    assert spread.svg("tiny-spread").encode() == files[2].read_bytes()
    assert text_of(said) == without_figures(page)


def test_figures_that_lost_their_records_go(study: tuple[Path, Path], tmp_path: Path):
    _, preset = study
    write_cells(tmp_path / "study", ["moco"], [0])
    old = tmp_path / "study" / "tiny-forest.svg"
    old.write_text("old")
    write_study_page(tmp_path / "study", tmp_path / "study.md", preset=preset)
    assert not old.exists()


def test_every_number_of_the_claims_is_that_of_the_verdicts(study: tuple[Path, Path]):
    said = read_study(*study)
    claims = read_claims(said)
    table = rows(section(text_of(said), "Claims"))[: sum(max(1, len(c.parts)) for c in claims)]
    for claim in claims:
        for place, of in enumerate(claim.parts or [None]):
            row = table.pop(0)
            if place == 0:
                assert row[:3] == [
                    str(claim.number),
                    claim.title,
                    claim.verdict + " yet" * (not claim.parts),
                ]
                assert row[6] == chance(claim.p_adjusted)
            if of is not None:
                assert row[3:6] == [of.quantity, effect(of), margin(of)]
                assert row[7] == str(of.seeds)
    # Against the file itself, not what was read of it.
    contradicted = verdicts()[3]["parts"][2]
    assert effect(claims[3].parts[2]) == "-2.40 points (-3.50 to -1.30)"
    assert contradicted["value"] == -2.4
    assert "not computed: no seed has it" in section(text_of(said), "7. Localisation")
    assert "0.83 of the gain is kept" in section(text_of(said), "2. Low and middle stages")


def test_words_follow_the_verdict(study: tuple[Path, Path]):
    said = read_study(*study)
    better = {"quantity": "Q", "verdict": "supported"}
    worse = {"quantity": "Q", "verdict": "contradicted"}
    note = {"claim": "inversion", "verdict": "contradicted", "note": "The scale was at fault."}
    pages = {}
    for name, said_part in (
        ("supported", part(0.05, 0.01, 0.02, unit="", **better)),
        ("contradicted", part(-0.05, 0.01, 0.02, unit="", **worse)),
    ):
        rows_of = [verdict("inversion", name, said_part)]
        pages[name] = text_of(said._replace(verdicts=rows_of, notes=[note]))
    assert "Of 10 claims 1 is supported (8) and 9 have no verdict yet" in pages["supported"]
    assert "Of 10 claims 1 is contradicted (8) and 9 have no verdict yet" in pages["contradicted"]
    supported, contradicted = (section(page, "8. Inversion") for page in pages.values())
    assert "**Supported**" in supported
    assert "+0.050 (+0.040 to +0.060)" in supported
    assert "**Contradicted**" in contradicted
    assert "-0.050 (-0.060 to -0.040)" in contradicted
    assert "The scale was at fault." in contradicted
    assert "The scale was at fault." not in supported
    undecided = [verdict("inversion", "undecided", part(0.05, 0.01, 0.02, **better))]
    told = section(text_of(said._replace(verdicts=undecided)), "8. Inversion")
    assert "**Undecided**, p = 0.012, after Holm's correction 0.046. By the intervals" in told
    assert "it would be supported; p after Holm's correction is not below 0.05" in told
    alone = text_of(said._replace(verdicts=[verdict("inversion", "contradicted")], notes=[]))
    assert "has not been written down yet" in section(alone, "8. Inversion")


def test_a_cell_of_a_table_is_the_mean_over_seeds_and_its_t_interval(study: tuple[Path, Path]):
    page = text_of(read_study(*study))
    (row,) = [row for row in rows(section(page, "Source and transfer")) if row[0] == "MoCo"]
    values = [
        row.value
        for seed in (0, 1, 2)
        for row in records("moco", seed)
        if (row.task, row.dataset) == ("readout", "eurosat")
    ]
    mean = sum(values) / 3
    spread = (sum((value - mean) ** 2 for value in values) / 2) ** 0.5
    half = 4.302652729911275 * spread / 3**0.5  # Student's t, two degrees of freedom
    assert row[2].strip("*") == f"{mean:.1f} ± {half:.1f}"


def test_the_best_of_a_column_is_bold_unless_all_are_equal(study: tuple[Path, Path]):
    said = read_study(*study)
    kept = [
        row
        for seed in (0, 1, 2)
        for method in ("random", "moco")
        for row in records(method, seed)
        if (row.task, row.dataset) == ("readout", "eurosat")
    ]
    apart = section(text_of(said._replace(records=kept)), "Source and transfer")
    assert apart.count("| **") == 1
    equal = [row._replace(value=0.0) for row in kept]
    assert "**" not in section(text_of(said._replace(records=equal)), "Source and transfer")


def test_what_more_seeds_would_not_mend(study: tuple[Path, Path]):
    said = read_study(*study)
    errors = iter([0.02, 0.01, 0.04])  # of half widths of 0.1
    given = [
        verdict(
            "joint-objectives",
            "undecided",
            *(part(0.3, 0.1, 0.0, image_error=error) for error in errors),
            part(0.3, 0.1, 0.0, kind="tau", methods=list("abcdefg"), image_error=None),
        )
    ]
    told = section(text_of(said._replace(verdicts=given)), "Limits")
    assert "makes 20 % to 78 % of the half widths" in told
    assert "of 3 quantities of the claims, 39 % in the median" in told
    assert "1 quantity of the claims is resampled over 7 methods" in told
    nothing = section(text_of(said._replace(verdicts=[])), "Limits")
    assert "Test images:" not in nothing
    assert "Methods:" not in nothing


def test_two_records_of_one_seed(study: tuple[Path, Path]):
    said = read_study(*study)
    (old,) = [r for r in records("moco", 0) if (r.task, r.dataset) == ("readout", "eurosat")]
    new = old._replace(value=99.0, date="2027-01-01T00:00:00+00:00")
    newest = text_of(said._replace(records=[new, old]))
    assert rows(section(newest, "Source and transfer")) == [["MoCo", "99.0"]]
    other = new._replace(settings={"shots": 5})
    apart = section(text_of(said._replace(records=[old, other])), "Source and transfer")
    assert f"| MoCo | 99.0 | {old.value:.1f} |" in apart
    assert "| eurosat, shots 5 | eurosat, shots not given |" in apart


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_in_part(study: tuple[Path, Path], tmp_path: Path, seeds: list[int]):
    folder = write_records(tmp_path, ["random", "moco"], seeds, dense=False)
    page = text_of(read_study(folder, study[1]))
    count = 2 * len(seeds)
    assert f"{count} of 32 cells of the preset have run." in page
    limits = section(page, "Limits")
    assert "Measures of the rules without any record: finetuned, reset, localisation" in limits
    assert "10 of 10 methods have fewer" in limits
    assert "Not run in round dense: seed 0." in limits
    assert "### Dense tasks" not in page
    note = "Values of one seed, in %;" if len(seeds) == 1 else "Two numbers are of two seeds, in %"
    assert note in section(page, "Source and transfer")
    assert "10 have no verdict yet" in page


def test_with_nothing_but_cells(study: tuple[Path, Path], tmp_path: Path):
    write_cells(tmp_path, list(METHODS), [0, 1, 2])
    page = text_of(read_study(tmp_path, study[1]))
    assert "There are no records yet." in page
    assert "30 of 32 cells" in page
    assert "| MoCo | 3 | 120 | 40 | 26 | 186 |" in section(page, "Cost")


def test_with_nothing_at_all(study: tuple[Path, Path], tmp_path: Path):
    page = text_of(read_study(tmp_path, study[1]))
    assert "Nothing has run yet: none of 32 cells is there." in page
    assert "No cell has run yet." in section(page, "Cost")
    assert "no seeds of random weights" in section(page, "Limits")


def test_a_rate_that_is_not_the_best(study: tuple[Path, Path]):
    said = read_study(*study)
    sentence = "The rate that was used is not the best of those tried"
    assert sentence not in text_of(said)
    cells = [{**cell("moco", 0), "learning_rate": 0.18}]
    assert f"{sentence}: MoCo." in text_of(said._replace(cells=cells))


def test_the_page_in_sphinx(study: tuple[Path, Path], tmp_path: Path):
    """No heading, table or figure that Sphinx warns of."""
    sphinx = pytest.importorskip("sphinx.application")
    folder, preset = study
    page = tmp_path / "docs" / "study.md"
    page.parent.mkdir()
    page.write_text(text_of(read_study(folder, preset)), encoding="utf-8")
    (page.parent / "index.md").write_text("# Index\n\n```{toctree}\nstudy\n```\n")
    app = sphinx.Sphinx(
        str(page.parent),
        None,
        str(tmp_path / "out"),
        str(tmp_path / "trees"),
        "dummy",
        confoverrides={"extensions": ["myst_parser"]},
        status=None,
        warningiserror=True,
        exception_on_warning=True,
    )
    app.build()


def test_what_is_refused(study: tuple[Path, Path], tmp_path: Path):
    _, preset = study
    page = tmp_path / "study.md"
    with pytest.raises(FileNotFoundError, match="`folder` must be a folder that is there"):
        write_study_page(tmp_path / "none", page, preset=preset)
    with pytest.raises(FileNotFoundError, match="`preset` must be a file that is there"):
        write_study_page(tmp_path, page, preset="none-such")
    with pytest.raises(ValueError, match="`path` must be a file .md"):
        write_study_page(tmp_path, tmp_path / "study.html", preset=preset)
    bare = tmp_path / "bare.yaml"
    bare.write_text(yaml.safe_dump({"methods": {}}))
    with pytest.raises(ValueError, match="`preset` must be a mapping with `source`"):
        write_study_page(tmp_path, page, preset=bare)
    write_lines(tmp_path / "tiny_verdicts.jsonl", [{"claim": "mine", "verdict": "supported"}])
    with pytest.raises(ValueError, match="`claim` must be one of 'source-is-no-guide'"):
        write_study_page(tmp_path, page, preset=preset)
    write_lines(tmp_path / "tiny_verdicts.jsonl", [{"claim": "exemplar", "verdict": "true"}])
    with pytest.raises(ValueError, match="`verdict` must be one of 'supported'"):
        write_study_page(tmp_path, page, preset=preset)
    (tmp_path / "tiny_verdicts.jsonl").write_text('{"claim": "exemplar"\n')
    with pytest.raises(ValueError, match=r"tiny_verdicts.jsonl, line 1"):
        write_study_page(tmp_path, page, preset=preset)
    (tmp_path / "tiny_verdicts.jsonl").write_text("[]\n")
    with pytest.raises(ValueError, match="line 1: no JSON object with 'claim'"):
        write_study_page(tmp_path, page, preset=preset)


def test_a_pretraining_costs_once(study: tuple[Path, Path]):
    """Each round of a network tells its pretraining again."""
    cells = [cell("moco", 0), {**cell("moco", 0), "round": "dense", "seconds": {"detection": 100}}]
    cost = section(text_of(read_study(*study)._replace(cells=cells, rates=[])), "Cost")
    assert "| MoCo | 1 | 120 | 40 | 26 | 100 | 286 |" in cost
    assert "Together 4.8 minutes for 2 cells" in cost


def test_a_preset_with_measures_of_its_own_and_no_rates(study: tuple[Path, Path], tmp_path: Path):
    measures = {"transfer": {"sets": ["eurosat"], "tasks": ["knn"], "metric": "top-1"}}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({**PRESET, "measures": measures, "rates": None}))
    page = text_of(read_study(study[0], path))
    assert "This preset has measures of its own: transfer." in page
    assert ["*transfer*", "top-1 of knn", "eurosat"] in rows(section(page, "Claims"))[-10:]
    assert "Top-1 of knn. cifar10_mini is the source" in section(page, "Source and transfer")
    assert "Learning rates are those of the modules" in page
