"""Whether a classifier knows when it errs, and what breaks it."""

from instdisc.metrics import aurra as aurra
from instdisc.metrics import brier_score as brier_score
from instdisc.metrics import fit_temperature as fit_temperature
from instdisc.metrics import negative_log_likelihood as negative_log_likelihood
from instdisc.metrics import rms_calibration_error as rms_calibration_error

from .corruption_figure import corruption_figure as corruption_figure
from .corruption_figure import corruption_strip as corruption_strip
from .corruptions import CORRUPTIONS as CORRUPTIONS
from .corruptions import corrupt as corrupt
from .corruptions import corruptions as corruptions
from .cue_conflict import CueConflict as CueConflict
from .cue_conflict import ShapeBias as ShapeBias
from .cue_conflict import shape_bias as shape_bias
from .cue_decisions import evaluate_shape_bias as evaluate_shape_bias
from .cue_decisions import shape_bias_figure as shape_bias_figure
from .distribution_shift import evaluate_distribution_shift as evaluate_distribution_shift
from .evaluate_corruptions import evaluate_corruptions as evaluate_corruptions
from .imagenet_c import evaluate_imagenet_c as evaluate_imagenet_c
from .imagenet_c import open_imagenet_c as open_imagenet_c
from .mean_corruption_error import ALEXNET_ERRORS as ALEXNET_ERRORS
from .mean_corruption_error import corruption_errors as corruption_errors
from .mean_corruption_error import mce as mce
from .out_of_distribution import evaluate_out_of_distribution as evaluate_out_of_distribution
from .outliers import outlier_aupr as outlier_aupr
from .outliers import outlier_auroc as outlier_auroc
from .reliability import Reliability as Reliability
from .reliability import calibrate as calibrate
from .reliability import reliability as reliability
from .reliability import reliability_figure as reliability_figure
from .shifted_sets import SHIFTED_SETS as SHIFTED_SETS
from .shifted_sets import match_classes as match_classes
from .shifted_sets import open_shifted as open_shifted
from .shifted_sets import restrict_logits as restrict_logits
