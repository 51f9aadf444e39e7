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
from .evaluate_corruptions import evaluate_corruptions as evaluate_corruptions
from .reliability import Reliability as Reliability
from .reliability import calibrate as calibrate
from .reliability import reliability as reliability
from .reliability import reliability_figure as reliability_figure
