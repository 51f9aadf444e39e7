"""The pretraining methods: thin modules over one backbone, one momentum encoder and objectives."""

from .exemplar import ExemplarModule as ExemplarModule
from .instdisc import InstDiscModule as InstDiscModule
from .joint import CrossEntropyMoCoModule as CrossEntropyMoCoModule
from .joint import CrossEntropySupConModule as CrossEntropySupConModule
from .joint import SupConMoCoModule as SupConMoCoModule
from .moco import MoCoModule as MoCoModule
from .objectives import Classification as Classification
from .objectives import Contrast as Contrast
from .objectives import MemoryBankContrast as MemoryBankContrast
from .objectives import Objective as Objective
from .objectives import ParameterOptions as ParameterOptions
from .objectives import SampledContrast as SampledContrast
from .pretrain import PretrainModule as PretrainModule
from .schedule import learning_rate_factor as learning_rate_factor
from .supcon import SupConModule as SupConModule
from .supervised import SupervisedModule as SupervisedModule
