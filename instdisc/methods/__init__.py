"""The pretraining methods: thin modules over one backbone, one momentum encoder and objectives."""

from .barlow_twins import BarlowTwinsModule as BarlowTwinsModule
from .byol import BYOLModule as BYOLModule
from .dino import DINOModule as DINOModule
from .exemplar import ExemplarModule as ExemplarModule
from .in_batch_exemplar import InBatchExemplarModule as InBatchExemplarModule
from .in_batch_supcon import InBatchSupConModule as InBatchSupConModule
from .joint import CrossEntropyMoCoModule as CrossEntropyMoCoModule
from .joint import CrossEntropySupConModule as CrossEntropySupConModule
from .joint import SupConMoCoModule as SupConMoCoModule
from .moco import MoCoModule as MoCoModule
from .objectives import BarlowTwins as BarlowTwins
from .objectives import Classification as Classification
from .objectives import Contrast as Contrast
from .objectives import InBatchContrast as InBatchContrast
from .objectives import Objective as Objective
from .objectives import ParameterOptions as ParameterOptions
from .objectives import Prediction as Prediction
from .objectives import SelfDistillation as SelfDistillation
from .objectives import VICReg as VICReg
from .pretrain import PretrainModule as PretrainModule
from .schedule import learning_rate_factor as learning_rate_factor
from .simclr import SimCLRModule as SimCLRModule
from .supcon import SupConModule as SupConModule
from .supervised import SupervisedModule as SupervisedModule
from .vicreg import VICRegModule as VICRegModule
