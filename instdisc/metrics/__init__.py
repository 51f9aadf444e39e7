"""Predictions to numbers: pure functions under torchmetrics classes."""

from .bootstrap import bootstrap_difference as bootstrap_difference
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
from .detection import DetectionMatches as DetectionMatches
from .detection import DetectionStore as DetectionStore
from .detection import ImageList as ImageList
from .detection import ImageResults as ImageResults
from .detection import RunLengths as RunLengths
from .detection import VOCAveragePrecision as VOCAveragePrecision
from .detection import VOCResult as VOCResult
from .detection import average_precisions as average_precisions
from .detection import bootstrap_average_precision as bootstrap_average_precision
from .detection import coco_average_precision as coco_average_precision
from .detection import decode_masks as decode_masks
from .detection import encode_masks as encode_masks
from .detection import score_images as score_images
from .detection import voc_average_precision as voc_average_precision
<<<<<<< HEAD
=======
from .intervals import Interval as Interval
from .intervals import t_interval as t_interval
>>>>>>> h/metrics
from .intervals import wilson_interval as wilson_interval
from .knn import KNNAccuracy as KNNAccuracy
from .knn import knn_scores as knn_scores
from .landmarks import LandmarkErrors as LandmarkErrors
from .landmarks import area_under_curve as area_under_curve
from .landmarks import cumulative_errors as cumulative_errors
from .landmarks import failure_rate as failure_rate
from .landmarks import image_errors as image_errors
from .landmarks import landmark_errors as landmark_errors
from .landmarks import mean_error as mean_error
from .landmarks import point_errors as point_errors
from .rows import ImageRows as ImageRows
from .rows import ImageTable as ImageTable
from .segmentation import SegmentationResult as SegmentationResult
from .segmentation import SegmentationScores as SegmentationScores
from .segmentation import class_iou as class_iou
from .segmentation import confusion_matrix as confusion_matrix
from .segmentation import mean_iou as mean_iou
from .segmentation import pixel_accuracy as pixel_accuracy
