"""A module that trains a backbone of someone else's, and what is due to its owner."""

from __future__ import annotations

import functools
import inspect
import pickle
import zipfile
from pathlib import Path
from types import MethodType
from typing import IO, TYPE_CHECKING, Any

import fsspec
import timm
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from instdisc.checkpoint.read import culprit
from instdisc.models import Backbone
from instdisc.models.form import Form

if TYPE_CHECKING:
    from typing_extensions import Self


class _OfTheClass(classmethod):  # type: ignore[type-arg]
    """A class method that refuses to be called of an instance, which it would not change."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        method = MethodType(self.__func__, owner)
        if instance is None:
            return method

        @functools.wraps(method)
        def refuse_instance(*args: Any, **kwargs: Any) -> Any:
            raise TypeError(
                f"{owner.__name__}.{self.__func__.__name__} makes a new module and leaves this one "
                f"as it is. Write module = {owner.__name__}.{self.__func__.__name__}(...)"
            )

        return refuse_instance


class LentBackboneModule(LightningModule):
    """Takes back at the end of a run what the run changed on the module, and is loaded by its file.

    Each run (fit, validate, test, predict) may change which batch norms there are, the mode, memory
    format and dtype of parts and which weights need gradients, as Lightning's precisions and its
    callbacks do. When it ends, or breaks off by an error or an interrupt, all is as before;
    weights and statistics are what they became.
    """

    backbone: Backbone

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[Form, torch.dtype] | None = None

    @_OfTheClass
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | Path | IO[bytes],
        map_location: Any = None,
        hparams_file: str | Path | None = None,
        strict: bool | None = None,
        weights_only: bool | None = None,
        **kwargs: Any,
    ) -> Self:
        """Lightning's, but the backbone is built as the checkpoint says if it is not in `kwargs`.

        Raises:
            ValueError: if the file names classes that could run code and `weights_only` is not
                False.
        """
        weights_only = weights_only is not False
        made = _load(checkpoint_path, weights_only=weights_only)
        if _wants_backbone(cls, made, kwargs):
            kwargs["backbone"] = Backbone(**made["instdisc"]["backbone"])
        module: Self = super().load_from_checkpoint(
            checkpoint_path,  # type: ignore[arg-type]
            map_location,
            hparams_file,
            strict,
            weights_only=weights_only,
            **kwargs,
        )
        return module

    def configure_callbacks(self) -> list[Callback]:
        # A run begins here, before its callbacks are set up, which may freeze parts.
        self._give_back()
        self._note()
        return []

    def setup(self, stage: str) -> None:
        self._note()
        callbacks: list[Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        # Of a run that breaks off Lightning tells callbacks alone.
        if not any(isinstance(callback, _EndOfRun) for callback in callbacks):
            callbacks.append(_EndOfRun())

    def teardown(self, stage: str) -> None:
        self._give_back()

    def _note(self) -> None:
        if self._before is None:
            assert isinstance(self.dtype, torch.dtype)
            self._before = Form(self), self.dtype

    def _give_back(self) -> None:
        if self._before is not None:
            form, dtype = self._before
            self._before = None
            if self.dtype != dtype:
                self.to(dtype)
            form.restore()


class _EndOfRun(Callback):
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if isinstance(pl_module, LentBackboneModule):
            pl_module._give_back()


def _load(source: str | Path | IO[bytes], *, weights_only: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"map_location": "cpu", "weights_only": weights_only}
    try:
        if not isinstance(source, str | Path):
            start = source.tell()
            content = torch.load(source, **options)
            source.seek(start)
        elif Path(source).is_file():
            content = torch.load(source, mmap=zipfile.is_zipfile(source), **options)
        else:
            with fsspec.open(str(source), "rb") as file:
                content = torch.load(file, **options)
    except pickle.UnpicklingError as error:
        if "nsupported global" not in str(error):
            raise
        name = culprit(error)
        raise ValueError(
            f"`checkpoint_path` must hold weights and plain settings, but {source} names {name}, "
            "and to read that could run code. If you know it as harmless, allow it: "
            f"torch.serialization.add_safe_globals([{name}])"
        ) from error
    return content if isinstance(content, dict) else {}


def _wants_backbone(kind: Any, checkpoint: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Whether the constructor must be handed the backbone of a checkpoint."""
    if "backbone" in arguments or "backbone" not in checkpoint.get("instdisc", {}):
        return False
    parameters = inspect.signature(kind.__init__).parameters
    takes = "backbone" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    kept = checkpoint.get("hyper_parameters", {}).get("backbone")
    # A class may keep the name itself; a file from which it once began may be gone.
    return takes and not (isinstance(kept, str) and timm.is_model(kept))
