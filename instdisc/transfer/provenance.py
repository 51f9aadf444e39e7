"""Whose result a record tells: found by the task itself, overridden by ``about=``."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from instdisc.checks import refuse
from instdisc.data import ImageSource
from instdisc.models import Backbone
from instdisc.types import About

_Function = TypeVar("_Function", bound=Callable[..., Any])
_FORMER = ("dataset", "method", "checkpoint")


def about_run(
    backbone: Backbone,
    test: ImageSource,
    about: About | None = None,
    *,
    view: Mapping[str, Any] | None = None,
) -> About:
    """Of which backbone a result is, and on which set.

    Args:
        backbone: as it is before the task.
        test: what is tested on.
        about: overrides what the backbone and the set say, field by field.
        view: how the images of the test are shown.

    Example:
        >>> from instdisc.data import Scenes
        >>> about_run(Backbone("test_resnet"), Scenes(4), About("mine")).method
        'mine'
    """
    return backbone.about()._replace(dataset=test.name, view=view or {}).update(checked(about))


def checked(about: About | None) -> About | None:
    """An `About`, or nothing.

    Raises:
        TypeError: if it is something else.
    """
    if about is not None and not isinstance(about, About):
        refuse("about", "an instdisc.types.About or None", about, kind=TypeError)
    return about


def former_keywords(function: _Function) -> _Function:
    """Lets a task of release 0.1.0 be called as then, for one more release.

    ``dataset=``, ``method=`` and ``checkpoint=`` become ``about=``, with a warning.
    """

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        former = {name: keywords.pop(name) for name in _FORMER if name in keywords}
        if former:
            names = ", ".join(f"{name}=" for name in former)
            warnings.warn(
                f"{function.__name__}: {names} are found by the task itself now; to override them "
                "pass about=About(...) of instdisc.types",
                DeprecationWarning,
                stacklevel=2,
            )
            keywords["about"] = (keywords.get("about") or About()).update(About(**former))
        return function(*arguments, **keywords)

    return call  # type: ignore[return-value]
