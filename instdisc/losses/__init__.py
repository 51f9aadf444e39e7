"""Features to a scalar: what happens to the stored keys of a query's own class?"""

from .barlow_twins import barlow_twins_loss as barlow_twins_loss
from .contrastive import ContrastiveLoss as ContrastiveLoss
from .contrastive import same_class as same_class
from .distillation import distillation_loss as distillation_loss
from .eqco import EqCoLoss as EqCoLoss
from .exemplar import ExemplarLoss as ExemplarLoss
from .hard_negatives import HardNegativeLoss as HardNegativeLoss
from .in_batch import contrast_in_batch as contrast_in_batch
from .instance import InstanceDiscriminationLoss as InstanceDiscriminationLoss
from .instance import SameClassNegativesLoss as SameClassNegativesLoss
from .sampled import noise_contrast as noise_contrast
from .sampled import sampled_softmax as sampled_softmax
from .supcon import SupConLoss as SupConLoss
from .vicreg import vicreg_loss as vicreg_loss
from .with_keys import contrast_with_keys as contrast_with_keys
