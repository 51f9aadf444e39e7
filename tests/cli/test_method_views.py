"""Which views a method gets that is chosen by name."""

import pytest

from instdisc import methods
from instdisc.cli.method_views import method_views
from instdisc.cli.pretrain import make_cli
from instdisc.data import view_policies

# pytorch-lightning 2.6's command line calls a method that newer jsonargparse renamed; not ours.
pytestmark = pytest.mark.filterwarnings(
    "ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"
)
ALL = [kind for kind in vars(methods).values() if isinstance(kind, type)]
METHODS = [kind for kind in ALL if issubclass(kind, methods.PretrainModule)]


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_every_method_has_views(kind):
    assert len(view_policies(kind.policy, 64)) >= 2


def test_they_reach_the_data_and_what_is_given_counts(tmp_path):
    arguments = ["--model", "BYOLModule", "--model.backbone", "test_resnet"]
    arguments += ["--model.hidden_dim=8", "--model.projection_dim=4", "--data.image_size=32"]
    arguments += ["--data.images=instdisc.Scenes", "--data.images.num_images=8"]
    arguments += ["--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path}"]
    first, second = make_cli([*method_views(arguments), *arguments]).datamodule.policies
    assert len(second.photometric) == len(first.photometric) + 1  # solarised
    arguments.append("--data.policy=moco_v2")
    first, second = make_cli([*method_views(arguments), *arguments]).datamodule.policies
    assert first is second


@pytest.mark.parametrize(
    "arguments",
    [[], ["--model"], ["--model", "mine.Method"], ["--config=x.yaml", "--model=DINOModule"]],
)
def test_none(arguments):
    assert method_views(arguments) == []


def test_crops_for_vits():
    for backbone, policy in (("vit_small_patch16_224", "dino"), ("resnet50", "dino_resnet")):
        (option,) = method_views(["--model=DINOModule", f"--model.backbone={backbone}"])
        assert f'"policy": "{policy}"' in option


def test_a_method_of_one_view():
    assert method_views(["--model=InstDiscModule"]) == [
        '--config={"data": {"policy": "instdisc", "num_views": 1}}'
    ]


def test_parts_of_a_step_are_told_where_images_are_compared(tmp_path, capsys):
    arguments = ["--model=SimCLRModule", "--model.backbone=test_resnet", "--data.image_size=32"]
    arguments += ["--data.images=instdisc.Scenes", "--data.images.num_images=16"]
    arguments += ["--global_batch=8", "--data.batch_size=4", "--trainer.devices=1"]
    arguments += ["--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path}"]
    make_cli(arguments)
    assert "SimCLRModule compares the 4 images of a part alone" in capsys.readouterr().out
