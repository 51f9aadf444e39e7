"""Features to a scalar: what happens to the stored keys of a query's own class?"""

from .contrastive import ContrastiveLoss as ContrastiveLoss
from .contrastive import same_class as same_class
from .exemplar import ExemplarLoss as ExemplarLoss
from .in_batch import contrast_in_batch as contrast_in_batch
from .instance import InstanceDiscriminationLoss as InstanceDiscriminationLoss
from .instance import SameClassNegativesLoss as SameClassNegativesLoss
from .sampled import contrast_samples as contrast_samples
from .sampled import noise_contrast as noise_contrast
from .sampled import sampled_softmax as sampled_softmax
from .supcon import SupConLoss as SupConLoss
