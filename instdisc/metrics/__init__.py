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
