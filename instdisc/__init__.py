"""Pretrain visual representations and learn what they are worth."""

from .checkpoint import export_backbone as export_backbone
from .checkpoint import load_backbone as load_backbone
from .data import ImageFolder as ImageFolder
from .data import Scenes as Scenes
from .data import ViewData as ViewData
from .losses import ContrastiveLoss as ContrastiveLoss
from .losses import ExemplarLoss as ExemplarLoss
from .losses import InstanceDiscriminationLoss as InstanceDiscriminationLoss
from .losses import SupConLoss as SupConLoss
from .methods import CrossEntropyMoCoModule as CrossEntropyMoCoModule
from .methods import CrossEntropySupConModule as CrossEntropySupConModule
from .methods import ExemplarModule as ExemplarModule
from .methods import MoCoModule as MoCoModule
from .methods import PretrainModule as PretrainModule
from .methods import SupConMoCoModule as SupConMoCoModule
from .methods import SupConModule as SupConModule
from .methods import SupervisedModule as SupervisedModule
from .models import Backbone as Backbone
from .models import FeatureQueue as FeatureQueue
from .models import MomentumEncoder as MomentumEncoder
from .types import Bank as Bank
from .types import Record as Record
from .types import Views as Views
from .version import __version__ as __version__
