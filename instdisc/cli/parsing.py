"""Parsers of the commands: errors in one line, with the option that was probably meant."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, DefaultHelpFormatter
from pytorch_lightning.cli import LightningArgumentParser

from .suggestions import did_you_mean


class PlainHelp(DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help whose description keeps its lines."""


_UNKNOWN = re.compile(r"(?:unrecognized arguments: --|Option '|[Kk]ey ')([^\s=']+)")


class OneLineErrors(ArgumentParser):
    """A parser that answers a mistake in one line, without the usage of a hundred options.

    Attributes:
        program: the command; jsonargparse gives the parsers of classes, which it makes itself, no
            name of their own.
    """

    program = "instdisc"

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if "data.images" in message and "required" in message:
            message = "give a folder of images, instdisc pretrain FOLDER, or a recipe and images"
        text = f"{_shortened(message, ex)}{self._hint(message)}"
        print(f"{self.program}: error: {text}", file=sys.stderr)
        print(f"All options: {self.program} --help", file=sys.stderr)
        sys.exit(2)

    def _hint(self, message: str) -> str:
        match = _UNKNOWN.search(message)
        if match is None:
            return ""
        names = [text.lstrip("-") for action in self._actions for text in action.option_strings]
        nearest = did_you_mean(match[1], names)
        return f".{nearest}" if nearest else ""


class RunParser(OneLineErrors, LightningArgumentParser):
    """The parser of a command with a Lightning Trainer.

    Args:
        kwargs: of `jsonargparse.ArgumentParser`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)


def help_texts(name: str, about: str | None) -> dict[str, Any]:
    """What a parser shows before the options.

    Args:
        name: of the command.
        about: what it does.
    """
    OneLineErrors.program = f"instdisc {name}"
    return {
        "prog": OneLineErrors.program,
        "usage": "%(prog)s [options]",
        "description": about,
        "formatter_class": PlainHelp,
        "allow_abbrev": False,  # a misspelt option is no other option
    }


def command_parser(name: str, about: str | None) -> ArgumentParser:
    """The parser of a command without a Trainer, with ``--config`` for a YAML file of its options.

    Args:
        name: of the command.
        about: what it does.
    """
    parser = OneLineErrors(**help_texts(name, about))
    parser.add_argument("--config", action="config", help="a YAML file with options of this list")
    return parser


def _shortened(message: str, error: Exception | None) -> str:
    """What was wrong: of a list of all that was tried with a class, what the class itself said."""
    if "Union subtypes" in message or "does not validate against any" in message.lower():
        cause: BaseException | None = error
        while cause is not None:
            inner = cause.__cause__ or cause.__context__
            if isinstance(cause, ValueError | TypeError) and "Union" not in str(cause):
                message = f"{message.partition(chr(10))[0].strip()} {cause}"
                break
            cause = inner
    return " ".join(message.split())
