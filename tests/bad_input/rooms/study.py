"""The claims of the study: rules, records, verdicts and their files."""

import tempfile
from pathlib import Path

from instdisc.study.claims import Verdict, read_rules, write_verdicts
from instdisc.types import Record

from .. import sorts
from ..calls import Call
from ..documented import written
from ..sorts import OBJECT, optional, sequence

MANY = OBJECT.without("list", "mapping", "tensor").also(numbers=[3], none=[None])
PATH = sorts.PATH.also(folder="/")
MISSING = PATH.also(missing="none-such")
SOURCE = sorts.TEXT.also(empty="")


def folder() -> Path:
    return Path(tempfile.mkdtemp())


def records() -> list[Record]:
    return [Record("knn", "scenes", "top-1", 71.5, method="moco")]


def verdicts() -> list[Verdict]:
    return [Verdict("exemplar", "undecided", 1.0, 1.0, "Nothing was run.", [])]


CALLS: list[Call] = [
    written("instdisc.study.claims.read_rules", lambda: {}, path=optional(MISSING)),
    written(
        "instdisc.study.claims.decide",
        lambda: {"records": records(), "source": "scenes"},
        records=MANY,
        differences=MANY,
        rules=optional(OBJECT),
        source=SOURCE,
    ),
    written(
        "instdisc.study.claims.pairs_of",
        lambda: {"rules": read_rules(), "source": "scenes"},
        rules=OBJECT,
        source=SOURCE,
    ),
    written(
        "instdisc.study.claims.paired_differences",
        lambda: {"records": records(), "folder": folder(), "pairs": []},
        records=MANY,
        folder=sorts.PATH.also(missing="none-such"),
        pairs=sequence(OBJECT, empty=True),
    ),
    written(
        "instdisc.study.claims.write_verdicts",
        lambda: {"verdicts": verdicts(), "path": folder() / "a.jsonl"},
        verdicts=MANY,
        path=PATH.also(suffix="a.txt"),
    ),
    written(
        "instdisc.study.claims.read_verdicts",
        lambda: {"path": write_verdicts(verdicts(), folder() / "a.jsonl")},
        path=MISSING,
    ),
]
for call in CALLS:
    call.raises = {**call.raises, "path": OSError, "folder": OSError}
EXEMPT = {
    f"instdisc.study.claims.{name}": "a result that a function of the room gives back"
    for name in ("Claim", "Measure", "Rules", "Pair", "PartVerdict", "Verdict")
}
