"""Predictions to numbers: pure functions under torchmetrics classes."""

from .bootstrap import Interval as Interval
from .bootstrap import bootstrap_interval as bootstrap_interval
from .classification import CalibrationError as CalibrationError
from .classification import MeanPerClassAccuracy as MeanPerClassAccuracy
from .classification import accuracy as accuracy
from .classification import calibration_error as calibration_error
from .classification import mean_per_class_accuracy as mean_per_class_accuracy
from .detection import COCO_NUMBERS as COCO_NUMBERS
from .detection import VOC_THRESHOLDS as VOC_THRESHOLDS
from .detection import COCOAveragePrecision as COCOAveragePrecision
from .detection import COCOResult as COCOResult
from .detection import DetectionStore as DetectionStore
from .detection import ImageList as ImageList
from .detection import ImageResults as ImageResults
from .detection import RunLengths as RunLengths
from .detection import VOCAveragePrecision as VOCAveragePrecision
from .detection import VOCResult as VOCResult
from .detection import coco_average_precision as coco_average_precision
from .detection import decode_masks as decode_masks
from .detection import encode_masks as encode_masks
from .detection import score_images as score_images
from .detection import voc_average_precision as voc_average_precision
from .knn import KNNAccuracy as KNNAccuracy
from .knn import knn_scores as knn_scores
