"""The command ``instdisc``: finds the command that is asked for, and reports errors in one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from instdisc.version import __version__

from .checkpoint_files import look_for_files
from .suggestions import did_you_mean

COMMANDS = {
    "pretrain": "pretrain a backbone on a folder of images, by any method",
    "transfer": "measure what backbones are worth on many tasks and data sets",
    "detect": "train and test a detector on a backbone",
    "segment": "train and test a segmentation network on a backbone",
    "landmarks": "train and test a landmark regressor on a backbone",
    "analyse": "look inside backbones: what each stage knows, where detectors err",
    "report": "write one HTML page from results: verdict, tables, figures, pictures",
    "study": "run the study: do the papers' findings hold, where anyone can check them?",
    "recipes": "list the published recipes, show or copy one",
    "resize": "copy a folder of large images with a short side of 256 pixels",
}
_OF_CHECKPOINTS = ("transfer", "analyse")
_EPILOG = """\
Options of a command: instdisc COMMAND --help
Where an error comes from: instdisc --debug COMMAND ...
Documentation: the folder docs/ of the source, or help(instdisc) in Python"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: its name and options; ``None``: of the process.

    Returns:
        The exit status: 0 if all that was asked for is there, 1 after an error, or if something
        is missing, 2 if the command line is wrong, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = words[:1] == ["--debug"]
    words = words[debug:]
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"instdisc {__version__}")
        return 0
    name, *options = words
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS)
        print(f"instdisc: there is no command {name!r}.{hint}", file=sys.stderr)
        print("The commands are listed by: instdisc --help", file=sys.stderr)
        return 2
    return _run(name, options, debug)


def _run(name: str, options: list[str], debug: bool) -> int:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # for classes in the user's files: --model my_file.MyMethod
    if "--debug" in options:
        options.remove("--debug")
        debug = True
    try:
        if name in _OF_CHECKPOINTS:
            look_for_files(options)  # a misspelt name is told at once, not behind hours of work
        return int(importlib.import_module(f"instdisc.cli.{name}").main(options))
    except KeyboardInterrupt as interrupt:
        print(f"\ninstdisc {name}: stopped. {interrupt}".rstrip(), file=sys.stderr)
        return 130
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except Exception as error:
        if debug:
            raise
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"instdisc {name}: error: {message}", file=sys.stderr)
        print(f"Where it comes from: instdisc --debug {name} ...", file=sys.stderr)
        return 1


def _help() -> str:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {what}" for name, what in COMMANDS.items())
    return (
        "usage: instdisc COMMAND [options]\n\n"
        "Pretrain visual representations and learn what they are worth.\n\n"
        f"commands:\n{listed}\n\n{_EPILOG}"
    )
