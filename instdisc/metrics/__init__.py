"""Predictions to numbers: pure functions under torchmetrics classes."""

from .knn import KNNAccuracy as KNNAccuracy
from .knn import knn_scores as knn_scores
