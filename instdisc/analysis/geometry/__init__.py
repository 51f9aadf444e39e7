"""Classes on the sphere, rank and spectrum of features, and which number predicts transfer."""

from .collapse import variability_collapse as variability_collapse
from .decay import Decay as Decay
from .decay import alpha_req as alpha_req
from .evaluate import evaluate_geometry as evaluate_geometry
from .h_score import HScore as HScore
from .h_score import h_score as h_score
from .lidar import lidar as lidar
from .logme import LogME as LogME
from .logme import logme as logme
from .separation import ClassSeparation as ClassSeparation
from .separation import ClassSpread as ClassSpread
from .separation import class_separation as class_separation
from .separation import intra_class_spread as intra_class_spread
from .spectrum import Spectrum as Spectrum
from .spectrum import participation_ratio as participation_ratio
from .spectrum import rankme as rankme
from .spectrum import spectrum as spectrum
from .spectrum import stable_rank as stable_rank
from .sphere import Uniformity as Uniformity
from .sphere import alignment as alignment
from .sphere import silhouette as silhouette
from .sphere import uniformity as uniformity
from .transferability import evaluate_transferability as evaluate_transferability
