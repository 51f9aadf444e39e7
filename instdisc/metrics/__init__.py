"""Predictions to numbers: pure functions under torchmetrics classes."""

from .bootstrap import Interval as Interval
from .bootstrap import bootstrap_interval as bootstrap_interval
from .classification import CalibrationError as CalibrationError
from .classification import MeanPerClassAccuracy as MeanPerClassAccuracy
from .classification import accuracy as accuracy
from .classification import calibration_error as calibration_error
from .classification import mean_per_class_accuracy as mean_per_class_accuracy
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
from .segmentation import SegmentationResult as SegmentationResult
from .segmentation import SegmentationScores as SegmentationScores
from .segmentation import class_iou as class_iou
from .segmentation import confusion_matrix as confusion_matrix
from .segmentation import mean_iou as mean_iou
from .segmentation import pixel_accuracy as pixel_accuracy
