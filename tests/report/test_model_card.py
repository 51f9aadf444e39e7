"""The model card, read back as the Hugging Face Hub reads it."""

import json
import re

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index
from safetensors.torch import load_file, save_file

from instdisc import Backbone, Record, export_backbone, load_backbone
from instdisc.checkpoint import push_to_hub
from instdisc.report import write_model_card
from instdisc.report.material import Material

INPUT = {"size": 64, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
RECIPE = {
    "backbone": {"name": "test_resnet", "stem": "imagenet"},
    "learning_rate": 0.03,
    "reference_batch": None,
    "start": {"pretraining": "SupervisedModule", "checkpoint": "/home/me/runs/start.ckpt"},
    "images": "C:\\Users\\me\\imagenet",
    "changes": [{"step": 70, "name": "temperature", "before": 0.2, "after": 0.1}],
}


class MoCoModule(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.backbone = Backbone("test_resnet", **options)
        self.recipe = RECIPE


@pytest.fixture
def module():
    return MoCoModule()


@pytest.fixture
def file(module, tmp_path):
    return export_backbone(module, tmp_path / "moco.safetensors")


def make_records(backbone, method="MoCo", **fields):
    about = backbone.about()
    fields = {
        "method": method,
        "architecture": about.architecture,
        "parameters": about.parameters,
        "weights": about.weights,
        "checkpoint": f"/home/me/{method}.safetensors",
        "pretraining": "MoCoModule",
        "versions": {"instdisc": "0.2.0", "torch": "2.14.1"},
        "date": "2026-11-26T15:05:43+00:00",
        "settings": {"k": 20},
        **fields,
    }
    ends = {"low": 70.3, "high": 72.7, "interval": "Wilson, 600 images", "n": 600}
    return [
        Record("knn", "/data/sets/scenes", "top-1", 71.5, **ends, **fields),
        Record("linear", "/data/sets/scenes", "top-1", 80.123456, n=600, **fields),
        Record("segmentation", "/data/sets/roads", "mIoU", 33.3, **fields),
        Record("stage1_geometry", "/data/sets/scenes", "RankMe", 12.5, unit="", **fields),
    ]


def random_records():
    torch.manual_seed(5)
    fields = {"checkpoint": "", "pretraining": "random"}
    return make_records(Backbone("test_resnet"), "random", **fields)[:1]


def test_head_is_what_the_hub_reads(module, file, tmp_path):
    records = [*make_records(module.backbone), *random_records()]
    path = write_model_card(
        Material(records, []),
        tmp_path / "new" / "card.md",
        weights=file,
        license="cc-by-nc-4.0",
        repo_id="me/moco-tiny",
    )
    data = ModelCard.load(path).data
    assert (data.license, data.library_name) == ("cc-by-nc-4.0", "timm")
    assert data.pipeline_tag == "image-feature-extraction"
    assert {"instdisc", "timm", "test_resnet", "MoCoModule"} <= set(data.tags)
    assert data.model_name == "moco-tiny"
    told = {
        (r.task_type, r.dataset_name, r.metric_type, r.metric_name): (r.metric_value, r.metric_args)
        for r in data.eval_results
    }
    ends = {"low": 70.3, "high": 72.7, "level": 0.95, "interval": "Wilson, 600 images", "n": 600}
    assert told == {
        ("image-classification", "scenes", "accuracy", "knn top-1 (%)"): (71.5, ends),
        ("image-classification", "scenes", "accuracy", "linear top-1 (%)"): (80.1235, {"n": 600}),
        ("image-segmentation", "roads", "mean_iou", "segmentation mIoU (%)"): (33.3, None),
    }
    # The same through the Hub's own writer, and with a source.
    index = eval_results_to_model_index(data.model_name, data.eval_results)
    head = ModelCard.load(path).data.to_dict()
    assert head["model-index"] == index
    assert all(
        result["source"] == {"name": "instdisc 0.2.0", "url": "https://huggingface.co/me/moco-tiny"}
        for result in index[0]["results"]
    )


def test_text_tells_what_a_reader_needs(module, file, tmp_path):
    records = [*make_records(module.backbone), *random_records()]
    options = {"weights": file, "repo_id": None}
    path = write_model_card(records, tmp_path / "card.md", license=None, **options)
    content = path.read_text(encoding="utf-8")
    card = ModelCard(content)
    assert card.data.license is None
    text = card.text
    assert "| license | none is stated |" in text
    assert "| data set | task | MoCo | random |" in text
    assert "| scenes | knn top-1 (%) | 71.5 ± 1.2 | 71.5 ± 1.2 |" in text
    assert "95 % intervals: Wilson, 600 images" in text
    assert "| learning_rate | 0.03 |" in text
    assert "| temperature, from step 70 | 0.2 to 0.1 |" in text
    assert "It began with weights of SupervisedModule (`start.ckpt`)." in text
    assert "| images | imagenet |" in text
    assert "stage1_geometry RankMe" in text
    assert "- knn: k 20" in text
    assert "- tested with instdisc 0.2.0, torch 2.14.1" in text
    assert "/home/me" not in content
    assert not re.search(r"\n{3,}|\{\{|\{%|None", text)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Pretraining", "Results", "How to load it", "Limits", "Versions"]


@pytest.mark.parametrize("repo_id", [None, "me/net"])
def test_its_code_runs(repo_id, module, file, tmp_path, monkeypatch):
    """Each block gives the features of the backbone, from the Hub or from the file."""
    card = write_model_card(
        make_records(module.backbone),
        tmp_path / "card.md",
        weights=file,
        license="mit",
        repo_id=repo_id,
    )
    config = {}

    def upload(api, *, repo_id, folder_path, **options):
        config.update(json.loads((folder_path / "config.json").read_text()))
        assert (folder_path / "README.md").read_bytes() == card.read_bytes()

    monkeypatch.setattr(
        huggingface_hub.HfApi, "create_repo", lambda api, repo_id, **o: _Repository(repo_id)
    )
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload)
    push_to_hub(file, "me/net", card=card)
    (tmp_path / "config.json").write_text(json.dumps(config))
    files = {"model.safetensors": file, "config.json": tmp_path / "config.json"}
    for module_name in ("huggingface_hub", "timm.models._hub"):
        monkeypatch.setattr(
            f"{module_name}.hf_hub_download", lambda repo_id, filename, **o: str(files[filename])
        )
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", card.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    images = torch.randn(2, 3, 64, 64)
    wanted = module.backbone.eval()(images)
    for block in blocks:
        names = {"images": images, "timm": timm}
        exec(block, names)
        assert torch.equal(names["backbone"](images), wanted)


class _Repository:
    def __init__(self, repo_id):
        self.repo_id = repo_id


def test_another_stem_is_no_timm_model(tmp_path):
    module = MoCoModule(stem="no_pool")
    file = export_backbone(module, tmp_path / "net.safetensors")
    path = write_model_card(
        make_records(module.backbone), tmp_path / "card.md", weights=file, license="mit"
    )
    card = ModelCard.load(path)
    assert card.data.library_name == "instdisc"
    assert "timm alone cannot build this network" in card.text
    assert "timm.create_model" not in card.text


def without_hash(file, path):
    """An export as earlier releases wrote it."""
    import safetensors

    with safetensors.safe_open(file, "pt") as opened:
        metadata = {k: v for k, v in opened.metadata().items() if k != "weights"}
    save_file(load_file(file), path, metadata)
    return path


def test_which_records_are_meant(module, file, tmp_path):
    mine = make_records(module.backbone)
    torch.manual_seed(9)
    other = Backbone("test_resnet")
    others = make_records(other, "SupCon", pretraining="SupConModule")
    path = tmp_path / "card.md"
    write_model_card([*others, *mine], path, weights=file, license=None)
    assert "| data set | task | MoCo |" in path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"`weights` must be the file that records are of.*SupCon"):
        write_model_card(others, path, weights=file, license=None)
    with pytest.raises(ValueError, match=r"`weights` must be the file that the records are of"):
        write_model_card([*others, *mine], path, weights=file, license=None, method="SupCon")
    old = without_hash(file, tmp_path / "old.safetensors")
    with pytest.raises(ValueError, match=r"`records` must be of one checkpoint, got \['SupCon', "):
        write_model_card([*others, *mine], path, weights=old, license=None)
    write_model_card([*others, *mine], path, weights=old, license=None, method="SupCon")
    assert "| data set | task | SupCon |" in path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"`method` must be one of 'SupCon', 'MoCo', got 'BYOL'"):
        write_model_card([*others, *mine], path, weights=old, license=None, method="BYOL")
    strangers = make_records(other, architecture="resnet18")
    with pytest.raises(ValueError, match=r"`weights` must be .* They are of resnet18"):
        write_model_card(strangers, path, weights=old, license=None)


def test_what_is_no_export(file, module, tmp_path):
    records = make_records(module.backbone)
    foreign = tmp_path / "foreign.safetensors"
    save_file(load_file(file), foreign)
    for path in (foreign, tmp_path / "text.txt"):
        (tmp_path / "text.txt").write_text("no weights")
        with pytest.raises(ValueError, match=r"`weights` must be an export of instdisc"):
            write_model_card(records, tmp_path / "card.md", weights=path, license=None)
    with pytest.raises(ValueError, match=r"`path` must be a file \.md"):
        write_model_card(records, tmp_path / "card.txt", weights=file, license=None)


def test_hash_of_an_export_is_that_of_records(file):
    import safetensors

    with safetensors.safe_open(file, "pt") as opened:
        assert opened.metadata()["weights"] == load_backbone(file).about().weights
