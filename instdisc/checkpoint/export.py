"""From a trained module to a file, for this library and for others."""

from __future__ import annotations

import copy
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import nn

from instdisc.checks import checked_call, input_file, output_file, refuse
from instdisc.models import Backbone
from instdisc.version import __version__
from instdisc.writing import write_atomically

from .fit import HARMLESS_OPTIONS
from .info import CheckpointInfo, momentum_of, refuse_momentum
from .layouts import NO_POOL, PLAIN_RESNETS, State, detectron2_name, named_inside, plain_resnet
from .load import load_with_info
from .read import some

Format = Literal["instdisc", "torchvision", "timm", "detectron2"]
_TORCH = (".pth", ".pt", ".bin")
# Many readers go by the suffix: one that means another format is refused, any other is free.
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "instdisc": (".safetensors",),
    "timm": (".safetensors", *_TORCH),
    "torchvision": (".safetensors", *_TORCH),
    "detectron2": (".pkl",),
}
_TELLING = {suffix for suffixes in _SUFFIXES.values() for suffix in suffixes}


@checked_call()
def export_backbone(
    source: nn.Module | str | Path,
    path: str | Path,
    *,
    format: Format = "instdisc",
    momentum: bool = False,
) -> Path:
    """Writes the backbone alone, in this library's format or in another's.

    - ``"instdisc"``: safetensors under timm's names. The metadata hold what builds the backbone
      (``backbone``, JSON), ``method``, ``recipe`` (JSON), ``input`` (JSON: how it saw images),
      ``weights`` (the hash that records have) and ``version``. timm reads it, too:
      ``timm.create_model(name, num_classes=0, checkpoint_path=path, **timm_options)``. A backbone
      with another stem than timm's is refused there.
    - ``"timm"``: a state dict for ``timm.create_model(name, num_classes=0)``, as safetensors or by
      torch.save, as the suffix says.
    - ``"torchvision"``: a state dict for ``torchvision.models.resnet50()`` and its siblings,
      without ``fc``; likewise.
    - ``"detectron2"``: the pickle that detectron2 takes as pretrained weights. Set there
      RESNETS.STRIDE_IN_1X1 to False and the input format to RGB.

    The file is written beside `path` and renamed: a process killed meanwhile leaves the previous
    file as it was. Several processes may call it at once. Missing folders are made. Equal weights
    made by an equal recipe give equal bytes.

    Args:
        source: a pretraining module (with ``backbone`` and ``recipe``), a `Backbone`, or any file
            that `load_backbone` reads by its path alone, such as a Lightning checkpoint.
        path: the file to write: ``.safetensors``; or for timm and torchvision ``.pth``, ``.pt``
            or ``.bin`` (torch.save); for detectron2 ``.pkl``. Another suffix is free.
        format: one of the above. All but ``"instdisc"`` cannot tell a changed stem and demand
            stem="imagenet"; torchvision's and detectron2's are for ResNet-18, 34, 50, 101, 152.
        momentum: write the backbone of the momentum encoder, which DINO's authors evaluate, in
            place of the one that follows gradients; of a pretraining module or its Lightning
            checkpoint. The file's ``method`` says so.

    Returns:
        `path`.

    Raises:
        TypeError: if `source` is none of these, or has other than JSON values in its recipe or
            timm options.
        ValueError: if `format` is unknown or cannot hold this backbone, the suffix of `path` means
            another format, a file given as `source` cannot be read, or `source` has no momentum
            encoder and `momentum` asks for it.

    Source:
        detectron2's names: facebookresearch/moco, detection/convert-pretrain-to-detectron2.py.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from instdisc.checkpoint import describe_checkpoint
        >>> with TemporaryDirectory() as folder:
        ...     backbone = Backbone("resnet18")
        ...     path = export_backbone(backbone, f"{folder}/backbone.pth", format="torchvision")
        ...     describe_checkpoint(path).layout
        'torchvision'
    """
    if isinstance(source, str | Path):
        source = input_file("source", source)
    path = output_file("path", path)
    if path.suffix.lower() in _TELLING.difference(_SUFFIXES[format]):
        refuse(
            "path",
            f"a file {' or '.join(_SUFFIXES[format])} for `format`={format!r}",
            str(path),
            "Whoever reads it may go by the suffix.",
        )
    backbone, info = resolve_source(source, momentum=momentum)
    write: Callable[[Path], None]
    if format == "instdisc":
        content = export_content(backbone, info)

        def write(file: Path) -> None:
            file.write_bytes(content)

    else:
        state = _weights(backbone)
        _check_fits(backbone, state, format)

        def write(file: Path) -> None:
            if format == "detectron2":
                file.write_bytes(pickle.dumps(_detectron2(state)))
            elif path.suffix.lower() == ".safetensors":
                file.write_bytes(_safetensors(state, {"format": "pt"}))
            else:
                buffer = io.BytesIO()  # torch.save writes a file's name into it
                torch.save(state, buffer)
                file.write_bytes(buffer.getvalue())

    write_atomically(path, write)
    return path


def export_content(backbone: Backbone, info: CheckpointInfo) -> bytes:
    """The bytes of an export in this library's format.

    Args:
        backbone: to be written.
        info: how it was made.

    Raises:
        TypeError: if its recipe or timm options hold other than JSON values.
    """
    state = _weights(backbone)
    if backbone.stem == "no_pool":
        # Without it timm would take the weights and put its max-pool back.
        state[NO_POOL] = torch.empty(0)
    return _safetensors(state, _metadata(backbone, info))


def _safetensors(state: State, metadata: dict[str, str]) -> bytes:
    """A file's bytes, the same whenever they are made: safetensors orders metadata at random."""
    # Not save_file: that makes files which only their owner can read.
    content = safetensors.torch.save(state, metadata)
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    ordered = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    text = json.dumps(ordered, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def resolve_source(source: object, *, momentum: bool = False) -> tuple[Backbone, CheckpointInfo]:
    """The backbone, and how it was made.

    Args:
        source: see `export_backbone`.
        momentum: likewise.

    Raises:
        TypeError: if it is none of these.
        ValueError: if it is a file that cannot be read, or has no momentum encoder where that is
            asked for.
    """
    if isinstance(source, (str, Path)):
        return load_with_info(Path(source), momentum=momentum)
    if isinstance(source, Backbone) and momentum:
        refuse_momentum("a Backbone alone")
    if isinstance(source, Backbone):
        # How it was made goes along, as long as it is what was loaded.
        made = source.about().pretraining if source.origin is not None else ""
        return source, CheckpointInfo("instdisc", source.spec, made, {}, __version__, source.input)
    backbone = getattr(source, "backbone", None)
    backbone = getattr(backbone, "_orig_mod", backbone)  # torch.compile wraps it
    recipe = getattr(source, "recipe", None)
    if not isinstance(backbone, Backbone) or not isinstance(recipe, dict):
        raise TypeError(
            "`source` must be a pretraining module (with a Backbone as `backbone` and a dict as "
            f"`recipe`), a Backbone or the path of a checkpoint, got {type(source).__name__}"
        )
    method = type(source).__name__
    if momentum:
        slow = getattr(getattr(source, "momentum_backbone", None), "module", None)
        if not isinstance(slow, Backbone):
            refuse_momentum(f"{method} without any")
        # Made before the run, which says how the images were seen.
        seen, backbone, method = backbone.input, copy.copy(slow), momentum_of(method)
        backbone.input = seen
    return backbone, CheckpointInfo(
        "instdisc", backbone.spec, method, recipe, __version__, backbone.input
    )


def _weights(backbone: Backbone) -> State:
    """Copies for a file: dense, sharing no memory, under plain names."""
    state = {
        f"backbone.{key.replace('_orig_mod.', '')}": value.detach()
        .cpu()
        .clone(memory_format=torch.contiguous_format)
        for key, value in backbone.state_dict().items()
    }
    return named_inside(state)


def _metadata(backbone: Backbone, info: CheckpointInfo) -> dict[str, str]:
    def encode(value: dict[str, Any], what: str) -> str:
        try:
            return json.dumps(value, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"`source` must have JSON values only in its {what}, got {value} ({error}). "
                "Give names and numbers in place of objects."
            ) from error

    return {
        "format": "pt",  # what other readers of safetensors look for
        "layout": "instdisc",
        "backbone": encode(info.backbone, "timm options"),
        "method": info.method,
        "recipe": encode(info.recipe, "recipe"),
        "version": info.version or __version__,
        "input": encode(backbone.input._asdict(), "input"),
        "weights": backbone.about().weights,
    }


def _check_fits(backbone: Backbone, state: State, format: Format) -> None:
    beside = [key for key in backbone.state_dict() if not key.startswith("net.")]
    if beside:
        raise ValueError(
            f"`format`={format!r} is for the network alone, and this backbone has more: "
            f"{some(beside)}. Use format='instdisc'."
        )
    if backbone.stem != "imagenet":
        raise ValueError(
            f"`format`={format!r} cannot tell a stem, and this one is {backbone.stem!r}. "
            "Use format='instdisc'."
        )
    if format == "timm":
        return
    name = backbone.name.split(".")[0]
    options = set(backbone.timm_options) - HARMLESS_OPTIONS
    if name not in PLAIN_RESNETS or options or plain_resnet(state) != name:
        with_options = f" with {', '.join(sorted(options))}" if options else ""
        raise ValueError(
            f"`format`={format!r} is for {', '.join(PLAIN_RESNETS)} without further options, got "
            f"{backbone.name!r}{with_options}. Use format='instdisc' or 'timm'."
        )


def _detectron2(state: State) -> dict[str, Any]:
    model = {detectron2_name(key): value.numpy() for key, value in state.items()}
    return {"model": model, "__author__": "instdisc", "matching_heuristics": True}
