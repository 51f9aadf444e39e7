"""Detection and instance segmentation on a backbone: Faster and Mask R-CNN."""

from .detect import detect as detect
from .detect import save_run as save_run
from .detector import Detector as Detector
from .evaluation import Evaluation as Evaluation
from .evaluation import Evaluator as Evaluator
from .export import SavedDetector as SavedDetector
from .export import export_detector as export_detector
from .export import load_detector as load_detector
from .masks import paste_masks as paste_masks
from .module import DetectionModule as DetectionModule
from .pictures import detection_picture as detection_picture
from .pictures import save_pictures as save_pictures
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
