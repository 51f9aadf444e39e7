"""Detection and instance segmentation on a backbone: Faster and Mask R-CNN."""

import warnings

from .detect import detect as detect
from .detect import save_detection_run as save_detection_run
from .detector import Detector as Detector
from .evaluation import Evaluation as Evaluation
from .evaluation import Evaluator as Evaluator
from .export import SavedDetector as SavedDetector
from .export import export_detector as export_detector
from .export import load_detector as load_detector
from .masks import paste_masks as paste_masks
from .module import DetectionModule as DetectionModule
from .pictures import detection_picture as detection_picture
from .pictures import save_detection_pictures as save_detection_pictures
from .precise_norm import precise_batch_norm as precise_batch_norm
from .proposals import ProposalCounts as ProposalCounts
from .recipe import COCO_1X_RECIPE as COCO_1X_RECIPE
from .recipe import COCO_2X_RECIPE as COCO_2X_RECIPE
from .recipe import VOC07_RECIPE as VOC07_RECIPE
from .recipe import VOC0712_RECIPE as VOC0712_RECIPE
from .recipe import DetectionRecipe as DetectionRecipe
from .records import detection_records as detection_records
from .records import run_predictions as run_predictions
from .records import run_records as run_records
from .results import read_results as read_results
from .results import write_results as write_results

_RENAMED = {"save_run": "save_detection_run", "save_pictures": "save_detection_pictures"}


def __getattr__(name: str) -> object:
    """Former names, for one more release."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    successor = _RENAMED[name]
    warnings.warn(
        f"instdisc.transfer.detection.{name} is called {successor} now; the former name goes with "
        "the next release",
        FutureWarning,
        stacklevel=2,
    )
    return globals()[successor]
