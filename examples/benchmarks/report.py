"""The table of the benchmark: lines on the screen and Markdown in a file, as they come."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.device import versions
from benchmarks.measure import Result
from benchmarks.rows import ROWS, Row

COLUMNS = ("ms, median ± spread", "pairs/s", "MiB", "peer's time / this", "% of limit")
COLUMNS += ("start, s", "work")
_NAME = 64  # characters of a contender's name; no line is cut, a longer one shifts its cells


@dataclass
class Section:
    """What came of a row.

    Args:
        title: of the row.
        pairs: of views that a call makes; 0 = not to be shown.
        limit: of another row, where this has none; its milliseconds.
        results: of its contenders, as they came.
        remarks: what is to be said besides.
    """

    title: str
    pairs: int = 0
    limit: float = 0.0
    results: list[Result] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def lines(self) -> list[tuple[str, list[str]]]:
        """Name and cells of each contender."""
        return [(self._name(result), self._cells(result)) for result in self.results]

    @staticmethod
    def _name(result: Result) -> str:
        failed = result.problem and result.times
        return result.contender + (f" (then failed: {result.problem})" if failed else "")

    def _cells(self, result: Result) -> list[str]:
        if not result.times:
            return [f"failed: {result.problem}", *[""] * (len(COLUMNS) - 1)]
        peer, limit = self._peer(result), self._limit(result)
        return [
            f"{result.median:.3g} ± {result.spread:.2g}",
            f"{1000 * self.pairs / result.median:,.0f}" if self.pairs else "",
            f"{result.memory / 2**20:,.0f}" if result.memory else "",
            f"{peer / result.median:.2f}" if peer else "",
            f"{100 * limit / result.median:.0f}" if limit else "",
            f"{result.start:.1f}" if result.start else "",
            _work(result),
        ]

    def _peer(self, result: Result) -> float:
        """Milliseconds of the first contender; 0 = none, or it does another kind of work."""
        first = self.results[0]
        another = first.unit and result.unit and first.unit != result.unit
        return 0.0 if another else self._median(first)

    def _limit(self, result: Result) -> float:
        """Milliseconds of the limit above it, or of the first below; 0 = none."""
        limits = [each for each in self.results if each.contender.startswith("limit")]
        if result in limits:
            return 0.0
        if not limits:
            return self.limit
        place = self.results.index(result)
        above = [each for each in limits if self.results.index(each) < place]
        return self._median((above or limits)[-1 if above else 0])

    @staticmethod
    def _median(result: Result) -> float:
        return result.median if result.times else 0.0


class Report:
    """Prints each contender as it ends, and keeps the table in a Markdown file.

    Args:
        machine: where the rows run, in words.
        command: the arguments of the benchmark.
        path: of the file; ``None``: none. What stands there stays, before the table.
    """

    def __init__(self, machine: str, command: list[str], path: Path | None = None) -> None:
        self.path = path
        self.sections: list[Section] = []
        self._rows: list[Row] = []
        self._before = path.read_text(encoding="utf-8") if path and path.exists() else ""
        self._heading = "\n\n".join(
            (
                f"## {time.strftime('%Y-%m-%d')}: {machine}",
                f"```bash\n{' '.join(['python examples/benchmark.py', *command])}\n```",
                f"{versions()}; {machine}",
            )
        )
        print(f"{versions()}; {machine}")
        print(aligned("", COLUMNS), flush=True)

    def begin(self, row: Row, pairs: int = 0) -> None:
        """The next row, of which a call makes so many pairs of views."""
        self.sections.append(Section(row.title, pairs))
        self._rows.append(row)
        self._share_limits()
        print(row.title, flush=True)
        self._write()

    def add(self, results: Iterable[Result]) -> None:
        """Contenders of the row have ended: their lines, and those that their times complete."""
        before = [section.lines() for section in self.sections]
        self.sections[-1].results += results
        self._share_limits()
        for section, lines in zip(self.sections, before, strict=True):
            for number, (name, cells) in enumerate(section.lines()):
                if number >= len(lines) or (name, cells) != lines[number]:
                    where = "" if section is self.sections[-1] else f" ({section.title})"
                    print(aligned(f"  {name}{where}", cells), flush=True)
        self._write()

    def _share_limits(self) -> None:
        times = {
            (row.title, result.contender): result.median
            for row, section in zip(self._rows, self.sections, strict=True)
            for result in section.results
            if result.times
        }
        for row, section in zip(self._rows, self.sections, strict=True):
            if row.beside is not None:
                other, contender = row.beside
                section.limit = times.get((ROWS[other].title, contender), 0.0)

    def say(self, text: str) -> None:
        """A remark on the row."""
        self.sections[-1].remarks.append(text)
        print(f"  {text}", flush=True)
        self._write()

    def _write(self) -> None:
        if self.path is None:
            return
        empty = [""] * len(COLUMNS)
        rows = [["", *COLUMNS], ["---", *["---:"] * len(COLUMNS)]]
        for section in self.sections:
            rows.append([f"**{section.title}**", *empty])
            rows += [[name, *cells] for name, cells in section.lines()]
            rows += [[f"*{remark}*", *empty] for remark in section.remarks]
        table = "\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows)
        before = f"{self._before}\n" if self._before else ""
        text = f"{before}{self._heading}\n\n{table}\n"
        self.path.write_text(text, encoding="utf-8")


def aligned(name: str, cells: tuple[str, ...] | list[str]) -> str:
    """A line of the table on the screen."""
    widths = [max(8, len(column)) for column in COLUMNS]
    padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([name.ljust(_NAME), *padded]).rstrip()


def _work(result: Result) -> str:
    """Operations or bytes a second, and their share of what the device reaches."""
    if not result.amount:
        return ""
    rate = 1000 * result.amount / result.median
    share = f" ({100 * rate / result.rate:.0f} %)" if result.rate else ""
    scale, prefix = (1e12, "T") if rate >= 1e12 else (1e9, "G")
    return f"{rate / scale:.3g} {prefix}{result.unit}/s{share}"


def _escaped(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())
