import pytest
import timm
import torch

from instdisc.checkpoint import export_backbone, open_backbone
from instdisc.models import Backbone


def test_a_backbone_stays_itself_and_a_name_is_random():
    backbone = Backbone("test_resnet")
    assert open_backbone(backbone) is backbone
    torch.manual_seed(3)
    first, other = open_backbone("test_resnet"), open_backbone("test_resnet")
    torch.manual_seed(3)
    again = Backbone("test_resnet")
    weights = [one.net.conv1[0].weight for one in (first, other, again)]
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[1])


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_file_is_loaded_and_tells_its_origin(kind, tmp_path):
    backbone = Backbone("test_resnet", stem="no_pool")
    file = export_backbone(backbone, tmp_path / "net.safetensors")
    loaded = open_backbone(kind(file))
    assert loaded.spec == backbone.spec
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    about = loaded.about()
    assert (about.method, about.checkpoint) == ("net", str(file))  # the file tells no method
    assert about.weights == backbone.about().weights


def test_a_file_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = export_backbone(Backbone("test_resnet"), tmp_path / "net.safetensors")
    file.rename("resnet18")
    assert open_backbone("resnet18").name == "test_resnet"


def test_the_method_that_a_file_tells(tmp_path):
    backbone = Backbone("test_resnet")
    state = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    about = {"backbone": backbone.spec, "method": "Mine", "recipe": {}, "version": "1"}
    file = tmp_path / "last.ckpt"
    torch.save({"state_dict": state, "instdisc": about}, file)
    about = open_backbone(file).about()
    assert (about.method, about.pretraining, about.checkpoint) == ("Mine", "Mine", str(file))
    assert about.architecture == "test_resnet"


def test_a_record_cannot_name_a_file_that_it_is_not_from(tmp_path):
    loaded = open_backbone(export_backbone(Backbone("test_resnet"), tmp_path / "net.safetensors"))
    with torch.no_grad():
        next(loaded.parameters()).add_(1)
    about = loaded.about()
    assert (about.method, about.checkpoint) == ("net, changed", "")


def test_a_file_with_the_name_of_its_architecture(tmp_path):
    file = tmp_path / "vit.pth"
    torch.save(timm.create_model("test_vit", num_classes=0).state_dict(), file)
    with pytest.raises(ValueError, match="give its `name`"):
        open_backbone(str(file))
    loaded = open_backbone(f"{file}:test_vit")
    assert loaded.name == "test_vit"
    assert loaded.input.mean == loaded.net.pretrained_cfg["mean"]


def test_bad_sources(tmp_path):
    with pytest.raises(FileNotFoundError, match="`backbone` must be a file, got .*no"):
        open_backbone(tmp_path / "no")
    with pytest.raises(ValueError, match="got 'nothing', which is no file in .* and no name"):
        open_backbone("nothing")
    with pytest.raises(TypeError, match="`backbone` must be a Backbone, .* got Linear"):
        open_backbone(torch.nn.Linear(2, 2))
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="bad.pt"):
        open_backbone(tmp_path / "bad.pt")


def test_the_name_of_release_0_1_0_tells_its_successor(tmp_path):
    with pytest.warns(DeprecationWarning, match=r"open_backbone\(source\).about\(\)"):
        from instdisc.checkpoint import backbone_origin
    file = export_backbone(Backbone("test_resnet"), tmp_path / "net.safetensors")
    assert backbone_origin(file) == ("net", str(file))
    assert backbone_origin("resnet50") == ("random", "")
