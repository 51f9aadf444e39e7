"""The table in files: Markdown, LaTeX and CSV."""

import csv
import re

import pytest

from instdisc.report import write_table
from instdisc.types import Record

BAD = r"a|b [x] *y* _z_ my_set `c` $d$ <e> & 100% #1 {f} ~g^ \h --i"


def record(method="MoCo", value=71.5, task="knn", **fields):
    fields = {"low": value - 1.2, "high": value + 1.2, "interval": "Wilson, 600 images"} | fields
    fields = {"dataset": "scenes", "metric": "top-1", "method": method, "n": 600} | fields
    return Record(task, value=value, **fields)


RECORDS = [
    record(),
    record("random", 30.0, low=None, high=None, interval=""),
    record("random", 9.0, "linear", metric="ECE", higher_is_better=False, low=8.0, high=12.0),
]


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_markdown(tmp_path):
    path = tmp_path / "new" / "table.md"
    assert write_table(RECORDS, path, title="A title") == path
    assert path.read_text(encoding="utf-8").split("\n") == [
        "**A title**",
        "",
        "| method | knn top-1 scenes (%) | linear ECE scenes (%) |",
        "| :-- | --: | --: |",
        "| MoCo | **71.5 ± 1.2** |  |",
        "| random | 30.0 | **9.0 [8.0, 12.0]** |",
        "",
        r"± and \[ \]: 95 % intervals: Wilson, 600 images.",
        "",
        "Lower is better: ECE.",
        "",
    ]


def test_markdown_with_a_row_for_each_result(tmp_path):
    text = write_table(RECORDS, tmp_path / "t.MD", rows="results").read_text(encoding="utf-8")
    assert text.startswith(
        "| data set | task | MoCo | random |\n"
        "| :-- | :-- | --: | --: |\n"
        "| scenes | knn top-1 (%) | **71.5 ± 1.2** | 30.0 |\n"
        "|  | linear ECE (%) |  | **9.0 [8.0, 12.0]** |\n"
    )


def test_names_do_not_break_markdown(tmp_path):
    records = [record(BAD, dataset=BAD, task=BAD), record("line\nbreak", dataset=BAD, task=BAD)]
    text = write_table(records, tmp_path / "t.md", title=BAD).read_text(encoding="utf-8")
    lines = text.split("\n")[2:6]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in lines)
    assert r"a\|b \[x\] \*y\* \_z\_ my_set \`c\` \$d\$ \<e> \& 100% #1 {f} \~g^ \\h --i" in lines[2]
    assert "| line break |" in lines[3]


def test_latex(tmp_path):
    text = write_table(RECORDS, tmp_path / "t.tex", title="A 1 % title").read_text(encoding="utf-8")
    assert text.split("\n") == [
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"\centering",
        r"\caption{A 1 \% title}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"method & knn top-1 & linear ECE \\",
        r" & scenes (\%) & scenes (\%) \\",
        r"\midrule",
        r"MoCo & \textbf{71.5 $\pm$ 1.2} &  \\",
        r"random & 30.0 & \textbf{9.0 [8.0, 12.0]} \\",
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\smallskip",
        r"\parbox{\linewidth}{\footnotesize $\pm$ and [ ]: 95 \% intervals: Wilson, 600 images. "
        r"Lower is better: ECE.}",
        r"\end{table}",
        "",
    ]


def test_names_do_not_break_latex(tmp_path):
    records = [record(BAD), record("[bold]"), record("*"), record("a & b", 1.0)]
    text = write_table(records, tmp_path / "t.tex").read_text(encoding="utf-8")
    name = (
        r"a\textbar{}b [x] *y* \_z\_ my\_set `c` \$d\$ \textless{}e\textgreater{} \& 100\% \#1 "
        r"\{f\} \textasciitilde{}g\textasciicircum{} \textbackslash{}h -{}-i & "
    )
    assert name in text
    # After a line break these would be its argument.
    assert "\n{[}bold] & " in text
    assert "\n{*} & " in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = [line for line in body.split("\n") if line.endswith(r"\\")]
    assert all(len(re.findall(r"(?<!\\)&", row)) == 1 for row in rows)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_csv_has_numbers_a_line_for_each_cell(tmp_path):
    seeds = [
        record("Exemplar", v, "linear", seed=s, weights=f"w{s}", checkpoint=f"{s}.ckpt")
        for s, v in enumerate([50.0, 51.0, 55.25])
    ]
    path = write_table([*RECORDS, *seeds[:2]], tmp_path / "t.csv")
    lines = read_csv(path)
    assert len(lines) == 4
    assert lines[0] == {
        "method": "MoCo",
        "task": "knn",
        "metric": "top-1",
        "dataset": "scenes",
        "variant": "",
        "value": "71.5",
        "low": "70.3",
        "high": "72.7",
        "interval": "Wilson, 600 images",
        "n": "600",
        "unit": "%",
        "higher_is_better": "True",
        "best": "True",
        "seeds": "0",
        "values": "71.5",
        "architecture": "",
        "checkpoints": "",
    }
    assert (lines[1]["low"], lines[1]["high"], lines[1]["best"]) == ("", "", "False")
    assert (lines[2]["metric"], lines[2]["higher_is_better"]) == ("ECE", "False")
    pair = lines[3]
    assert (pair["value"], pair["values"], pair["low"]) == ("50.5", "50.0 51.0", "")
    (pooled,) = read_csv(write_table(seeds, tmp_path / "s.csv"))
    assert (pooled["seeds"], pooled["interval"]) == ("0 1 2", "t over 3 checkpoints")
    assert pooled["checkpoints"] == "0.ckpt 1.ckpt 2.ckpt"
    assert float(pooled["low"]) < 50.0 < float(pooled["high"])


def test_names_do_not_break_csv(tmp_path):
    name = 'a, "b"\n;c'
    path = write_table([record(name, dataset=name)], tmp_path / "t.csv")
    (line,) = read_csv(path)
    assert (line["method"], line["dataset"]) == (name, name)


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="`path` must be one of '.md', '.tex', '.csv', got '.xls'"):
        write_table(RECORDS, tmp_path / "t.xls")
    with pytest.raises(ValueError, match="`rows` must be one of 'methods', 'results', got 'x'"):
        write_table(RECORDS, tmp_path / "t.csv", rows="x")
    with pytest.raises(ValueError, match="`records` must be a list of at least one record"):
        write_table([], tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []
