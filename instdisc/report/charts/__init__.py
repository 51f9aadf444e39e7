"""Records and comparisons to figures."""

from .chart import Chart as Chart
from .critical_difference import draw_critical_difference as draw_critical_difference
from .detection_errors import draw_detection_errors as draw_detection_errors
from .differences import draw_differences as draw_differences
from .draw import charts as charts
from .factors import draw_factors as draw_factors
from .few_shot import draw_shots as draw_shots
from .forest import draw_forest as draw_forest
from .landmark_error import draw_landmark_error as draw_landmark_error
from .per_class import draw_classes as draw_classes
from .predictors import draw_predictors as draw_predictors
from .reliability import draw_reliability as draw_reliability
from .shares import draw_shares as draw_shares
from .similarity import draw_similarity as draw_similarity
from .stages import draw_stages as draw_stages
from .training import draw_training as draw_training
