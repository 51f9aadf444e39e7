"""Backbones on the Hugging Face Hub.

huggingface_hub is imported where it is called: importing it takes longer than most files here.
"""

from __future__ import annotations

import functools
import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import safetensors
from torch import nn

from instdisc.checks import checked_call, input_file, refuse, text
from instdisc.models import Backbone
from instdisc.models.identity import published_input
from instdisc.version import __version__

from .export import export_content, resolve_source
from .load import load_with_info
from .timm_config import timm_config

HUB = "hf-hub:"  # begins the addresses, for timm as for `open_backbone`
_WEIGHTS, _CONFIG = "model.safetensors", "config.json"
_log = logging.getLogger(__name__)


def _repository(name: str, value: Any) -> Any:
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    text(name, value)
    try:
        validate_repo_id(value)
    except HFValidationError:
        refuse(name, "the name of a repository such as 'USER/REPO'", value, "It is no address.")
    return value


@checked_call(card=input_file, repo_id=_repository, token=text)
def push_to_hub(
    source: nn.Module | str | Path,
    repo_id: str,
    *,
    card: str | Path | None = None,
    private: bool | None = None,
    token: str | None = None,
) -> str:
    """Uploads a backbone to the Hugging Face Hub, in one commit.

    The repository is made if there is none. It gets ``model.safetensors`` (an export of this
    library), ``README.md`` from `card`, and ``config.json``, by which
    ``timm.create_model("hf-hub:USER/REPO", pretrained=True)`` opens it without this library. What
    timm alone cannot build (another stem than timm's, ``"resnet12"``, a network of your own) has
    no ``config.json`` and is read by `from_hub`; the log says so.

    Args:
        source: see `export_backbone`.
        repo_id: ``"USER/REPO"`` or ``"ORGANISATION/REPO"``; without the first part, yours.
        card: a Markdown file, such as `instdisc.report.write_model_card` makes; ``None`` leaves
            the one of the repository as it is.
        private: whether a new repository is private; ``None`` for the default of the account.
        token: of access; ``None`` for the one that ``hf auth login`` stored.

    Returns:
        The address, ``"hf-hub:USER/REPO"``, which `open_backbone` and timm take.

    Raises:
        FileNotFoundError: if there is no such file.
        TypeError: if `source` is none of what `export_backbone` takes.
        ValueError: if `repo_id` is no name of a repository, or `source` cannot be read.
        OSError: of huggingface_hub, if the Hub cannot be reached or refuses the upload.
    """
    from huggingface_hub import HfApi

    if isinstance(source, str | Path):
        source = input_file("source", source)
    backbone, info = resolve_source(source)
    config = timm_config(backbone)
    if config is None:
        _log.warning(
            "%s gets no config.json: timm alone cannot build Backbone(**%s). It is opened by "
            "instdisc.checkpoint.from_hub(%r)",
            *(repo_id, backbone.spec, repo_id),
        )
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / _WEIGHTS).write_bytes(export_content(backbone, info))
        if config is not None:
            (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        if card is not None:
            (folder / "README.md").write_bytes(Path(card).read_bytes())
        api = HfApi(token=token, library_name="instdisc", library_version=__version__)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message=f"Upload {info.method or backbone.name} by instdisc {__version__}",
            delete_patterns=[_CONFIG],  # of another backbone, where this one has none
        )
    return f"{HUB}{repo_id}"


@checked_call(repo_id=_repository, revision=text, token=text)
def from_hub(
    repo_id: str,
    *,
    revision: str | None = None,
    backbone: Backbone | None = None,
    token: str | None = None,
) -> Backbone:
    """Downloads a backbone from the Hugging Face Hub, unless it lies in its cache.

    Reads what `push_to_hub` uploads, and repositories of timm: any with ``model.safetensors`` and a
    ``config.json`` that names timm's architecture. Its classifier is left aside.

    Args:
        repo_id: ``"USER/REPO"``.
        revision: a branch, tag or commit; ``None`` for the newest.
        backbone: the network to fill, if it is of your own; see `load_backbone`.
        token: of access; ``None`` for the one that ``hf auth login`` stored.

    Returns:
        See `load_backbone`. Its `origin` names the repository instead of a file.

    Raises:
        ValueError: if `repo_id` is no name of a repository, the repository has no
            ``model.safetensors``, or the file cannot be read.
        OSError: of huggingface_hub, if there is no such repository, it is not open to you, or the
            Hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import EntryNotFoundError, LocalEntryNotFoundError

    download = functools.partial(
        hf_hub_download, repo_id, revision=revision, token=token, library_name="instdisc"
    )
    try:
        path = Path(download(filename=_WEIGHTS))
    except LocalEntryNotFoundError:  # the Hub was not reached: nothing is known of its files
        raise
    except EntryNotFoundError as error:
        raise ValueError(
            f"`repo_id` must be a repository with a file {_WEIGHTS}, got {repo_id!r}. Its owner "
            "uploads one by instdisc's push_to_hub or timm's."
        ) from error
    config: dict[str, Any] = {}
    name = options = None
    if backbone is None and not _is_export(path):
        try:
            config = json.loads(Path(download(filename=_CONFIG)).read_text(encoding="utf-8"))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            pass  # the keys of the weights may tell the architecture
        name, options = config.get("architecture"), config.get("model_args")
    backbone, info = load_with_info(path, name, options, backbone)
    if config.get("architecture"):
        # Older repositories of timm have the entries side by side.
        backbone.input = published_input(config.get("pretrained_cfg", config))
    assert backbone.origin is not None
    backbone.origin = backbone.origin._replace(
        method=info.method or repo_id.rpartition("/")[2],
        checkpoint=f"{HUB}{repo_id}" + (f"@{revision}" if revision else ""),
    )
    return backbone


def _is_export(path: Path) -> bool:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return bool((file.metadata() or {}).get("layout") == "instdisc")
    except safetensors.SafetensorError:
        return False  # whoever loads it says what is wrong
