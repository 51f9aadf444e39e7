"""The terms of a total loss, each with all it owns."""

from .barlow_twins import BarlowTwins as BarlowTwins
from .classification import Classification as Classification
from .contrast import Contrast as Contrast
from .contrast import QueueDtype as QueueDtype
from .in_batch import InBatchContrast as InBatchContrast
from .memory_bank_contrast import MemoryBankContrast as MemoryBankContrast
from .neighbour import NeighbourContrast as NeighbourContrast
from .objective import Objective as Objective
from .objective import ParameterOptions as ParameterOptions
from .objective import is_stored as is_stored
from .predicted_contrast import PredictedContrast as PredictedContrast
from .prediction import CosinePrediction as CosinePrediction
from .prediction import Prediction as Prediction
from .sampled_contrast import Estimator as Estimator
from .sampled_contrast import SampledContrast as SampledContrast
from .self_distillation import SelfDistillation as SelfDistillation
from .vicreg import VICReg as VICReg
