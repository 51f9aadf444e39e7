"""The terms of a total loss, each with all it owns."""

from .classification import Classification as Classification
from .contrast import Contrast as Contrast
from .contrast import QueueDtype as QueueDtype
from .memory_bank_contrast import MemoryBankContrast as MemoryBankContrast
from .objective import Objective as Objective
from .objective import ParameterOptions as ParameterOptions
from .objective import is_stored as is_stored
from .sampled_contrast import Estimator as Estimator
from .sampled_contrast import SampledContrast as SampledContrast
