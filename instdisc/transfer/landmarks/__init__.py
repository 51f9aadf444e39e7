"""Facial landmarks: where the points of a face are, as a backbone's features tell."""

from .fit import fit_landmarks as fit_landmarks
from .heads import HeatmapHead as HeatmapHead
from .heads import RegressionHead as RegressionHead
from .module import LandmarkModule as LandmarkModule
from .module import LandmarkResult as LandmarkResult
from .pictures import curve_figure as curve_figure
from .pictures import landmark_figure as landmark_figure
from .pictures import save_pictures as save_pictures
from .records import landmark_records as landmark_records
from .records import run_predictions as run_predictions
from .records import run_records as run_records
