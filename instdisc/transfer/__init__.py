"""What a backbone is worth on other tasks."""

from .features import Features as Features
from .features import extract_features as extract_features
from .knn import evaluate_knn as evaluate_knn
from .linear import evaluate_linear as evaluate_linear
