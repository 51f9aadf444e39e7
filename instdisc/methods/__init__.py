"""The pretraining methods: thin modules over one backbone, one momentum encoder and objectives."""

from .byol import BYOLModule as BYOLModule
from .exemplar import ExemplarModule as ExemplarModule
from .joint import CrossEntropyMoCoModule as CrossEntropyMoCoModule
from .joint import CrossEntropySupConModule as CrossEntropySupConModule
from .joint import SupConMoCoModule as SupConMoCoModule
from .moco import MoCoModule as MoCoModule
from .objectives import Classification as Classification
from .objectives import Contrast as Contrast
from .objectives import CosinePrediction as CosinePrediction
from .objectives import Objective as Objective
from .objectives import ParameterOptions as ParameterOptions
from .objectives import Prediction as Prediction
from .pretrain import PretrainModule as PretrainModule
from .schedule import learning_rate_factor as learning_rate_factor
from .simsiam import SimSiamModule as SimSiamModule
from .supcon import SupConModule as SupConModule
from .supervised import SupervisedModule as SupervisedModule
