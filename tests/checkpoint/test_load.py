import copy
from argparse import Namespace
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
import torchvision
from lightly.loss import NTXentLoss
from lightly.models import ResNetGenerator
from lightly.models.modules import MoCoProjectionHead
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from instdisc.checkpoint import describe_checkpoint, export_backbone, load_backbone
from instdisc.models import Backbone


def holder(**members):
    """A module with these members, for the names that its state dict gets."""
    module = nn.Module()
    for name, member in members.items():
        if isinstance(member, torch.Tensor):
            module.register_buffer(name, member)
        else:
            setattr(module, name, member)
    return module


def other(network):
    """The same network with other weights: what must not be loaded."""
    twin = copy.deepcopy(network)
    for parameter in twin.parameters():
        nn.init.constant_(parameter, 0.1)
    return twin


def sequential(resnet):
    return nn.Sequential(*list(resnet.children())[:-1])


def without_fc(resnet):
    resnet.fc = nn.Identity()
    return resnet


def queue(size=5, dim=8):
    return torch.randn(dim, size)


def moco(resnet):
    """facebookresearch/moco v2, as main_moco.py saves it."""
    arch = "resnet18" if resnet.fc.in_features == 512 else "resnet50"
    width = resnet.fc.in_features
    resnet.fc = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 128))
    pointer = torch.zeros(1, dtype=torch.long)
    module = holder(encoder_q=resnet, encoder_k=other(resnet), queue=queue(), queue_ptr=pointer)
    optimizer = torch.optim.SGD(module.parameters(), 0.03).state_dict()
    state = holder(module=module).state_dict()
    return {"epoch": 200, "arch": arch, "state_dict": state, "optimizer": optimizer}


def broad(resnet):
    """transfer_broad, SelfSupCon: three times the backbone, as Lightning 1.1.5 saves it."""
    feature = nn.Sequential(*list(resnet.children())[:-1], nn.Flatten())
    feature_k = other(feature)
    heads = [nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 128)]
    contrast = holder(
        encoder_q=nn.Sequential(feature, *heads),
        encoder_k=nn.Sequential(feature_k, *copy.deepcopy(heads)),
        queue=queue(),
        queue_ptr=torch.zeros(1, dtype=torch.long),
        queue_index=torch.full((5,), -1),
    )
    module = holder(
        feature=feature,
        feature_k=feature_k,
        moco=contrast,
        linear_evaluator=nn.Sequential(nn.Dropout(0.2), nn.Linear(512, 64)),
        feature_extractor=feature,
    )
    return {
        "epoch": 399,
        "state_dict": module.state_dict(),
        "hyper_parameters": Namespace(lr=0.02, folder=Path("images")),
        "callbacks": {ModelCheckpoint: {"best_model_score": torch.tensor(1.0)}},
    }


def solo(resnet):
    """solo-learn's MoCoV2Plus."""
    backbone = without_fc(resnet)
    module = holder(
        backbone=backbone,
        classifier=nn.Linear(512, 10),
        projector=nn.Sequential(nn.Linear(512, 8), nn.ReLU(), nn.Linear(8, 8)),
        momentum_backbone=other(backbone),
        momentum_projector=nn.Linear(512, 8),
        queue=torch.randn(2, 8, 5),
        queue_ptr=torch.zeros(1, dtype=torch.long),
    )
    return {"state_dict": module.state_dict(), "epoch": 1000}


def old_solo(resnet):
    """solo-learn's SimCLR of 2021."""
    encoder = without_fc(resnet)
    module = holder(encoder=encoder, classifier=nn.Linear(512, 10), projector=nn.Linear(512, 8))
    return {"state_dict": module.state_dict()}


def lightly_module(backbone):
    """lightly's examples/pytorch_lightning/moco.py."""
    return holder(
        backbone=backbone,
        projection_head=MoCoProjectionHead(512, 512, 128),
        backbone_momentum=other(backbone),
        projection_head_momentum=MoCoProjectionHead(512, 512, 128),
        criterion=NTXentLoss(memory_bank_size=(16, 128)),
    )


def lightly_sequential(resnet):
    return {"state_dict": lightly_module(sequential(resnet)).state_dict()}


def lightly_named(resnet):
    """lightly's benchmarks, which evaluate `backbone`; here saved without Lightning."""
    return lightly_module(without_fc(resnet)).state_dict()


def torchvision_plain(resnet):
    return resnet.state_dict()


def torchvision_old(resnet):
    """The files of torchvision before it counted batches."""
    state = resnet.state_dict()
    return {key: value for key, value in state.items() if "num_batches" not in key}


def pytorch_example(resnet):
    """pytorch/examples imagenet/main.py."""
    return {"arch": "resnet18", "state_dict": holder(module=resnet).state_dict(), "best_acc1": 1}


def bare_sequential(resnet):
    return sequential(resnet).state_dict()


@pytest.mark.parametrize(
    ("build", "layout"),
    [
        (moco, "facebookresearch/moco"),
        (broad, "transfer_broad"),
        (solo, "solo-learn"),
        (old_solo, "solo-learn"),
        (lightly_sequential, "lightly"),
        (lightly_named, "lightly"),
        (torchvision_plain, "torchvision"),
        (torchvision_old, "torchvision"),
        (pytorch_example, "torchvision"),
        (bare_sequential, "torchvision"),
    ],
)
def test_published_layouts(build, layout, randomise, features, tmp_path):
    resnet = randomise(torchvision.models.resnet18())
    expected = features(sequential(resnet))
    torch.save(build(resnet), tmp_path / "file")
    backbone = load_backbone(tmp_path / "file")
    torch.testing.assert_close(features(backbone), expected)
    info = describe_checkpoint(tmp_path / "file")
    assert (info.layout, info.backbone["name"]) == (layout, "resnet18")
    assert (info.method, info.recipe, info.version) == ("", {}, "")
    with pytest.raises(ValueError, match=r"another architecture.*'resnet50'.*holds 'resnet18'"):
        load_backbone(tmp_path / "file", "resnet50")


def test_published_resnet50(randomise, features, tmp_path):
    resnet = randomise(torchvision.models.resnet50())
    expected = features(sequential(resnet))
    torch.save(moco(resnet), tmp_path / "file")
    backbone = load_backbone(tmp_path / "file", "resnet50")
    torch.testing.assert_close(features(backbone), expected)


def test_moco_v1_in_the_old_file_format(randomise, features, tmp_path):
    resnet = randomise(torchvision.models.resnet18(num_classes=128))
    module = holder(encoder_q=resnet, encoder_k=other(resnet), queue=queue())
    state = holder(module=module).state_dict()
    torch.save({"state_dict": state}, tmp_path / "file", _use_new_zipfile_serialization=False)
    torch.testing.assert_close(
        features(load_backbone(tmp_path / "file")), features(sequential(resnet))
    )


@pytest.mark.parametrize("wrap", [sequential, lambda resnet: resnet])
def test_own_resnet_of_lightly(wrap, tmp_path):
    backbone = wrap(ResNetGenerator("resnet-18"))
    torch.save({"state_dict": lightly_module(backbone).state_dict()}, tmp_path / "file")
    assert describe_checkpoint(tmp_path / "file").layout == "lightly"
    with pytest.raises(ValueError, match=r"lightly's own ResNet .* no ReLU"):
        load_backbone(tmp_path / "file")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_timm_with_its_classifier(suffix, randomise, features, tmp_path):
    net = randomise(timm.create_model("vit_tiny_patch16_224", num_classes=10, img_size=32))
    path = tmp_path / f"file.{suffix}"
    if suffix == "pth":
        torch.save(net.state_dict(), path)
    else:
        safetensors.torch.save_file(net.state_dict(), path, {"format": "pt"})
    backbone = load_backbone(path, "vit_tiny_patch16_224", options={"img_size": 32})
    net.reset_classifier(0)
    assert torch.equal(features(backbone), features(net))
    assert describe_checkpoint(path)[:2] == ("timm", {})
    with pytest.raises(ValueError, match=r"do not tell the architecture.*give its `name`"):
        load_backbone(path)
    with pytest.raises(ValueError, match=r"Shapes that differ: pos_embed \(1, 5, 192\)"):
        load_backbone(path, "vit_tiny_patch16_224")


def test_timm_training_script(randomise, features, tmp_path):
    net = randomise(timm.create_model("resnet10t", num_classes=10))
    content = {"arch": "resnet10t", "state_dict": net.state_dict(), "args": Namespace(lr=0.1)}
    torch.save(content, tmp_path / "file")
    backbone = load_backbone(tmp_path / "file")
    net.reset_classifier(0)
    assert torch.equal(features(backbone), features(net))


def test_a_relative_of_the_plain_resnet_needs_its_name(randomise, features, tmp_path):
    resnet = randomise(torchvision.models.resnext50_32x4d())
    torch.save(resnet.state_dict(), tmp_path / "file")
    backbone = load_backbone(tmp_path / "file", "resnext50_32x4d")
    torch.testing.assert_close(features(backbone), features(sequential(resnet)))
    with pytest.raises(ValueError, match="give its `name`"):
        load_backbone(tmp_path / "file")
    with pytest.raises(ValueError, match=r"does not fit.*Shapes that differ: .*, \.\.\. \(\d+ in"):
        load_backbone(tmp_path / "file", "resnet50")


def test_stem_that_the_keys_cannot_tell(make_backbone, features, tmp_path):
    for stem in ("no_pool", "cifar"):
        backbone = make_backbone("resnet18", stem=stem)
        torch.save(backbone.net.state_dict(), tmp_path / "file")
        loaded = load_backbone(tmp_path / "file", options={"stem": stem})
        assert torch.equal(features(loaded), features(backbone))
    with pytest.raises(ValueError, match=r"3 x 3.*give `options`=\{'stem': 'cifar'\}"):
        load_backbone(tmp_path / "file")


def test_cifar_stem_of_solo_learn(tmp_path):
    resnet = torchvision.models.resnet18()
    resnet.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=2, bias=False)
    torch.save(solo(resnet), tmp_path / "file")
    with pytest.raises(ValueError, match=r"solo-learn's ResNet for CIFAR.*pads by 2"):
        load_backbone(tmp_path / "file")


def _edit(path, change):
    """Changes the weights in a file, whatever kind it is."""
    if path.suffix == ".safetensors":
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata()
        state = safetensors.torch.load_file(path)
        change(state)
        safetensors.torch.save_file(state, path, metadata)
    else:
        state = torch.load(path, weights_only=True)
        change(state)
        torch.save(state, path)


@pytest.mark.parametrize(
    ("file", "advice"),
    [
        ("own.safetensors", "was damaged or edited. Export it again"),
        ("theirs.pth", "looks like a resnet18 in the layout of torchvision, but does not fit"),
    ],
)
def test_strict(file, advice, make_backbone, tmp_path):
    path = tmp_path / file
    format = "instdisc" if path.suffix == ".safetensors" else "torchvision"

    whole = export_backbone(make_backbone(), path, format=format).read_bytes()

    def fails(change, message):
        path.write_bytes(whole)
        _edit(path, change)
        with pytest.raises(ValueError, match=f"{file} .*{advice}.*{message}"):
            load_backbone(path)

    fails(lambda state: state.pop("layer3.0.bn2.bias"), r"Missing keys: layer3.0.bn2.bias \(1 in")
    fails(lambda state: state.update(stray=torch.ones(1)), r"Unexpected keys: stray \(1 in all\)")
    fails(
        lambda state: state.update({"bn1.bias": torch.ones(3)}),
        r"Shapes that differ: bn1.bias \(3,\) in the file and \(64,\) in the model \(1 in all\)",
    )
    many = [f"stray{index:02}" for index in range(12)]
    fails(
        lambda state: state.update({name: torch.ones(1) for name in many}),
        r"Unexpected keys: stray00, .*stray09, \.\.\. \(12 in all\)",
    )


@pytest.mark.parametrize("build", [moco, broad, solo, old_solo, lightly_sequential])
def test_unknown_companions_are_errors(build, tmp_path):
    content = build(torchvision.models.resnet18())
    prefix = "module." if build is moco else ""
    content["state_dict"][f"{prefix}my_head.weight"] = torch.ones(1)
    torch.save(content, tmp_path / "file")
    with pytest.raises(ValueError, match=r"Unexpected keys: my_head.weight \(1 in all\)"):
        load_backbone(tmp_path / "file")


@pytest.mark.parametrize("format", ["instdisc", "timm"])
def test_truncated_file(format, make_backbone, tmp_path):
    path = export_backbone(make_backbone("resnet10t"), tmp_path / "file", format=format)
    whole = path.read_bytes()
    for size in (0, 5, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"file (is not a whole|cannot be read).*truncated"):
            load_backbone(path, "resnet10t")
        with pytest.raises(ValueError, match="truncated"):
            describe_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([torch.ones(1)], "must hold a dict, but holds a list"),
        ({}, "holds no weights"),
        ({"epoch": 3, "weight": torch.ones(1)}, r"what are no weights: epoch \(1 in all\)"),
        ({"weight": torch.ones(1)}, "cannot be recognised.*weight"),
        ({"backbone.blob": torch.ones(1)}, "looks like lightly's.*give its `name`"),
        ({"instdisc": {"method": "x"}, "state_dict": {"x": torch.ones(1)}}, "does not tell how"),
    ],
)
def test_foreign_content(content, message, tmp_path):
    torch.save(content, tmp_path / "file")
    with pytest.raises(ValueError, match=message):
        load_backbone(tmp_path / "file")


def test_foreign_files(tmp_path):
    (tmp_path / "file").write_text("a text, not a checkpoint")
    with pytest.raises(ValueError, match=r"file cannot be read.*Known are"):
        load_backbone(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        load_backbone(tmp_path / "none")


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_no_code_of_a_file_is_run(tmp_path):
    trace = tmp_path / "trace"
    state = torchvision.models.resnet18().state_dict()
    torch.save({"state_dict": state, "callbacks": Trap(trace)}, tmp_path / "file")
    with pytest.raises(ValueError, match=r"names .*, and .* could run code") as refusal:
        load_backbone(tmp_path / "file")
    assert "weights_only" not in str(refusal.value)
    assert not trace.exists()
    torch.load(tmp_path / "file", weights_only=False)
    assert trace.exists()  # the trap works


def test_what_own_files_know_is_checked(make_backbone, tmp_path):
    path = export_backbone(make_backbone("resnet18", stem="cifar"), tmp_path / "file")
    assert load_backbone(path, "resnet18").stem == "cifar"
    with pytest.raises(ValueError, match=r"another architecture.*'resnet50'.*holds 'resnet18'"):
        load_backbone(path, "resnet50")
    with pytest.raises(ValueError, match="`options` must not be given"):
        load_backbone(path, options={"stem": "imagenet"})


def test_backbone_that_cannot_be_built(make_backbone, tmp_path):
    path = export_backbone(make_backbone("resnet18"), tmp_path / "file", format="timm")
    with pytest.raises(ValueError, match=r"cannot build Backbone.*must be a timm model"):
        load_backbone(path, "resnet1800")
    with pytest.raises(ValueError, match="cannot build Backbone"):
        load_backbone(path, options={"no_such_option": 1})


def test_loaded_backbone_is_ready_to_train(make_backbone, tmp_path):
    backbone = load_backbone(export_backbone(make_backbone("resnet10t"), tmp_path / "file"))
    assert isinstance(backbone, Backbone)
    assert backbone.training
    assert all(parameter.requires_grad for parameter in backbone.parameters())
