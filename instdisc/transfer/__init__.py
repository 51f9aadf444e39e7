"""What a backbone is worth on other tasks."""

import warnings

from instdisc.predictions import read_predictions as read_predictions
from instdisc.predictions import save_predictions as save_predictions

from .detection import COCO_1X_RECIPE as COCO_1X_RECIPE
from .detection import COCO_2X_RECIPE as COCO_2X_RECIPE
from .detection import VOC07_RECIPE as VOC07_RECIPE
from .detection import VOC0712_RECIPE as VOC0712_RECIPE
from .detection import DetectionModule as DetectionModule
from .detection import DetectionRecipe as DetectionRecipe
from .detection import Detector as Detector
from .detection import Evaluation as Evaluation
from .detection import Evaluator as Evaluator
from .detection import ProposalCounts as ProposalCounts
from .detection import SavedDetector as SavedDetector
from .detection import detect as detect
from .detection import detection_picture as detection_picture
from .detection import detection_records as detection_records
from .detection import export_detector as export_detector
from .detection import load_detector as load_detector
from .detection import paste_masks as paste_masks
from .detection import precise_batch_norm as precise_batch_norm
from .detection import read_results as read_results
from .detection import save_detection_pictures as save_detection_pictures
from .detection import save_detection_run as save_detection_run
from .detection import write_results as write_results
from .features import Features as Features
from .features import cached_features as cached_features
from .features import extract_features as extract_features
from .features import extract_stages as extract_stages
from .few_shot import BSCD_FSL_RECIPE as BSCD_FSL_RECIPE
from .few_shot import ISLAM_RECIPE as ISLAM_RECIPE
from .few_shot import EpisodeLogistic as EpisodeLogistic
from .few_shot import EpisodeRecipe as EpisodeRecipe
from .few_shot import evaluate_base_and_novel as evaluate_base_and_novel
from .few_shot import evaluate_few_shot as evaluate_few_shot
from .few_shot import finetune_few_shot as finetune_few_shot
from .few_shot import fit_episode_logistic as fit_episode_logistic
from .finetuning import finetune as finetune
from .intervals import bootstrap_records as bootstrap_records
from .keys import job_key as job_key
from .knn import evaluate_knn as evaluate_knn
from .landmarks import HeatmapHead as HeatmapHead
from .landmarks import LandmarkModule as LandmarkModule
from .landmarks import LandmarkResult as LandmarkResult
from .landmarks import RegressionHead as RegressionHead
from .landmarks import curve_figure as curve_figure
from .landmarks import fit_landmarks as fit_landmarks
from .landmarks import landmark_figure as landmark_figure
from .landmarks import landmark_records as landmark_records
from .linear import ISLAM_GRID as ISLAM_GRID
from .linear import PENALTIES as PENALTIES
from .linear import Readout as Readout
from .linear import Recipe as Recipe
from .linear import SoftmaxPath as SoftmaxPath
from .linear import evaluate_linear as evaluate_linear
from .linear import evaluate_linear_grid as evaluate_linear_grid
from .linear import evaluate_moco_linear as evaluate_moco_linear
from .linear import evaluate_readout as evaluate_readout
from .linear import evaluate_stages as evaluate_stages
from .linear import fit_readout as fit_readout
from .linear import fit_softmax_path as fit_softmax_path
from .linear import islam_test_policy as islam_test_policy
from .runs import run_key as run_key
from .runs import store_run as store_run
from .scores import confidence_records as confidence_records
from .scores import score_records as score_records
from .segmentation import SegmentationNet as SegmentationNet
from .segmentation import SegmentationPictures as SegmentationPictures
from .segmentation import Segmenter as Segmenter
from .segmentation import dilate as dilate
from .segmentation import segment as segment
from .segmentation import segmentation_rate as segmentation_rate
from .segmentation import segmentation_records as segmentation_records
from .segmentation import segments_figure as segments_figure
from .segmentation import sliding_logits as sliding_logits
from .suite import TASKS as TASKS
from .suite import Checkpoints as Checkpoints
from .suite import DataSets as DataSets
from .suite import Executor as Executor
from .suite import Kept as Kept
from .suite import Missing as Missing
from .suite import Processes as Processes
from .suite import SuiteRecords as SuiteRecords
from .suite import Task as Task
from .suite import run_suite as run_suite

_RENAMED = {
    "save_run": "save_detection_run",
    "save_pictures": "save_detection_pictures",
    "run_records": "detection.run_records",
}


def __getattr__(name: str) -> object:
    """Former names of what is about detection alone, for one more release."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    successor = _RENAMED[name]
    warnings.warn(
        f"instdisc.transfer.{name} is called instdisc.transfer.{successor} now; the former name "
        "goes with the next release",
        FutureWarning,
        stacklevel=2,
    )
    room, _, function = successor.rpartition(".")
    return getattr(globals()[room], function) if room else globals()[function]
