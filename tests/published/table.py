"""Every number that comes from a paper or its code: where it stands, and which test guards it.

A row's `text` is found in its file exactly once, whatever the spaces. The value is between « and
»; … stands for anything, as little as possible. `plant_faults.py` puts `wrong` in its place and
runs the guard, which must fail.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Value(NamedTuple):
    """A published value.

    Attributes:
        what: it is.
        file: it stands in, from the root of the checkout.
        text: around it, with the value between « and ».
        wrong: what a fault makes of it.
        source: the paper or the code that it comes from.
        guard: the test that fails at another value.
    """

    what: str
    file: str
    text: str
    wrong: str
    source: str
    guard: str


def find(value: Value, content: str) -> list[tuple[int, int]]:
    """Where the value stands in the content of its file: start and end of each place."""
    before, rest = value.text.split("«")
    middle, after = rest.split("»")
    pattern = rf"{_pattern(before)}\s*({_pattern(middle)})\s*{_pattern(after)}"
    return [place.span(1) for place in re.finditer(pattern, content, re.DOTALL)]


def planted(value: Value, content: str) -> str:
    """The content with the wrong value."""
    ((start, end),) = find(value, content)
    return content[:start] + value.wrong + content[end:]


def _pattern(text: str) -> str:
    escaped = re.escape(text.replace("…", "\0")).replace("\0", ".*?").replace("\\\0", ".*?")
    return re.sub(r"(\\ |\\?\n)+", r"\\s*", escaped)


MOCO = "He et al. (2020) and Chen et al. (2020), MoCo v1 and v2, their code"
WU = "Wu et al. (2018), InstDisc, their code"
SIMCLR = "Chen et al. (2020), SimCLR, their code"
BYOL = "Grill et al. (2020), BYOL, their code"
MOCO_V3 = "Chen, Xie and He (2021), MoCo v3, their code"
BARLOW = "Zbontar et al. (2021), Barlow Twins, their code"
VICREG = "Bardes et al. (2022), VICReg, their code"
DINO = "Caron et al. (2021), DINO, their code"
NNCLR = "Dwibedi et al. (2021), NNCLR, not checked against the text; heads: solo-learn"
KHOSLA = "Khosla et al. (2020), SupContrast, their code"
ZHAO = "Zhao et al. (2021)"
ISLAM = "Islam et al. (2021), their code"
BYOL = "Grill et al. (2020), their code"
MOCO_V3 = "Chen et al. (2021), MoCo v3, their code"
SIMSIAM = "Chen and He (2021), their code"
MOCO_DETECTION = "He et al. (2020), detectron2 configurations"
DETECTRON2 = "detectron2's defaults"
MMSEG = "mmsegmentation, deeplabv3_r50-d8_512x1024_40k_cityscapes"
ERICSSON = "Ericsson et al. (2021), ssl-transfer"
BSCD = "Guo et al. (2020), cdfsl-benchmark"
CONTRAST_LANDMARK = "cvl-umass/contrast-landmark"
IMAGENET_C = "Hendrycks and Dietterich (2019), their code"
ALEXNET = "AlexNet on ImageNet-C: several public evaluators, the same digits"
NATURAL_ADVERSARIAL = "Hendrycks et al. (2021), natural-adv-examples"

_VIEWS = "tests/published/test_views.py::"
_PRETRAINING = "tests/published/test_pretraining.py::"
_PREDICTION = "tests/published/test_prediction.py::"
_IN_BATCH = "tests/published/test_in_batch.py::"
_CLASSIFICATION = "tests/published/test_classification.py::"
_DENSE = "tests/published/test_dense.py::"
_RECIPES = "tests/published/test_recipes.py::"
_WEIGHTS = "tests/transfer/detection/test_initial_weights.py::"
_SETTINGS = "tests/cli/test_pretrain.py::test_published_settings"

_ROBUSTNESS = "tests/published/test_robustness.py::"

_ABLATION = "tests/cli/test_pretrain.py::test_ablation_of_islam_varies_one_thing"

_POLICIES = "instdisc/data/views/published_policies.py"
_VIEW_SETS = "instdisc/data/views/view_sets.py"
_PHOTOMETRIC = "instdisc/data/views/photometric.py"
_FRAMES = "instdisc/data/views/frames.py"
_DISTORTION = "instdisc/data/segments/distortion.py"
_SEGMENT_POLICY = "instdisc/data/segments/policy.py"
_OBJECT_POLICY = "instdisc/data/objects/policy.py"

VIEWS = [
    Value(
        "smallest share of a crop",
        *(_POLICIES, "_MOCO: Scale = («0.2», 1.0)", "0.08", MOCO),
        f"{_VIEWS}test_policy[moco_v2]",
    ),
    Value(
        "jitter of MoCo v2, brightness",
        *(_POLICIES, "return ColorJitter(«0.4», 0.4, 0.4, 0.1, p=0.8)", "0.8", MOCO),
        f"{_VIEWS}test_policy[moco_v2]",
    ),
    Value(
        "jitter of MoCo v2, contrast",
        *(_POLICIES, "return ColorJitter(0.4, «0.4», 0.4, 0.1, p=0.8)", "0.2", MOCO),
        f"{_VIEWS}test_policy[zhao_frc]",
    ),
    Value(
        "jitter of MoCo v2, saturation",
        *(_POLICIES, "return ColorJitter(0.4, 0.4, «0.4», 0.1, p=0.8)", "0.2", MOCO),
        f"{_VIEWS}test_policy[islam_strong]",
    ),
    Value(
        "jitter of MoCo v2, hue",
        *(_POLICIES, "return ColorJitter(0.4, 0.4, 0.4, «0.1», p=0.8)", "0.4", MOCO),
        f"{_VIEWS}test_policy[moco_v2]",
    ),
    Value(
        "jitter of MoCo v2, chance",
        *(_POLICIES, "return ColorJitter(0.4, 0.4, 0.4, 0.1, p=«0.8»)", "1.0", MOCO),
        f"{_VIEWS}test_policy[moco_v2]",
    ),
    Value(
        "grey of MoCo v2, chance",
        *(_POLICIES, "RandomGrayscale(«0.2»), _blur(size, 0.5))", "0.1", MOCO),
        f"{_VIEWS}test_policy[moco_v2]",
    ),
    Value(
        "jitter of MoCo v1, hue",
        *(_POLICIES, "RandomGrayscale(0.2), ColorJitter(0.4, 0.4, 0.4, «0.4», p=1.0)", "0.1", MOCO),
        f"{_VIEWS}test_policy[moco_v1]",
    ),
    Value(
        "jitter of MoCo v1, chance",
        *(_POLICIES, "RandomGrayscale(0.2), ColorJitter(0.4, 0.4, 0.4, 0.4, p=«1.0»)", "0.8", MOCO),
        f"{_VIEWS}test_policy[moco_v1]",
    ),
    Value(
        "blur, smallest sigma at 224 pixels",
        *(_POLICIES, "GaussianBlur(«0.1» * side / published", "0.2", MOCO),
        f"{_VIEWS}test_policy[zhao_frcgb]",
    ),
    Value(
        "blur, largest sigma at 224 pixels",
        *(_POLICIES, "* side / published, «2.0» * side / published, p=p)", "0.2", MOCO),
        f"{_VIEWS}test_policy[moco_v2]",
    ),
    Value(
        "blur, side that it was published at",
        *(_POLICIES, "published: int = «224»", "256", MOCO),
        f"{_VIEWS}test_policy[moco_v2]",
    ),
    Value(
        "blur, chance",
        *(_POLICIES, "RandomGrayscale(0.2), _blur(size, «0.5»))", "1.0", MOCO),
        f"{_VIEWS}test_policy[moco_v2]",
    ),
    Value(
        "InstDisc on CIFAR, hue",
        *(_POLICIES, "[ColorJitter(0.4, 0.4, 0.4, «0.4», p=1.0), RandomGrayscale(0.2)]", "0.1", WU),
        f"{_VIEWS}test_policy[instdisc_cifar]",
    ),
    Value(
        "InstDisc on CIFAR, chance of jitter",
        *(_POLICIES, "[ColorJitter(0.4, 0.4, 0.4, 0.4, p=«1.0»), RandomGrayscale(0.2)]", "0.8", WU),
        f"{_VIEWS}test_policy[instdisc_cifar]",
    ),
    Value(
        "InstDisc on CIFAR, flip",
        *(_POLICIES, "colours, flip=«0.0»)", "0.5", WU),
        f"{_VIEWS}test_policy[instdisc_cifar]",
    ),
    Value(
        "SimCLR, smallest share of a crop",
        *(_POLICIES, "_SIMCLR: Scale = («0.08», 1.0)", "0.2", SIMCLR),
        f"{_VIEWS}test_policy[simclr]",
    ),
    Value(
        "SimCLR, jitter",
        *(_POLICIES, "for share in («0.8», 0.8, 0.8, 0.2)", "0.4", SIMCLR),
        f"{_VIEWS}test_policy[simclr]",
    ),
    Value(
        "SimCLR, hue",
        *(_POLICIES, "for share in (0.8, 0.8, 0.8, «0.2»)", "0.1", SIMCLR),
        f"{_VIEWS}test_policy[simclr]",
    ),
    Value(
        "SimCLR, chance of jitter",
        *(_POLICIES, "(0.8, 0.8, 0.8, 0.2)), p=«0.8»)", "1.0", SIMCLR),
        f"{_VIEWS}test_policy[simclr]",
    ),
    Value(
        "SimCLR, chance of grey",
        *(_POLICIES, "[jitter, RandomGrayscale(«0.2»), *blur]", "0.1", SIMCLR),
        f"{_VIEWS}test_policy[simclr]",
    ),
    Value(
        "SimCLR, chance of blur",
        *(
            _POLICIES,
            '"simclr": lambda size: _simclr(size, 1.0, _blur(size, «0.5»))',
            "1.0",
            SIMCLR,
        ),
        f"{_VIEWS}test_policy[simclr]",
    ),
    Value(
        "SimCLR on CIFAR, strength of jitter",
        *(_POLICIES, '"simclr_cifar": lambda size: _simclr(size, «0.5»)', "1.0", SIMCLR),
        f"{_VIEWS}test_policy[simclr_cifar]",
    ),
    Value(
        "SupCon on CIFAR, chance of grey",
        *(
            _POLICIES,
            '"supcon_cifar": …, RandomGrayscale(«0.2»)',
            "0.1",
            KHOSLA,
        ),
        f"{_VIEWS}test_policy[supcon_cifar]",
    ),
    Value(
        "BYOL, saturation",
        *(_POLICIES, "ColorJitter(0.4, 0.4, «0.2», 0.1, p=0.8)", "0.4", BYOL),
        f"{_VIEWS}test_policy[byol_first]",
    ),
    Value(
        "BYOL, hue",
        *(_POLICIES, "ColorJitter(0.4, 0.4, 0.2, «0.1», p=0.8)", "0.2", BYOL),
        f"{_VIEWS}test_policy[byol_second]",
    ),
    Value(
        "BYOL, chance of grey",
        *(_POLICIES, "ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8), RandomGrayscale(«0.2»)", "0.1", BYOL),
        f"{_VIEWS}test_policy[byol_first]",
    ),
    Value(
        "BYOL, first view, chance of blur",
        *(_POLICIES, "[*_byol_colours(), _blur(size, «1.0»)]", "0.5", BYOL),
        f"{_VIEWS}test_policy[byol_first]",
    ),
    Value(
        "BYOL, second view, chance of blur",
        *(_POLICIES, "[*_byol_colours(), _blur(size, «0.1»), RandomSolarize(0.2)]", "0.5", BYOL),
        f"{_VIEWS}test_policy[byol_second]",
    ),
    Value(
        "BYOL, second view, chance of solarisation",
        *(_POLICIES, "_blur(size, 0.1), RandomSolarize(«0.2»)]", "0.5", BYOL),
        f"{_VIEWS}test_policy[byol_second]",
    ),
    Value(
        "MoCo v3 for ViTs, crops",
        *(
            _POLICIES,
            '"moco_v3_first": …(size, «_SIMCLR»)',
            "_MOCO",
            MOCO_V3,
        ),
        f"{_VIEWS}test_policy[moco_v3_first]",
    ),
    Value(
        "MoCo v3 for ResNets, crops",
        *(
            _POLICIES,
            '"moco_v3_resnet_second": …(size, «_MOCO»)',
            "_SIMCLR",
            MOCO_V3,
        ),
        f"{_VIEWS}test_policy[moco_v3_resnet_second]",
    ),
    Value(
        "DINO, smallest share of a large crop",
        *(_POLICIES, "_DINO: Scale = («0.4», 1.0)", "0.14", DINO),
        f"{_VIEWS}test_policy[dino_first]",
    ),
    Value(
        "DINO, largest share of a small crop",
        *(_POLICIES, "_DINO_SMALL: Scale = (0.05, «0.4»)", "0.14", DINO),
        f"{_VIEWS}test_policy[dino_small]",
    ),
    Value(
        "DINO, smallest share of a small crop",
        *(_POLICIES, "_DINO_SMALL: Scale = («0.05», 0.4)", "0.08", DINO),
        f"{_VIEWS}test_policy[dino_small]",
    ),
    Value(
        "DINO of ResNets, smallest share of a large crop",
        *(_POLICIES, "_DINO_RESNET: Scale = («0.14», 1.0)", "0.25", DINO),
        f"{_VIEWS}test_policy[dino_resnet_second]",
    ),
    Value(
        "DINO of ResNets, largest share of a small crop",
        *(_POLICIES, "_DINO_RESNET_SMALL: Scale = (0.05, «0.14»)", "0.4", DINO),
        f"{_VIEWS}test_policy[dino_resnet_small]",
    ),
    Value(
        "DINO, chance of blur in small views",
        *(_POLICIES, "_blur(size, «0.5», published=96)", "1.0", DINO),
        f"{_VIEWS}test_policy[dino_small]",
    ),
    Value(
        "DINO, side of a small view at the published blur",
        *(_POLICIES, "_blur(size, 0.5, published=«96»)", "224", DINO),
        f"{_VIEWS}test_policy[dino_small]",
    ),
    Value(
        "DINO, number of small views",
        *(
            _POLICIES,
            '"dino_second"), "dino_small", num_small=«8»)',
            "6",
            DINO,
        ),
        f"{_VIEWS}test_views_of_a_set[dino]",
    ),
    Value(
        "DINO of ResNets, number of small views",
        *(_POLICIES, '"dino_resnet_small", num_small=«8»', "6", DINO),
        f"{_VIEWS}test_views_of_a_set[dino_resnet]",
    ),
    Value(
        "BYOL, second of its views",
        *(_POLICIES, '"byol": ViewSet(("byol_first", "«byol_second»"))', "byol_first", BYOL),
        f"{_VIEWS}test_views_of_a_set[byol]",
    ),
    Value(
        "Barlow Twins, second of its views",
        *(
            _POLICIES,
            '"barlow_twins": ViewSet(("byol_first", "«byol_second»"))',
            "byol_first",
            BARLOW,
        ),
        f"{_VIEWS}test_views_of_a_set[barlow_twins]",
    ),
    Value(
        "VICReg, second of its views",
        *(_POLICIES, '"vicreg": ViewSet(("byol_first", "«byol_second»"))', "byol_first", VICREG),
        f"{_VIEWS}test_views_of_a_set[vicreg]",
    ),
    Value(
        "DINO, side of a small view",
        *(_VIEW_SETS, "scaled(image_size, «3 / 7», _to_patches)", "1 / 2", DINO),
        f"{_VIEWS}test_views_of_a_set[dino]",
    ),
    Value(
        "multi-crop, side of a small view",
        *(_VIEW_SETS, "small_size: ImageSize = «96»", "112", "Caron et al. (2020)"),
        f"{_VIEWS}test_multi_crop",
    ),
    Value(
        "shape of crops, widest",
        *(_FRAMES, "_SHAPES = (math.log(3 / 4), math.log(«4 / 3»))", "3 / 2", "torchvision"),
        f"{_VIEWS}test_crops_are_between_3_to_4_and_4_to_3_in_ten_tries",
    ),
    Value(
        "tries of a crop",
        *(_FRAMES, "_TRIES = «10»", "1", "torchvision"),
        f"{_VIEWS}test_crops_are_between_3_to_4_and_4_to_3_in_ten_tries",
    ),
    Value(
        "side of test images before the square of Islam et al. is cut",
        *("instdisc/transfer/linear/grid.py", "resize=scaled(size, «1.15», int)", "1.14", ISLAM),
        f"{_VIEWS}test_the_view_of_tests",
    ),
    Value(
        "distortion, brightness",
        *(_DISTORTION, "brightness: float = «32 / 255»", "0.5", MMSEG),
        f"{_VIEWS}test_distortion",
    ),
    Value(
        "distortion, contrast",
        *(_DISTORTION, "contrast: float = «0.5»", "0.4", MMSEG),
        f"{_VIEWS}test_distortion",
    ),
    Value(
        "distortion, hue",
        *(_DISTORTION, "hue: float = «18 / 180»", "18 / 360", MMSEG),
        f"{_VIEWS}test_distortion",
    ),
    Value(
        "distortion, chance of each step",
        *(_DISTORTION, "happens = draws.chance(«0.5»)", "0.8", MMSEG),
        f"{_VIEWS}test_distortion",
    ),
    Value(
        "distortion, chance of the early contrast",
        *(_DISTORTION, "first = draws.chance(«0.5»)", "0.9", MMSEG),
        f"{_VIEWS}test_distortion",
    ),
    Value(
        "distortion, order of contrast",
        *(_DISTORTION, "(images * «early»[:, None]).clamp(0, 1)", "late", MMSEG),
        f"{_VIEWS}test_distortion_comes_in_its_order",
    ),
    Value(
        "segmentation, smallest scale",
        *(_SEGMENT_POLICY, "scale: Sequence[float] = («0.5», 2.0)", "0.75", MMSEG),
        f"{_VIEWS}test_crops_to_segment",
    ),
    Value(
        "segmentation, crops drawn again",
        *(_SEGMENT_POLICY, "_TRIES = 1 + «10»", "9", MMSEG),
        f"{_VIEWS}test_crops_to_segment",
    ),
    Value(
        "detection, shortest side in training",
        *(_OBJECT_POLICY, "VOC_SHORT_SIDES = tuple(range(«480», 801, 32))", "448", MOCO_DETECTION),
        f"{_VIEWS}test_sizes_to_detect",
    ),
    Value(
        "detection, step of sides in training",
        *(_OBJECT_POLICY, "VOC_SHORT_SIDES = tuple(range(480, 801, «32»))", "64", MOCO_DETECTION),
        f"{_VIEWS}test_sizes_to_detect",
    ),
    Value(
        "detection, longest side",
        *(_OBJECT_POLICY, "longest_side: int = «1333»", "1300", DETECTRON2),
        f"{_VIEWS}test_sizes_to_detect",
    ),
]

_MOCO = "instdisc/methods/moco.py"
_JOINT = "instdisc/methods/joint.py"
_SUPCON = "instdisc/methods/supcon.py"
_SCHEDULE = "instdisc/methods/training/schedule.py"
_MOCO_V2 = (
    f"{_PRETRAINING}test_moco_and_exemplar[v2-0.2-3-cosine-MoCoModule-InstanceDiscriminationLoss]"
)
_EXEMPLAR_V1 = f"{_PRETRAINING}test_moco_and_exemplar[v1-0.07-1-step-ExemplarModule-ExemplarLoss]"

PRETRAINING = [
    Value(
        "MoCo v1, temperature",
        *(_MOCO, '"v1": _Defaults(«0.07», "linear", "step")', "0.2", MOCO),
        _EXEMPLAR_V1,
    ),
    Value(
        "MoCo v2, temperature",
        *(_MOCO, '"v2": _Defaults(«0.2», "mlp", "cosine")', "0.07", MOCO),
        _MOCO_V2,
    ),
    Value(
        "MoCo v1, projector",
        *(_MOCO, '"v1": _Defaults(0.07, "«linear»", "step")', "mlp", MOCO),
        _EXEMPLAR_V1,
    ),
    Value(
        "MoCo v2, schedule",
        *(_MOCO, '"v2": _Defaults(0.2, "mlp", "«cosine»")', "step", MOCO),
        _MOCO_V2,
    ),
    Value("MoCo, queue", _MOCO, "queue_size: int = «65536»", "16384", MOCO, _MOCO_V2),
    Value(
        "MoCo, momentum of the encoder", _MOCO, " momentum: float = «0.999»", "0.99", MOCO, _MOCO_V2
    ),
    Value("MoCo, learning rate", _MOCO, "learning_rate: float = «0.03»", "0.3", MOCO, _MOCO_V2),
    Value("MoCo, weight decay", _MOCO, "weight_decay: float = «1e-4»", "1e-5", MOCO, _MOCO_V2),
    Value("MoCo, momentum of SGD", _MOCO, "sgd_momentum: float = «0.9»", "0.8", MOCO, _MOCO_V2),
    Value(
        "MoCo, first milestone",
        _MOCO,
        "milestones: Sequence[float] = («0.6», 0.8)",
        "0.5",
        MOCO,
        _MOCO_V2,
    ),
    Value("MoCo, width of keys", _MOCO, "projection_dim: int = «128»", "256", MOCO, _MOCO_V2),
    Value("MoCo, groups of batch norm", _MOCO, "batch_norm_groups: int = «8»", "4", MOCO, _MOCO_V2),
    Value(
        "momentum of the encoder by default",
        *("instdisc/models/momentum.py", "momentum: float = «0.999»", "0.99", MOCO),
        f"{_PRETRAINING}test_momentum_encoder_moves_by_a_thousandth",
    ),
    Value(
        "supervised, learning rate",
        *("instdisc/methods/supervised.py", "learning_rate: float = «0.1»", "0.01"),
        "chosen, as is usual; Zhao et al. (2021) do not state it",
        f"{_PRETRAINING}test_supervised",
    ),
    Value(
        "step schedule, factor",
        *(_SCHEDULE, 'float(f"«1e»-', "5e", MOCO),
        f"{_PRETRAINING}test_schedules",
    ),
    Value(
        "warm-up, first share of the rate",
        *(_SCHEDULE, "WARMUP_START = «0.01»", "0.001", ISLAM),
        f"{_PRETRAINING}test_schedules",
    ),
    Value(
        "SupCon, temperature",
        _SUPCON,
        "temperature: float = «0.07»",
        "0.1",
        ISLAM,
        f"{_PRETRAINING}test_supcon",
    ),
    Value(
        "SupCon, queue",
        _SUPCON,
        "queue_size: int = «64000»",
        "65536",
        ISLAM,
        f"{_PRETRAINING}test_supcon",
    ),
    Value(
        "SupCon, enqueues first",
        _SUPCON,
        "enqueue_first=«True»",
        "False",
        ISLAM,
        f"{_PRETRAINING}test_supcon",
    ),
    Value(
        "SupCon, learning rate",
        _SUPCON,
        "learning_rate: float = «0.02»",
        "0.03",
        ISLAM,
        f"{_PRETRAINING}test_supcon",
    ),
    Value(
        "SupCon, warm-up",
        _SUPCON,
        "warmup: float = «0.0125»",
        "0.025",
        ISLAM,
        f"{_PRETRAINING}test_supcon",
    ),
    Value(
        "SupCon, images of the rate",
        _SUPCON,
        "reference_batch: int | None = «64»",
        "256",
        ISLAM,
        f"{_PRETRAINING}test_supcon",
    ),
    Value(
        "CE+SelfSupCon, weight of the contrast",
        *(_JOINT, "contrast_weight: float = «0.5», negatives", "1.0", ISLAM),
        f"{_PRETRAINING}test_cross_entropy_and_moco",
    ),
    Value(
        "CE+SelfSupCon, temperature",
        *(_JOINT, "class CrossEntropyMoCoModule(…temperature: float = «0.07»", "0.2", ISLAM),
        f"{_PRETRAINING}test_cross_entropy_and_moco",
    ),
    Value(
        "CE+SelfSupCon, queue",
        *(_JOINT, "class CrossEntropyMoCoModule(…queue_size: int = «64000»", "65536", ISLAM),
        f"{_PRETRAINING}test_cross_entropy_and_moco",
    ),
    Value(
        "CE+SelfSupCon, learning rate",
        *(_JOINT, "class CrossEntropyMoCoModule(…learning_rate: float = «0.02»", "0.03", ISLAM),
        f"{_PRETRAINING}test_cross_entropy_and_moco",
    ),
    Value(
        "CE+SupCon, weight of the contrast",
        *(_JOINT, "supcon_weight: float = «0.2»", "0.5", ISLAM),
        f"{_PRETRAINING}test_cross_entropy_and_supcon",
    ),
    Value(
        "SupCon+SelfSupCon, weight of the self-supervised term",
        *(_JOINT, "contrast_weight: float = «0.5», supcon_weight", "1.0", ISLAM),
        f"{_PRETRAINING}test_supcon_and_moco",
    ),
    Value(
        "SupCon+SelfSupCon, weight of the supervised term",
        *(_JOINT, "supcon_weight: float = «1.0»", "0.5", ISLAM),
        f"{_PRETRAINING}test_supcon_and_moco",
    ),
    Value(
        "SupCon+SelfSupCon, temperature",
        *(_JOINT, "class SupConMoCoModule(…temperature: float = «0.07»", "0.1", ISLAM),
        f"{_PRETRAINING}test_supcon_and_moco",
    ),
    Value(
        "queue, label of a random key",
        *("instdisc/types.py", "UNKNOWN_LABEL = «-1»", "0", ISLAM),
        f"{_PRETRAINING}test_projector_and_queue",
    ),
]

_SIMCLR_MODULE = "instdisc/methods/simclr.py"
_SUPCON_IN_BATCH = "instdisc/methods/in_batch_supcon.py"
_NNCLR = "instdisc/methods/nnclr.py"

IN_BATCH = [
    Value(
        "SimCLR, temperature",
        *(_SIMCLR_MODULE, "temperature: float = «0.1»", "0.5", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SimCLR, learning rate",
        *(_SIMCLR_MODULE, "learning_rate: float = «0.3»", "0.1", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SimCLR, images of the rate",
        *(_SIMCLR_MODULE, "reference_batch: int | None = «256»", "512", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SimCLR, weight decay",
        *(_SIMCLR_MODULE, " weight_decay: float = «1e-4»", "1e-6", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SimCLR, what decays",
        *(_SIMCLR_MODULE, 'decay: Decay = "«weights»"', "all", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SimCLR, optimiser",
        *(_SIMCLR_MODULE, 'optimizer: OptimizerName = "«lars»"', "sgd", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SimCLR, warm-up",
        *(_SIMCLR_MODULE, "warmup: float = «0.1»", "0.01", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SimCLR, width of projections",
        *(_SIMCLR_MODULE, "projection_dim: int = «128»", "256", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SimCLR, views that pass together",
        *(_SIMCLR_MODULE, "join_views: bool = «True»", "False", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SimCLR, last norm",
        *(_SIMCLR_MODULE, 'last_norm="«scale»"', "affine", SIMCLR),
        f"{_IN_BATCH}test_simclr[SimCLRModule-InstanceDiscriminationLoss]",
    ),
    Value(
        "SupCon in a batch, temperature",
        *(_SUPCON_IN_BATCH, "temperature: float = «0.1»", "0.07", KHOSLA),
        f"{_IN_BATCH}test_supcon_in_batch",
    ),
    Value(
        "SupCon in a batch, learning rate times T / 0.07",
        *(_SUPCON_IN_BATCH, "learning_rate: float = «0.714»", "0.5", KHOSLA),
        f"{_IN_BATCH}test_supcon_in_batch",
    ),
    Value(
        "SupCon in a batch, images of the rate",
        *(_SUPCON_IN_BATCH, "reference_batch: int | None = «1024»", "256", KHOSLA),
        f"{_IN_BATCH}test_supcon_in_batch",
    ),
    Value(
        "SupCon in a batch, weight decay over T / 0.07",
        *(_SUPCON_IN_BATCH, " weight_decay: float = «7e-5»", "1e-4", KHOSLA),
        f"{_IN_BATCH}test_supcon_in_batch",
    ),
    Value(
        "SupCon in a batch, warm-up",
        *(_SUPCON_IN_BATCH, "warmup: float = «0.01»", "0.1", KHOSLA),
        f"{_IN_BATCH}test_supcon_in_batch",
    ),
    Value(
        "SupCon in a batch, width of projections",
        *(_SUPCON_IN_BATCH, "projection_dim: int = «128»", "256", KHOSLA),
        f"{_IN_BATCH}test_supcon_in_batch",
    ),
    Value(
        "SupCon in a batch, views that pass together",
        *(_SUPCON_IN_BATCH, "join_views: bool = «True»", "False", KHOSLA),
        f"{_IN_BATCH}test_supcon_in_batch",
    ),
    Value(
        "NNCLR, temperature",
        *(_NNCLR, "temperature: float = «0.1»", "0.2", NNCLR),
        f"{_IN_BATCH}test_nnclr",
    ),
    Value(
        "NNCLR, queue",
        *(_NNCLR, "queue_size: int = «98304»", "65536", NNCLR),
        f"{_IN_BATCH}test_nnclr",
    ),
    Value(
        "NNCLR, learning rate",
        *(_NNCLR, "learning_rate: float = «0.3»", "0.4", NNCLR),
        f"{_IN_BATCH}test_nnclr",
    ),
    Value(
        "NNCLR, weight decay",
        *(_NNCLR, " weight_decay: float = «1e-6»", "1e-4", NNCLR),
        f"{_IN_BATCH}test_nnclr",
    ),
    Value(
        "NNCLR, warm-up",
        *(_NNCLR, "warmup: float = «0.01»", "0.1", NNCLR),
        f"{_IN_BATCH}test_nnclr",
    ),
    Value(
        "NNCLR, hidden width",
        *(_NNCLR, "hidden_dim: int = «2048»", "4096", NNCLR),
        f"{_IN_BATCH}test_nnclr",
    ),
    Value(
        "NNCLR, width of projections",
        *(_NNCLR, "projection_dim: int = «256»", "128", NNCLR),
        f"{_IN_BATCH}test_nnclr",
    ),
    Value(
        "NNCLR, hidden width of the predictor",
        *(_NNCLR, "predictor_dim: int = «4096»", "2048", NNCLR),
        f"{_IN_BATCH}test_nnclr",
    ),
]

_LINEAR = "instdisc/transfer/linear/"
_TUNER = "instdisc/transfer/finetuning/"
_EPISODES = "instdisc/data/episodes.py"
_EPISODE_TRAINING = "instdisc/transfer/few_shot/finetune.py"


def _byol(what: str, text: str, wrong: str) -> Value:
    file = "instdisc/methods/byol.py"
    return Value(f"BYOL, {what}", file, text, wrong, BYOL, f"{_PREDICTION}test_byol")


def _simsiam(what: str, text: str, wrong: str) -> Value:
    file = "instdisc/methods/simsiam.py"
    return Value(f"SimSiam, {what}", file, text, wrong, SIMSIAM, f"{_PREDICTION}test_simsiam")


def _moco_v3(what: str, text: str, wrong: str, kind: str = "") -> Value:
    file = "instdisc/methods/moco_v3.py"
    return Value(f"MoCo v3, {what}", file, text, wrong, MOCO_V3, f"{_PREDICTION}test_moco_v3{kind}")


PREDICTION = [
    _byol("learning rate", "learning_rate: float = «0.2»", "0.3"),
    _byol("weight decay", "weight_decay: float = «1.5e-6»", "1e-6"),
    _byol("momentum", " momentum: float = «0.996»", "0.99"),
    _byol("last momentum", "final_momentum: float | None = «1.0»", "None"),
    _byol("warm-up", "warmup: float = «0.01»", "0.0"),
    _byol("hidden width", "hidden_dim: int = «4096»", "2048"),
    _byol("width of projections", "projection_dim: int = «256»", "128"),
    _moco_v3("momentum", " momentum: float = «0.99»", "0.996"),
    _moco_v3("last momentum", "final_momentum: float | None = «1.0»", "None"),
    _moco_v3("hidden width", "hidden_dim: int = «4096»", "2048"),
    _moco_v3("width of projections", "projection_dim: int = «256»", "128"),
    _moco_v3("temperature", '_Defaults(«1.0», "lars"', "0.2"),
    _moco_v3("learning rate", '"lars", «0.3», 1e-6', "0.6"),
    _moco_v3("weight decay", '"lars", 0.3, «1e-6»', "1.5e-6"),
    _moco_v3("decay", '"lars", 0.3, 1e-6, "«weights»"', "all"),
    _moco_v3("warm-up", '"weights", «10» / 300', "40"),
    _moco_v3("hidden layers of the projector", '10 / 300, «1», "none"', "2"),
    _moco_v3("norm of predictions", '10 / 300, 1, "«none»"', "plain"),
    _moco_v3("temperature with ViTs", '_Defaults(«0.2», "adamw"', "1.0", "_of_vits"),
    _moco_v3("learning rate with ViTs", '"adamw", «1.5e-4», 0.1', "1e-4", "_of_vits"),
    _moco_v3("weight decay with ViTs", '"adamw", 1.5e-4, «0.1»', "0.05", "_of_vits"),
    _moco_v3("decay with ViTs", '"adamw", 1.5e-4, 0.1, "«all»"', "weights", "_of_vits"),
    _moco_v3("warm-up with ViTs", '"all", «40» / 300', "10", "_of_vits"),
    _moco_v3("hidden layers of the projector with ViTs", '40 / 300, «2», "plain"', "1", "_of_vits"),
    _moco_v3("norm of predictions with ViTs", '40 / 300, 2, "«plain»"', "none", "_of_vits"),
    _simsiam("learning rate", "learning_rate: float = «0.05»", "0.03"),
    _simsiam("weight decay", "weight_decay: float = «1e-4»", "1e-6"),
    _simsiam("warm-up", "warmup: float = «0.0»", "0.01"),
    _simsiam("images of the rate", "reference_batch: int | None = «256»", "128"),
    _simsiam("width of projections", "projection_dim: int = «2048»", "256"),
    _simsiam("layers of the projector", "projector_layers: int = «3»", "2"),
    _simsiam("width between the layers of the predictor", "bottleneck_dim: int = «512»", "2048"),
    _simsiam("rate of the predictor", "fixed_predictor_rate: bool = «True»", "False"),
]

CLASSIFICATION = [
    Value(
        "grid, learning rates",
        *(f"{_LINEAR}grid.py", "for learning_rate in (0.01, «0.001»)", "0.0001", ISLAM),
        f"{_CLASSIFICATION}test_grid[evaluate_linear_grid]",
    ),
    Value(
        "grid, batches",
        *(f"{_LINEAR}grid.py", "for batch_size in («128», 32)", "256", ISLAM),
        f"{_CLASSIFICATION}test_grid[evaluate_linear_grid]",
    ),
    Value(
        "grid, weight decays",
        *(f"{_LINEAR}grid.py", "for weight_decay in (0.0, 1e-4, «1e-5»)", "1e-3", ISLAM),
        f"{_CLASSIFICATION}test_grid[finetune]",
    ),
    Value(
        "grid, epochs to tune",
        *(f"{_LINEAR}grid.py", "tune_epochs: int = «20»", "10", ISLAM),
        f"{_CLASSIFICATION}test_grid[evaluate_linear_grid]",
    ),
    Value(
        "grid, epochs",
        *(f"{_LINEAR}grid.py", " epochs: int = «50»", "100", ISLAM),
        f"{_CLASSIFICATION}test_grid[evaluate_linear_grid]",
    ),
    Value(
        "grid, first milestone",
        *(f"{_LINEAR}grid.py", "milestones: Sequence[float] = («0.5», 0.75)", "1 / 3", ISLAM),
        f"{_CLASSIFICATION}test_grid_training",
    ),
    Value(
        "grid, second milestone",
        *(f"{_LINEAR}grid.py", "milestones: Sequence[float] = (0.5, «0.75»)", "2 / 3", ISLAM),
        f"{_CLASSIFICATION}test_grid_tuning",
    ),
    Value(
        "CE+SupCon on mini-ImageNet, weight",
        *(
            "instdisc/cli/recipes/ablations/islam/mini_ce_supcon.yaml",
            "supcon_weight: «0.2»",
            "0.5",
        ),
        *(ISLAM, f"{_ABLATION}[mini_ce_supcon]"),
    ),
    Value(
        "grid, augmentation",
        *(f"{_LINEAR}grid.py", 'policy=view_policy("«islam_weak»"', "islam_strong", ISLAM),
        f"{_CLASSIFICATION}test_grid_training",
    ),
    Value(
        "grid, share of the images to tune on",
        *("instdisc/transfer/tuning.py", "TUNING_SHARE = «0.7»", "0.8", ISLAM),
        f"{_CLASSIFICATION}test_the_tuning_split_takes_70_percent",
    ),
    Value(
        "linear heads, momentum of SGD",
        *(f"{_LINEAR}heads.py", "_MOMENTUM = «0.9»", "0.0", ISLAM),
        f"{_CLASSIFICATION}test_heads_step_as_sgd_with_momentum_does",
    ),
    Value(
        "linear heads, factor at a milestone",
        *(f"{_LINEAR}heads.py", "scale = «0.1» **", "0.2", ISLAM),
        f"{_CLASSIFICATION}test_rates_of_heads_fall_tenfold",
    ),
    Value(
        "linear heads, batch norm by default",
        *(f"{_LINEAR}heads.py", "batch_norm: bool = «True»", "False", ISLAM),
        f"{_CLASSIFICATION}test_grid_training",
    ),
    Value(
        "MoCo's readoff, learning rate",
        *(f"{_LINEAR}moco.py", "learning_rate: float = «30.0»", "3.0", MOCO),
        f"{_CLASSIFICATION}test_moco_training",
    ),
    Value(
        "MoCo's readoff, batch",
        *(f"{_LINEAR}moco.py", "batch_size: int = «256»", "128", MOCO),
        f"{_CLASSIFICATION}test_moco_training",
    ),
    Value(
        "MoCo's readoff, epochs",
        *(f"{_LINEAR}moco.py", "epochs: int = «100»", "50", MOCO),
        f"{_CLASSIFICATION}test_moco_training",
    ),
    Value(
        "MoCo's readoff, first milestone",
        *(f"{_LINEAR}moco.py", "(«3 * epochs // 5», 4 * epochs // 5)", "epochs // 2", MOCO),
        f"{_CLASSIFICATION}test_moco_training",
    ),
    Value(
        "MoCo's readoff, spread of the first weights",
        *(f"{_LINEAR}moco.py", "spread=«0.01»", "0.1", MOCO),
        f"{_CLASSIFICATION}test_moco_training",
    ),
    Value(
        "MoCo's readoff, weight decay",
        *(f"{_LINEAR}moco.py", "Recipe(learning_rate, batch_size, «0.0»)", "1e-4", MOCO),
        f"{_CLASSIFICATION}test_moco_training",
    ),
    Value(
        "MoCo's readoff, smallest share of a crop",
        *(f"{_LINEAR}moco.py", "scale=(«0.08», 1.0)", "0.2", MOCO),
        f"{_CLASSIFICATION}test_moco_training",
    ),
    Value(
        "logistic readout, number of penalties",
        *(f"{_LINEAR}regression.py", "for i in range(«45»))", "44", ERICSSON),
        f"{_CLASSIFICATION}test_readout",
    ),
    Value(
        "logistic readout, weakest penalty",
        *(f"{_LINEAR}regression.py", "10.0 ** («-6» + 11 * i / 44)", "-5", ERICSSON),
        f"{_CLASSIFICATION}test_readout",
    ),
    Value(
        "logistic readout, share to validate",
        *(f"{_LINEAR}regression.py", "_VALIDATED_ON = «0.2»", "0.1", ERICSSON),
        f"{_CLASSIFICATION}test_readout",
    ),
    Value(
        "fine-tuning, momentum",
        *(f"{_TUNER}module.py", "momentum=«0.9»", "0.0", ISLAM),
        f"{_CLASSIFICATION}test_fine_tuning",
    ),
    Value(
        "fine-tuning, first milestone",
        *(f"{_TUNER}module.py", "max(1, self.epochs // «2»)", "3", ISLAM),
        f"{_CLASSIFICATION}test_fine_tuning",
    ),
    Value(
        "fine-tuning, second milestone",
        *(f"{_TUNER}module.py", "self.epochs * «3 // 4»", "2 // 3", ISLAM),
        f"{_CLASSIFICATION}test_fine_tuning",
    ),
    Value(
        "fine-tuning, augmentation",
        *(f"{_TUNER}finetune.py", 'view_policy("«islam_weak»"', "islam_strong", ISLAM),
        f"{_CLASSIFICATION}test_fine_tuning_views",
    ),
    Value(
        "fine-tuning, epochs",
        *(f"{_TUNER}finetune.py", " epochs: int = «50»", "20", ISLAM),
        f"{_CLASSIFICATION}test_grid[finetune]",
    ),
    Value(
        "fine-tuning, epochs between tests",
        *(f"{_TUNER}finetune.py", "test_every: int = «5»", "1", ISLAM),
        f"{_CLASSIFICATION}test_fine_tuning_views",
    ),
    Value(
        "few-shot, shots of Islam et al.",
        *(_EPISODES, "ways=5, shots=(1, 5, «20», 50), queries=15", "25", ISLAM),
        f"{_CLASSIFICATION}test_episodes",
    ),
    Value(
        "few-shot, queries of BSCD-FSL",
        *(_EPISODES, "shots=(5, 20, 50), queries=«15»", "16", BSCD),
        f"{_CLASSIFICATION}test_episodes",
    ),
    Value(
        "few-shot, ways by default",
        *(
            "instdisc/transfer/few_shot/frozen.py",
            "def evaluate_few_shot(…ways: int = «5»",
            "20",
            ISLAM,
        ),
        f"{_CLASSIFICATION}test_episodes",
    ),
    Value(
        "few-shot, episodes by default",
        *(
            "instdisc/transfer/few_shot/frozen.py",
            "episodes: int | Episodes = «600»",
            "1000",
            ISLAM,
        ),
        f"{_CLASSIFICATION}test_episodes",
    ),
    Value(
        "few-shot, C of the regression",
        *("instdisc/transfer/few_shot/frozen.py", "strength: float = «1.0»", "10.0", ISLAM),
        f"{_CLASSIFICATION}test_episode_classifier",
    ),
    Value(
        "few-shot, features of unit length",
        *("instdisc/transfer/few_shot/frozen.py", "normalize: bool = «True»", "False", ISLAM),
        f"{_CLASSIFICATION}test_episode_classifier",
    ),
    Value(
        "BSCD-FSL's training, epochs",
        *(_EPISODE_TRAINING, "epochs: int = «100»", "50", BSCD),
        f"{_CLASSIFICATION}test_episode_trainings",
    ),
    Value(
        "BSCD-FSL's training, batch",
        *(_EPISODE_TRAINING, "batch_size: int = «4»", "5", BSCD),
        f"{_CLASSIFICATION}test_episode_trainings",
    ),
    Value(
        "BSCD-FSL's training, dampening",
        *(_EPISODE_TRAINING, "dampening: float = «0.9»", "0.0", BSCD),
        f"{_CLASSIFICATION}test_episode_trainings",
    ),
    Value(
        "BSCD-FSL's training, weight decay",
        *(_EPISODE_TRAINING, "weight_decay: float = «1e-3»", "1e-4", BSCD),
        f"{_CLASSIFICATION}test_episode_trainings",
    ),
    Value(
        "Islam et al.'s training of episodes, batch",
        *(_EPISODE_TRAINING, "ISLAM_RECIPE = EpisodeRecipe(100, «12»", "4", ISLAM),
        f"{_CLASSIFICATION}test_episode_trainings",
    ),
    Value(
        "kNN, neighbours",
        *("instdisc/transfer/knn.py", "def evaluate_knn(…k: int = «20»", "200"),
        "Caron et al. (2021), DINO",
        f"{_CLASSIFICATION}test_neighbours",
    ),
    Value(
        "kNN, temperature",
        *("instdisc/transfer/knn.py", "temperature: float = «0.07»", "0.1"),
        "Caron et al. (2021), DINO",
        f"{_CLASSIFICATION}test_neighbours",
    ),
    Value(
        "calibration error, bins",
        *(
            "instdisc/metrics/classification.py",
            "hits: Tensor, *, num_bins: int = «15»",
            "10",
            ISLAM,
        ),
        f"{_CLASSIFICATION}test_calibration_has_15_bins",
    ),
]

_DETECTION = "instdisc/transfer/detection/"
_TRAINING = f"{_DENSE}test_detection_training"
_MODULE = f"{_DETECTION}module.py"
_RECIPE = f"{_DETECTION}recipe.py"
_HEADS = f"{_DETECTION}roi_heads.py"
_PROPOSALS = f"{_DETECTION}proposals.py"

DETECTION = [
    Value(
        "learning rate", _MODULE, "learning_rate: float = «0.02»", "0.01", MOCO_DETECTION, _TRAINING
    ),
    Value("momentum of SGD", _MODULE, "momentum: float = «0.9»", "0.8", DETECTRON2, _TRAINING),
    Value("weight decay", _MODULE, "weight_decay: float = «1e-4»", "5e-4", DETECTRON2, _TRAINING),
    Value("weight decay of norms", _MODULE, '"weight_decay": «0.0»', "1e-4", DETECTRON2, _TRAINING),
    Value("warm-up", _MODULE, "warmup: int = «100»", "1000", MOCO_DETECTION, _TRAINING),
    Value(
        "batches of precise batch norm",
        _MODULE,
        "precise_batches: int = «200»",
        "100",
        MOCO_DETECTION,
        _TRAINING,
    ),
    Value(
        "kind of batch norm", _MODULE, 'norm: Norm = "«sync»"', "frozen", MOCO_DETECTION, _TRAINING
    ),
    Value(
        "parts of the backbone that stay",
        _MODULE,
        "freeze_parts: int = «0»",
        "2",
        MOCO_DETECTION,
        _TRAINING,
    ),
    Value(
        "VOC07, iterations",
        *(_RECIPE, "VOC07_RECIPE = DetectionRecipe(«9_000»", "18_000", ZHAO),
        f"{_DENSE}test_detection_schedules",
    ),
    Value(
        "VOC07, first milestone",
        *(
            _RECIPE,
            "VOC07_RECIPE = DetectionRecipe(9_000, 16, 0.02, («6_000», 8_000)",
            "6_750",
            ZHAO,
        ),
        f"{_DENSE}test_detection_schedules",
    ),
    Value(
        "VOC07+12, milestones",
        *(_RECIPE, "0.02, (18_000, «22_000»)", "21_000", MOCO_DETECTION),
        f"{_DENSE}test_detection_schedules",
    ),
    Value(
        "COCO 1x, iterations",
        *(_RECIPE, "COCO_1X_RECIPE = DetectionRecipe(«90_000»", "180_000", MOCO_DETECTION),
        f"{_DENSE}test_detection_schedules",
    ),
    Value(
        "COCO 2x, milestones",
        *(_RECIPE, "0.02, («120_000», 160_000)", "100_000", MOCO_DETECTION),
        f"{_DENSE}test_detection_schedules",
    ),
    Value(
        "first share of the rate in the warm-up",
        *(_RECIPE, "_WARMUP_START = «1e-3»", "1e-2", DETECTRON2),
        f"{_DENSE}test_detection_schedules",
    ),
    Value(
        "C4, proposals before suppression in training",
        *(
            f"{_DETECTION}neck_c4.py",
            "ProposalCounts(«12000», 2000, 6000, 1000)",
            "6000",
            DETECTRON2,
        ),
        f"{_DENSE}test_detector[c4-counts0]",
    ),
    Value(
        "C4, proposals of a test",
        *(
            f"{_DETECTION}neck_c4.py",
            "ProposalCounts(12000, 2000, 6000, «1000»)",
            "300",
            DETECTRON2,
        ),
        f"{_DENSE}test_detector[c4-counts0]",
    ),
    Value(
        "FPN, proposals before suppression in training",
        *(
            f"{_DETECTION}neck_fpn.py",
            "ProposalCounts(«2000», 1000, 1000, 1000)",
            "1000",
            DETECTRON2,
        ),
        f"{_DENSE}test_detector[fpn-counts1]",
    ),
    Value(
        "C4, sizes of anchors",
        *(
            f"{_DETECTION}neck_c4.py",
            "anchor_sizes = ((«32», 64, 128, 256, 512),)",
            "16",
            DETECTRON2,
        ),
        f"{_DENSE}test_detector[c4-counts0]",
    ),
    Value(
        "FPN, sizes of anchors",
        *(
            f"{_DETECTION}neck_fpn.py",
            "anchor_sizes = ((32,), (64,), (128,), (256,), («512»,))",
            "500",
        ),
        *(DETECTRON2, f"{_DENSE}test_detector[fpn-counts1]"),
    ),
    Value(
        "ratios of anchors",
        *(f"{_DETECTION}anchors.py", "RATIOS = («0.5», 1.0, 2.0)", "0.4", DETECTRON2),
        f"{_DENSE}test_detector[c4-counts0]",
    ),
    Value(
        "regions of an image",
        *(f"{_DETECTION}detector.py", "regions_per_image: int = «512»", "256", DETECTRON2),
        f"{_DENSE}test_detector[c4-counts0]",
    ),
    Value(
        "detections of an image",
        *(f"{_DETECTION}detector.py", "max_detections: int = «100»", "300", DETECTRON2),
        f"{_DENSE}test_detector[c4-counts0]",
    ),
    Value(
        "score of a detection",
        *(f"{_DETECTION}detector.py", "min_score: float = «0.05»", "0.5", DETECTRON2),
        f"{_DENSE}test_detector[c4-counts0]",
    ),
    Value(
        "proposals, anchors sampled",
        *(_PROPOSALS, "_SAMPLES, _POSITIVE = «256», 128", "512", DETECTRON2),
        f"{_DENSE}test_thresholds_of_training",
    ),
    Value(
        "proposals, overlap of background",
        *(_PROPOSALS, "_LOW, _HIGH, _NMS = «0.3», 0.7, 0.7", "0.5", DETECTRON2),
        f"{_DENSE}test_thresholds_of_training",
    ),
    Value(
        "proposals, overlap of an object",
        *(_PROPOSALS, "_LOW, _HIGH, _NMS = 0.3, «0.7», 0.7", "0.6", DETECTRON2),
        f"{_DENSE}test_thresholds_of_training",
    ),
    Value(
        "proposals, overlap of suppression",
        *(_PROPOSALS, "_LOW, _HIGH, _NMS = 0.3, 0.7, «0.7»", "0.5", DETECTRON2),
        f"{_DENSE}test_thresholds_of_training",
    ),
    Value(
        "regions, overlap of an object",
        *(_HEADS, "_MASK_WIDTH = «0.5», 0.25, 0.5, 256", "0.6", DETECTRON2),
        f"{_DENSE}test_thresholds_of_training",
    ),
    Value(
        "regions, share of foreground",
        *(_HEADS, "_MASK_WIDTH = 0.5, «0.25», 0.5, 256", "0.5", DETECTRON2),
        f"{_DENSE}test_thresholds_of_training",
    ),
    Value(
        "detections, overlap of suppression",
        *(_HEADS, "_MASK_WIDTH = 0.5, 0.25, «0.5», 256", "0.3", DETECTRON2),
        f"{_DENSE}test_thresholds_of_test",
    ),
    Value(
        "width of the mask head",
        *(_HEADS, "_MASK_WIDTH = 0.5, 0.25, 0.5, «256»", "128", DETECTRON2),
        f"{_DENSE}test_regions_of_c4",
    ),
    Value(
        "weights of the offsets of regions",
        *(f"{_DETECTION}boxes.py", "ROI_WEIGHTS = («10.0», 10.0, 5.0, 5.0)", "1.0", DETECTRON2),
        f"{_DENSE}test_weights_of_offsets",
    ),
    Value(
        "largest growth of a box",
        *(f"{_DETECTION}boxes.py", "math.log(«1000 / 16»)", "100", DETECTRON2),
        f"{_DENSE}test_weights_of_offsets",
    ),
    Value(
        "side that is read from the map of stride 16",
        *(f"{_DETECTION}align.py", "_CANONICAL_LEVEL = «224», 2", "256", DETECTRON2),
        f"{_DENSE}test_levels_of_the_pyramid",
    ),
    Value(
        "width of the pyramid's vectors",
        *(f"{_DETECTION}neck_fpn.py", "_MASK_CELLS = 256, «1024», 7, 14", "512", DETECTRON2),
        f"{_DENSE}test_heads_of_the_pyramid",
    ),
    Value(
        "cells of a region for boxes",
        *(f"{_DETECTION}neck_fpn.py", "_MASK_CELLS = 256, 1024, «7», 14", "5", DETECTRON2),
        f"{_DENSE}test_heads_of_the_pyramid",
    ),
    Value(
        "cells of a region before layer4",
        *(f"{_DETECTION}last_stage.py", "_BINS = «14»", "7", MOCO_DETECTION),
        f"{_DENSE}test_regions_of_c4",
    ),
    Value(
        "first weights of the class scores",
        *(_HEADS, "nn.init.normal_(self.classes.weight, std=«0.01»)", "0.1", DETECTRON2),
        f"{_WEIGHTS}test_c4[heads.classes]",
    ),
    Value(
        "first weights of the box regressor",
        *(_HEADS, "nn.init.normal_(self.boxes.weight, std=«0.001»)", "0.01", DETECTRON2),
        f"{_WEIGHTS}test_c4[heads.boxes]",
    ),
    Value(
        "first weights of the mask scores",
        *(_HEADS, "mask_fcn_logits.weight, std=«0.001»)", "0.01", DETECTRON2),
        f"{_WEIGHTS}test_c4[heads.masks.mask_fcn_logits]",
    ),
    Value(
        "first weights of the pyramid's box head",
        *(
            f"{_DETECTION}neck_fpn.py",
            "nn.init.kaiming_uniform_(layer.weight, a=«1»)",
            "5**0.5",
            DETECTRON2,
        ),
        f"{_WEIGHTS}test_pyramid[neck.box_head.fc6]",
    ),
]

DETECTION += [
    Value(
        "mean of images, without a word of the backbone",
        *("instdisc/types.py", "mean: tuple[float, float, float] = («0.485», 0.456, 0.406)", "0.5"),
        *(DETECTRON2, _TRAINING),
    ),
    Value(
        "deviation of images, without a word of the backbone",
        *("instdisc/types.py", "std: tuple[float, float, float] = (0.229, «0.224», 0.225)", "0.5"),
        *(DETECTRON2, _TRAINING),
    ),
]

_SEGMENTER = "instdisc/transfer/segmentation/module.py"
_NETWORK = "instdisc/transfer/segmentation/network.py"
_SEGMENTATION = f"{_DENSE}test_segmentation_training"
_LANDMARKS = f"{_DENSE}test_landmark_training"

SEGMENTATION_AND_LANDMARKS = [
    Value(
        "learning rate", _SEGMENTER, "learning_rate: float = «0.01»", "0.02", ZHAO, _SEGMENTATION
    ),
    Value("momentum of SGD", _SEGMENTER, " momentum: float = «0.9»", "0.8", MMSEG, _SEGMENTATION),
    Value("power of poly", _SEGMENTER, "power: float = «0.9»", "1.0", MMSEG, _SEGMENTATION),
    Value(
        "milestones",
        _SEGMENTER,
        "milestones: Sequence[float] = (0.7, «0.9»)",
        "0.8",
        MOCO,
        _SEGMENTATION,
    ),
    Value(
        "auxiliary weight",
        *(_SEGMENTER, "loss = loss + «self.auxiliary» * pixel_loss", "1.0", MMSEG),
        f"{_DENSE}test_auxiliary_loss_is_weighed",
    ),
    Value(
        "pixels that the pyramid reaches",
        *(_NETWORK, "round(«96» / output_stride)", "64", "Chen et al. (2017)"),
        f"{_DENSE}test_pyramid_of_deeplab",
    ),
    Value(
        "width of the head",
        *(_NETWORK, "def deeplab_head(…width: int = «256», dropout", "512", "torchvision"),
        f"{_DENSE}test_pyramid_of_deeplab",
    ),
    Value(
        "poly, when no power is given",
        *(
            "instdisc/transfer/segmentation/schedule.py",
            "power: float = «0.9», least",
            "1.0",
            MMSEG,
        ),
        f"{_DENSE}test_segmentation_schedules",
    ),
    Value(
        "id of an ignored pixel",
        *("instdisc/types.py", "IGNORED_CLASS = «255»", "254", "Cordts et al. (2016)"),
        f"{_DENSE}test_classes_of_cityscapes",
    ),
    Value(
        "landmarks, learning rate",
        *("instdisc/transfer/landmarks/module.py", " learning_rate: float = «1e-3»", "1e-4"),
        *(CONTRAST_LANDMARK, _LANDMARKS),
    ),
    Value(
        "landmarks, weight decay",
        *("instdisc/transfer/landmarks/module.py", "weight_decay: float = «5e-4»", "1e-4"),
        *(CONTRAST_LANDMARK, _LANDMARKS),
    ),
    Value(
        "landmarks, epochs",
        *("instdisc/transfer/landmarks/fit.py", "epochs: int = «120»", "60", CONTRAST_LANDMARK),
        _LANDMARKS,
    ),
    Value(
        "landmarks, batch",
        *("instdisc/transfer/landmarks/fit.py", "batch_size: int = «32»", "64", CONTRAST_LANDMARK),
        _LANDMARKS,
    ),
    Value(
        "heat maps, cells of 64 in a sigma",
        *(
            "instdisc/transfer/landmarks/heads.py",
            "max(height, width) / «32»)",
            "64",
            "Xiao et al. (2018)",
        ),
        f"{_DENSE}test_heatmaps_are_two_cells_wide_in_64",
    ),
]

_YAML = "instdisc/cli/recipes/"


def _recipe(what: str, name: str, text: str, wrong: str, source: str) -> Value:
    room, _, stem = name.partition("/")
    of_both_papers = room == "pretrain" and stem.startswith(("moco_v1", "moco_v2", "exempl", "isl"))
    guard = f"{_SETTINGS}[{stem}]" if of_both_papers else f"{_RECIPES}test_recipe[{name}]"
    return Value(what, f"{_YAML}{name}.yaml", text, wrong, source, guard)


RECIPES = [
    _recipe("MoCo v2, batch", "pretrain/moco_v2", "global_batch: «256»", "512", MOCO),
    _recipe("MoCo v2, rate", "pretrain/moco_v2", "learning_rate: «0.03»", "0.06", MOCO),
    _recipe("MoCo v2, epochs", "pretrain/moco_v2", "max_epochs: «200»", "800", MOCO),
    _recipe("MoCo v2, temperature", "pretrain/moco_v2", "temperature: «0.2»", "0.07", MOCO),
    _recipe("MoCo v1, temperature", "pretrain/moco_v1", "temperature: «0.07»", "0.2", MOCO),
    _recipe("MoCo v1, views", "pretrain/moco_v1", "policy: «moco_v1»", "moco_v2", MOCO),
    _recipe("exemplar v2, queue", "pretrain/exemplar_v2", "queue_size: «65536»", "16384", ZHAO),
    _recipe("exemplar v1, schedule", "pretrain/exemplar_v1", "schedule: «step»", "cosine", ZHAO),
    _recipe("CE, batch", "pretrain/islam_imagenet_ce", "global_batch: «1536»", "256", ISLAM),
    _recipe(
        "CE, views", "pretrain/islam_imagenet_ce", "policy: «islam_weak»", "islam_strong", ISLAM
    ),
    _recipe("CE, epochs", "pretrain/islam_imagenet_ce", "max_epochs: «400»", "90", ISLAM),
    _recipe(
        "SupCon, groups", "pretrain/islam_imagenet_supcon", "batch_norm_groups: «24»", "8", ISLAM
    ),
    _recipe(
        "CE+SelfSupCon on ImageNet, weight",
        "pretrain/islam_imagenet_ce_selfsupcon",
        *("contrast_weight: «0.5»", "2.0", ISLAM),
    ),
    _recipe(
        "CE+SelfSupCon on mini-ImageNet, weight",
        "pretrain/islam_mini_ce_selfsupcon",
        *("contrast_weight: «2.0»", "0.5", ISLAM),
    ),
    _recipe(
        "SupCon+SelfSupCon on mini-ImageNet, weight",
        "pretrain/islam_mini_supcon_selfsupcon",
        *("contrast_weight: «1.0»", "0.5", ISLAM),
    ),
    _recipe(
        "mini-ImageNet, queue", "pretrain/islam_mini_supcon", "queue_size: «16384»", "65536", ISLAM
    ),
    _recipe(
        "mini-ImageNet, rate", "pretrain/islam_mini_ce", "learning_rate: «0.01»", "0.02", ISLAM
    ),
    _recipe(
        "mini-ImageNet, warm-up", "pretrain/islam_mini_ce", "warmup: «0.0166667»", "0.05", ISLAM
    ),
    _recipe(
        *("tiered-ImageNet, queue", "pretrain/islam_tiered_supcon", "queue_size: «44928»"),
        *("65536", ISLAM),
    ),
    _recipe(
        *("tiered-ImageNet, epochs", "pretrain/islam_tiered_ce", "max_epochs: «500»", "300", ISLAM)
    ),
    _recipe(
        *("ImageNet-100, batch", "pretrain/islam_imagenet100_selfsupcon", "global_batch: «768»"),
        *("1536", ISLAM),
    ),
    _recipe("VOC07, milestones", "detection/voc07", "milestones: [6000, «8000»]", "8500", ZHAO),
    _recipe(
        "VOC07+12, iterations", "detection/voc0712", "iterations: «24000»", "18000", MOCO_DETECTION
    ),
    _recipe("COCO, warm-up", "detection/coco_1x", "warmup: «1000»", "100", DETECTRON2),
    _recipe("COCO, sides", "detection/coco_2x", "short_sides: [«640», 672", "480", MOCO_DETECTION),
    _recipe(
        "VOC, rate of ssl-transfer",
        "detection/ssl_transfer_voc0712_fpn",
        *("learning_rate: «0.0025»", "0.02", ERICSSON),
    ),
    _recipe(
        "DeepLab, auxiliary weight",
        "segmentation/cityscapes_deeplab",
        "auxiliary: «0.4»",
        "0.5",
        MMSEG,
    ),
    _recipe(
        "DeepLab, decay",
        "segmentation/cityscapes_deeplab",
        "weight_decay: «5.0e-4»",
        "1.0e-4",
        MMSEG,
    ),
    _recipe(
        "DeepLab, least rate", "segmentation/cityscapes_deeplab", "least_rate: «0.01»", "0.0", MMSEG
    ),
    _recipe("DeepLab, share", "segmentation/cityscapes_deeplab", "max_share: «0.75»", "1.0", MMSEG),
    _recipe(
        "DeepLab, steps", "segmentation/cityscapes_deeplab", "max_steps: «40000»", "80000", ZHAO
    ),
    _recipe(
        "DeepLab, crop", "segmentation/cityscapes_deeplab", "crop_size: [512, «1024»]", "512", ZHAO
    ),
    _recipe("FCN, crop", "segmentation/cityscapes_fcn_moco", "crop_size: «769»", "512", MOCO),
    _recipe("MAFL, crop", "landmarks/mafl", "margin: «-0.212»", "-0.1", CONTRAST_LANDMARK),
    _recipe("MAFL, epochs", "landmarks/mafl", "max_epochs: «120»", "200", CONTRAST_LANDMARK),
]

_FURTHER: list[tuple[str, str, dict[str, str]]] = [
    (
        "instdisc",
        WU,
        {
            "global_batch: «256»": "512",
            " estimator: «nce»": "softmax",
            " num_negatives: «4096»": "65536",
            " schedule: «step»": "cosine",
            " policy: «instdisc»": "moco_v2",
        },
    ),
    (
        "instdisc_resnet18",
        WU,
        {"learning_rate: «0.03»": "0.1", " bank_momentum: «0.5»": "0.0"},
    ),
    (
        "simsiam",
        "Chen and He (2021), SimSiam, their code",
        {
            "global_batch: «512»": "256",
            " learning_rate: «0.05»": "0.03",
            " fixed_predictor_rate: «true»": "false",
            " warmup: «0.0»": "0.1",
            " bottleneck_dim: «512»": "2048",
        },
    ),
    (
        "nnclr",
        "Dwibedi et al. (2021)",
        {
            "global_batch: «4096»": "512",
            " queue_size: «98304»": "65536",
            " temperature: «0.1»": "0.2",
            " weight_decay: «1.0e-6»": "1.0e-4",
        },
    ),
    (
        "simclr",
        SIMCLR,
        {
            "global_batch: «4096»": "512",
            " learning_rate: «0.3»": "0.075",
            " warmup: «0.1»": "0.01",
            " temperature: «0.1»": "0.5",
            " policy: «simclr»": "byol",
        },
    ),
    (
        "byol",
        BYOL,
        {
            "global_batch: «4096»": "512",
            " learning_rate: «0.2»": "0.45",
            " weight_decay: «1.5e-6»": "1.0e-6",
            " momentum: «0.996»": "0.99",
            " max_epochs: «1000»": "300",
        },
    ),
    (
        "moco_v3",
        MOCO_V3,
        {
            "global_batch: «4096»": "1024",
            " learning_rate: «0.3»": "0.6",
            " temperature: «1.0»": "0.2",
            " warmup: «0.0333333»": "0.1",
            " policy: «moco_v3_resnet»": "moco_v3",
        },
    ),
    (
        "moco_v3_vit_small",
        MOCO_V3,
        {
            " num_heads: «12»": "6",
            " learning_rate: «1.5e-4»": "5.0e-4",
            " weight_decay: «0.1»": "0.04",
            " warmup: «0.1333333»": "0.0333333",
            " decay: «all»": "weights",
        },
    ),
    (
        "barlow_twins",
        BARLOW,
        {
            "global_batch: «2048»": "4096",
            " learning_rate: «0.2»": "0.3",
            " bias_rate: «0.024»": "1.0",
            " redundancy_weight: «0.0051»": "0.005",
        },
    ),
    (
        "vicreg",
        VICREG,
        {
            "global_batch: «2048»": "4096",
            " learning_rate: «0.2»": "0.3",
            " covariance_weight: «1.0»": "25.0",
            " policy: «vicreg»": "simclr",
        },
    ),
    (
        "dino_vit_small",
        DINO,
        {
            "global_batch: «512»": "1024",
            " learning_rate: «5.0e-4»": "1.0e-3",
            " final_weight_decay: «0.4»": "0.04",
            " teacher_temperature: «0.04»": "0.07",
            " freeze_prototypes: «0.01»": "0.0",
            " policy: «dino»": "dino_resnet",
        },
    ),
    (
        "dino",
        DINO,
        {
            " optimizer: «sgd»": "lars",
            " weight_decay: «1.0e-4»": "1.0e-6",
            " policy: «dino_resnet»": "dino",
        },
    ),
    (
        "supcon_cifar10",
        KHOSLA,
        {
            " learning_rate: «0.714»": "0.5",
            " weight_decay: «7.0e-5»": "1.0e-4",
            "reference_batch: «1024»": "256",
            " temperature: «0.1»": "0.07",
            "policy: «supcon_cifar»": "moco_v2",
        },
    ),
]
RECIPES += [
    _recipe(f"{stem}, {text.partition(':')[0].strip()}", f"pretrain/{stem}", text, wrong, source)
    for stem, source, values in _FURTHER
    for text, wrong in values.items()
]


def _strength(corruption: str, text: str, wrong: str) -> Value:
    file = "instdisc/analysis/robustness/strengths.py"
    guard = f"{_ROBUSTNESS}test_strengths[{corruption}]"
    what = f"strength of {corruption}"
    return Value(what, file, f'"{corruption}": {text}', wrong, IMAGENET_C, guard)


def _alexnet(corruption: str, error: str) -> Value:
    return Value(
        f"AlexNet's error, {corruption}",
        "instdisc/analysis/robustness/mean_corruption_error.py",
        *(f'"{corruption}": «{error}»,', "0.5", ALEXNET, f"{_ROBUSTNESS}test_alexnet_errors"),
    )


ROBUSTNESS = [
    _strength("gaussian_noise", "((0.08,), (0.12,), («0.18»,)", "0.16"),
    _strength("shot_noise", "((60,), («25»,)", "30"),
    _strength("impulse_noise", "((0.03,), (0.06,), (0.09,), («0.17»,)", "0.15"),
    _strength("defocus_blur", "((3,), (4,), («6»,)", "5"),
    _strength("glass_blur", "((0.7, 1, 2), (0.9, «2», 1)", "1"),
    _strength("motion_blur", "((10, 3), (15, «5»)", "6"),
    _strength("zoom_blur", "((12, 0.01), («16», 0.01)", "15"),
    _strength("snow", "( (0.1, 0.3, 3, «0.5»", "0.4"),
    _strength("fog", "((1.5, 2), (2, 2), (2.5, «1.7»)", "1.8"),
    _strength("brightness", "((0.1,), («0.2»,)", "0.25"),
    _strength("contrast", "((0.4,), (0.3,), (0.2,), (0.1,), («0.05»,)", "0.1"),
    _strength("elastic_transform", "( (488, «170.8»", "17.08"),
    _strength("pixelate", "((0.6,), (0.5,), (0.4,), (0.3,), («0.25»,)", "0.2"),
    _strength("jpeg_compression", "((25,), («18»,)", "20"),
    Value(
        "view that the strengths are stated for",
        "instdisc/analysis/robustness/strengths.py",
        *("SIDE = «224»", "256", IMAGENET_C, f"{_ROBUSTNESS}test_view_of_the_strengths"),
    ),
    _alexnet("gaussian_noise", "0.886428"),
    _alexnet("shot_noise", "0.894468"),
    _alexnet("impulse_noise", "0.922640"),
    _alexnet("defocus_blur", "0.819880"),
    _alexnet("glass_blur", "0.826268"),
    _alexnet("motion_blur", "0.785948"),
    _alexnet("zoom_blur", "0.798360"),
    _alexnet("snow", "0.866816"),
    _alexnet("frost", "0.826572"),
    _alexnet("fog", "0.819324"),
    _alexnet("brightness", "0.564592"),
    _alexnet("contrast", "0.853204"),
    _alexnet("elastic_transform", "0.646056"),
    _alexnet("pixelate", "0.717840"),
    _alexnet("jpeg_compression", "0.606500"),
    Value(
        "bins of the RMS calibration error",
        "instdisc/metrics/calibration.py",
        "bin_size: int = «100») -> Tensor:",
        "50",
        NATURAL_ADVERSARIAL,
        f"{_ROBUSTNESS}test_bins_of_the_rms_calibration_error",
    ),
]

REDUNDANCY = [
    Value(
        f"{paper.partition(' ')[0]}, {text.partition(':')[0].split()[-1]}",
        file,
        text,
        wrong,
        paper,
        guard,
    )
    for file, paper, guard, values in (
        (
            "instdisc/methods/barlow_twins.py",
            "Barlow Twins, its code",
            f"{_PRETRAINING}test_barlow_twins",
            {
                "hidden_dim: int = «8192»": "2048",
                "projection_dim: int = «8192»": "2048",
                "redundancy_weight: float = «0.0051»": "0.005",
                "bias_rate: float = «0.024»": "1.0",
                'optimizer: OptimizerName = "«lars»"': "sgd",
                "learning_rate: float = «0.2»": "0.3",
                "weight_decay: float = «1e-6»": "1e-4",
                'decay: Decay = "«weights»"': "all",
                "warmup: float = «0.01»": "0.0",
                "reference_batch: int | None = «256»": "512",
            },
        ),
        (
            "instdisc/methods/vicreg.py",
            "VICReg, its code",
            f"{_PRETRAINING}test_vicreg",
            {
                "hidden_dim: int = «8192»": "2048",
                "projection_dim: int = «8192»": "2048",
                "invariance_weight: float = «25.0»": "1.0",
                "25.0, variance_weight: float = «25.0»": "1.0",
                "covariance_weight: float = «1.0»": "25.0",
                'optimizer: OptimizerName = "«lars»"': "sgd",
                "learning_rate: float = «0.2»": "0.3",
                "weight_decay: float = «1e-6»": "1e-4",
                'decay: Decay = "«weights»"': "all",
                "warmup: float = «0.01»": "0.0",
                "reference_batch: int | None = «256»": "512",
            },
        ),
    )
    for text, wrong in values.items()
]

DISTILLATION = [
    Value(
        f"DINO, {text.partition('«')[0].strip()}",
        "instdisc/methods/dino.py",
        text,
        wrong,
        DINO,
        f"tests/published/test_distillation.py::test_{guard}",
    )
    for guard, values in {
        "objective": {
            "num_views: int = «10»": "8",
            "hidden_dim: int = «2048»": "4096",
            "projection_dim: int = «256»": "128",
            "num_prototypes: int = «65536»": "4096",
            "student_temperature: float = «0.1»": "0.2",
            " teacher_temperature: float = «0.04»": "0.07",
            "center_momentum: float = «0.9»": "0.99",
            "freeze_prototypes: float = «0.01»": "0.1",
        },
        "run": {
            "clip: float | None = «3.0»": "1.0",
            " momentum: float = «0.996»": "0.999",
            "final_momentum: float | None = «1.0»": "None",
            'decay: Decay = "«weights»"': "all",
            "warmup: float = «0.1»": "0.0",
            "reference_batch: int | None = «256»": "512",
        },
        "rate_by_backbone": {
            '"adamw": _Defaults(«5e-4», 0.04, 0.4)': "1e-3",
            '"adamw": _Defaults(5e-4, «0.04», 0.4)': "0.1",
            '"adamw": _Defaults(5e-4, 0.04, «0.4»)': "0.5",
            '"sgd": _Defaults(«0.03», 1e-4, None)': "0.3",
            '"sgd": _Defaults(0.03, «1e-4», None)': "1e-6",
        },
    }.items()
    for text, wrong in values.items()
]

VALUES: list[Value] = [
    *DISTILLATION,
    *REDUNDANCY,
    *VIEWS,
    *PRETRAINING,
    *IN_BATCH,
    *PREDICTION,
    *CLASSIFICATION,
    *DETECTION,
    *SEGMENTATION_AND_LANDMARKS,
    *RECIPES,
    *ROBUSTNESS,
]
