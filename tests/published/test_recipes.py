"""The published values that stand in recipes; those of both papers' pretraining: tests/cli/."""

from pathlib import Path

import pytest
import yaml

CONFIGS = Path(__file__).resolve().parents[2] / "instdisc" / "cli" / "recipes"
VOC_SIDES = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]
COCO_SIDES = [640, 672, 704, 736, 768, 800]


def detection(iterations, milestones, *, sides, masks, neck="c4", rate=0.02, batch=16, warmup=100):
    return {
        "model.neck": neck,
        "model.masks": masks,
        "model.learning_rate": rate,
        "model.warmup": warmup,
        "model.milestones": milestones,
        "model.precise_batches": 200,
        "data.iterations": iterations,
        "data.policy.init_args.short_sides": sides,
        "data.policy.init_args.longest_side": 1333,
        **({"global_batch": 16} if batch == 16 else {"data.batch_size": batch}),
    }


def pretraining(policy, optimizer, rate, *, batch, epochs, image_size=224, **settings):
    """`rate` is that of `reference` images, `warmup` in epochs."""
    settings |= {"optimizer": optimizer, "learning_rate": rate}
    if "warmup" in settings:
        settings["warmup"] = round(settings["warmup"] / epochs, 7)
    if "reference" in settings:
        settings["reference_batch"] = settings.pop("reference")
    return {
        "global_batch": batch,
        "data.policy": policy,
        "data.image_size": image_size,
        "trainer.max_epochs": epochs,
        **{f"model.init_args.{name}": value for name, value in settings.items()},
    }


VALUES = {
    # Zhao et al. (2021), He et al. (2020)
    "detection/voc07": detection(9000, [6000, 8000], sides=VOC_SIDES, masks=False),
    "detection/voc0712": detection(24000, [18000, 22000], sides=VOC_SIDES, masks=False),
    "detection/coco_1x": detection(
        90000, [60000, 80000], sides=COCO_SIDES, masks=True, warmup=1000
    ),
    "detection/coco_2x": detection(
        180000, [120000, 160000], sides=COCO_SIDES, masks=True, warmup=1000
    ),
    "detection/islam_coco_fpn": detection(
        90000, [60000, 80000], sides=COCO_SIDES, masks=True, neck="fpn", warmup=1000
    ),
    # Ericsson et al. (2021)
    "detection/ssl_transfer_voc0712_fpn": detection(
        *(144000, [108000, 132000]),
        **{"sides": VOC_SIDES, "masks": False, "neck": "fpn", "rate": 0.0025, "batch": 2},
    ),
    # Zhao et al. (2021), mmsegmentation
    "segmentation/cityscapes_deeplab": {
        "global_batch": 8,
        "model.head": "deeplab",
        "model.output_stride": 8,
        "model.width": 512,
        "model.dropout": 0.1,
        "model.auxiliary": 0.4,
        "model.learning_rate": 0.01,
        "model.weight_decay": 5e-4,
        "model.schedule": "poly",
        "model.power": 0.9,
        "model.least_rate": 0.01,
        "data.crop_size": [512, 1024],
        "data.scale": [0.5, 2.0],
        "data.max_share": 0.75,
        "data.distort": True,
        "trainer.max_steps": 40000,
    },
    # He et al. (2020)
    "segmentation/cityscapes_fcn_moco": {
        "global_batch": 16,
        "model.head": "fcn",
        "model.output_stride": 16,
        "model.width": 256,
        "model.learning_rate": 0.01,
        "model.weight_decay": 1e-4,
        "model.schedule": "step",
        "model.milestones": [0.7, 0.9],
        "data.crop_size": 769,
        "data.scale": [0.5, 2.0],
        "data.short_side": 1025,
        "trainer.max_steps": 90000,
    },
    # Their code
    "pretrain/simclr": pretraining(
        *("simclr", "lars", 0.3),
        **{"batch": 4096, "epochs": 100, "warmup": 10, "weight_decay": 1e-4, "reference": 256},
        **{"decay": "weights", "temperature": 0.1, "projection_dim": 128},
    ),
    **{
        f"pretrain/{name}": pretraining(
            *("instdisc", "sgd", 0.03),
            **{"batch": 256, "epochs": 200, "weight_decay": 1e-4},
            **{"decay": "all", "temperature": 0.07, "projection_dim": 128, "schedule": "step"},
            **{"num_negatives": 4096, "estimator": "nce", "bank_momentum": 0.5},
            **{"milestones": [0.6, 0.8]},
        )
        for name in ("instdisc", "instdisc_resnet18")
    },
    "pretrain/simsiam": pretraining(
        *("simsiam", "sgd", 0.05),
        **{"batch": 512, "epochs": 100, "warmup": 0, "weight_decay": 1e-4, "reference": 256},
        **{"decay": "all", "projection_dim": 2048, "projector_layers": 3, "bottleneck_dim": 512},
        **{"fixed_predictor_rate": True},
    ),
    "pretrain/byol": pretraining(
        *("byol", "lars", 0.2),
        **{"batch": 4096, "epochs": 1000, "warmup": 10, "weight_decay": 1.5e-6, "reference": 256},
        **{"decay": "weights", "momentum": 0.996, "final_momentum": 1.0},
        **{"hidden_dim": 4096, "projection_dim": 256},
    ),
    "pretrain/moco_v3": pretraining(
        *("moco_v3_resnet", "lars", 0.3),
        **{"batch": 4096, "epochs": 300, "warmup": 10, "weight_decay": 1e-6, "reference": 256},
        **{"decay": "weights", "temperature": 1.0, "momentum": 0.99, "final_momentum": 1.0},
        **{"hidden_dim": 4096, "projection_dim": 256},
    ),
    "pretrain/moco_v3_vit_small": pretraining(
        *("moco_v3", "adamw", 1.5e-4),
        **{"batch": 4096, "epochs": 300, "warmup": 40, "weight_decay": 0.1, "reference": 256},
        **{"decay": "all", "temperature": 0.2, "momentum": 0.99, "final_momentum": 1.0},
        **{"backbone.dict_kwargs": {"num_heads": 12}},
    ),
    "pretrain/barlow_twins": pretraining(
        *("barlow_twins", "lars", 0.2),
        **{"batch": 2048, "epochs": 1000, "warmup": 10, "weight_decay": 1e-6, "reference": 256},
        **{"decay": "weights", "redundancy_weight": 0.0051, "bias_rate": 0.024},
        **{"hidden_dim": 8192, "projection_dim": 8192},
    ),
    "pretrain/vicreg": pretraining(
        *("vicreg", "lars", 0.2),
        **{"batch": 2048, "epochs": 1000, "warmup": 10, "weight_decay": 1e-6, "reference": 256},
        **{"decay": "weights", "hidden_dim": 8192, "projection_dim": 8192},
        **{"invariance_weight": 25.0, "variance_weight": 25.0, "covariance_weight": 1.0},
    ),
    "pretrain/dino_vit_small": pretraining(
        *("dino", "adamw", 5e-4),
        **{"batch": 512, "epochs": 100, "warmup": 10, "weight_decay": 0.04, "reference": 256},
        **{"decay": "weights", "final_weight_decay": 0.4, "momentum": 0.996, "num_views": 10},
        **{"teacher_temperature": 0.04, "student_temperature": 0.1, "num_prototypes": 65536},
        **{"freeze_prototypes": 0.01, "clip": 3.0},
    ),
    "pretrain/dino": pretraining(
        *("dino_resnet", "sgd", 0.03),
        **{"batch": 512, "epochs": 100, "warmup": 10, "weight_decay": 1e-4, "reference": 256},
        **{"decay": "weights", "momentum": 0.996, "num_views": 10, "num_prototypes": 65536},
        **{"teacher_temperature": 0.04, "student_temperature": 0.1},
        **{"freeze_prototypes": 0.01, "clip": 3.0},
    ),
    # The paper, not its code
    "pretrain/nnclr": pretraining(
        *("nnclr", "lars", 0.3),
        **{"batch": 4096, "epochs": 1000, "warmup": 10, "weight_decay": 1e-6, "reference": 256},
        **{"decay": "weights", "temperature": 0.1, "queue_size": 98304},
        **{"hidden_dim": 2048, "projection_dim": 256, "predictor_dim": 4096},
    ),
    # The code's rate 0.5 and weight decay 1e-4, of a loss that is multiplied by 0.1 / 0.07
    "pretrain/supcon_cifar10": pretraining(
        *("supcon_cifar", "sgd", 0.714),
        **{"batch": 1024, "epochs": 1000, "warmup": 10, "weight_decay": 7e-5},
        **{"reference": 1024, "image_size": 32, "temperature": 0.1, "projection_dim": 128},
    ),
    # cvl-umass/contrast-landmark
    "landmarks/mafl": {
        "model.learning_rate": 1e-3,
        "model.weight_decay": 5e-4,
        "model.frozen": True,
        "data.batch_size": 32,
        "data.margin": -0.212,
        "trainer.max_epochs": 120,
    },
}


@pytest.mark.parametrize("name", VALUES)
def test_recipe(name):
    recipe = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    values = {}
    for path in VALUES[name]:
        value = recipe
        for key in path.split("."):
            value = value[key]
        values[path] = value
    assert values == VALUES[name]


def test_the_middle_of_a_face_is_96_of_136_pixels():
    # The width of CelebA's 178 x 218 is the source's 136 pixels; a margin is of the long side.
    margin = VALUES["landmarks/mafl"]["data.margin"]
    assert round((1 + 2 * margin) * 218, 1) == pytest.approx(178 * 96 / 136, abs=0.1)
