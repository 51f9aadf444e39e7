"""The pages of the reference: one for each module, headed by a line on each public name."""

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import instdisc

WITHOUT_PAGE = ("cli", "version")  # commands have their --help

# What `import instdisc` has at the top, by what it does.
TOP = {
    "Pretrain": [
        *("ImageFolder", "Scenes", "ViewData", "Backbone", "FeatureQueue", "MomentumEncoder"),
        *("MoCoModule", "ExemplarModule", "SupConModule", "SupervisedModule"),
        *("CrossEntropyMoCoModule", "CrossEntropySupConModule", "SupConMoCoModule"),
        *("InstDiscModule", "SimCLRModule", "InBatchSupConModule", "InBatchExemplarModule"),
        *("NNCLRModule", "MoCoV3Module", "BYOLModule", "SimSiamModule"),
        *("BarlowTwinsModule", "VICRegModule", "DINOModule"),
        *("Bank", "Views"),
    ],
    "Save and load": [
        *("export_backbone", "load_backbone", "describe_checkpoint", "push_to_hub", "from_hub"),
    ],
    "Evaluate": [
        *("run_suite", "extract_features", "evaluate_knn", "evaluate_linear"),
        *("evaluate_few_shot", "finetune"),
    ],
    "Analyse": ["analyse"],
    "Report": [
        *("write_report", "compare", "results_table", "results_figure", "write_table"),
        *("write_model_card", "Record", "append_records", "read_records", "read_predictions"),
    ],
    "Extend": [
        *("ContrastiveLoss", "InstanceDiscriminationLoss", "ExemplarLoss", "SupConLoss"),
        "PretrainModule",
    ],
}


def write_api_pages(folder: Path) -> None:
    """One page for each public module of the package, and one for the names at its top."""
    folder.mkdir(exist_ok=True)
    for page in folder.glob("*.rst"):
        page.unlink()
    _write_top(folder / "instdisc.rst")
    for module in pkgutil.iter_modules(instdisc.__path__):
        if module.name not in WITHOUT_PAGE:
            _write_module(folder, f"instdisc.{module.name}", is_package=module.ispkg)


def _write_top(path: Path) -> None:
    listed = sorted(name for names in TOP.values() for name in names)
    public = sorted(name for name in instdisc.__all__ if not name.startswith("__"))
    rooms = [module.name for module in pkgutil.iter_modules(instdisc.__path__)]
    missing = set(listed) ^ (set(public) - set(rooms))
    assert not missing, f"docs/api_pages.py and instdisc/__init__.pyi differ in {sorted(missing)}"
    lines = [*_title("instdisc"), "The names at the top, by what they are for.", ""]
    for title, names in TOP.items():
        lines += [title, "-" * len(title), ""]
        lines += _table({name: getattr(instdisc, name) for name in names})
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_module(folder: Path, name: str, *, is_package: bool) -> None:
    module = importlib.import_module(name)
    names = _public(module)
    lines = [*_title(name), *_table(names)]
    lines += [f".. automodule:: {name}", "   :members:"]
    if is_package:  # its public names are those that its __init__ re-exports
        lines += ["   :imported-members:"]
    # A class of another module has its page there; a second description would be an error.
    classes = {key: value for key, value in names.items() if isinstance(value, type)}
    guests = [key for key, value in classes.items() if not _is_of(value, name)]
    if guests:
        lines += [f"   :exclude-members: {', '.join(guests)}"]
    path = folder / f"{name.rpartition('.')[2]}.rst"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _public(module: ModuleType) -> dict[str, object]:
    """Classes and functions that autodoc documents on the page of the module."""
    package = module.__name__ if hasattr(module, "__path__") else ""
    names = {}
    for name, value in vars(module).items():
        home = getattr(value, "__module__", None)
        is_here = home == module.__name__ or (package and str(home).startswith("instdisc."))
        if not name.startswith("_") and callable(value) and is_here and value.__doc__:
            names[name] = value
    return names


def _is_of(value: object, module: str) -> bool:
    return f"{value.__module__}.".startswith(f"{module}.")


def _table(values: dict[str, object]) -> list[str]:
    """A line on each name: its link and the first sentence of its docstring."""
    if not values:
        return []
    lines = [".. list-table::", "   :widths: 30 70", ""]
    for name, value in values.items():
        home = f"{value.__module__}.{value.__qualname__}"  # type: ignore[attr-defined]
        room = ".".join(home.split(".")[:2])
        lines += [f"   * - :py:obj:`~{room}.{name}`", f"     - {_summary(value)}"]
    return [*lines, ""]


def _summary(value: object) -> str:
    first = " ".join((value.__doc__ or "").strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=\.)\s", first)[0]
    return re.sub(r"(?<![`*])\*(?=\w)", r"\\*", sentence)


def _title(name: str) -> list[str]:
    return [name, "=" * len(name), ""]
