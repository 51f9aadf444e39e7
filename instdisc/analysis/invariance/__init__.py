"""What a representation knows of an image, and what it does not react to."""

from .cosines import intra_category_invariance as intra_category_invariance
from .cosines import invariance as invariance
from .curves import evaluate_invariance as evaluate_invariance
from .factors import evaluate_factors as evaluate_factors
from .factors_figure import factors_figure as factors_figure
from .invariance_figure import invariance_figure as invariance_figure
from .probes import PENALTIES as PENALTIES
from .probes import FactorProbes as FactorProbes
from .probes import factor_probes as factor_probes
from .ridge import RidgePath as RidgePath
from .sources import landmark_factors as landmark_factors
from .sources import object_factors as object_factors
from .task import FACTORS as FACTORS
from .task import INVARIANCE as INVARIANCE
from .task import LANDMARK_FACTORS as LANDMARK_FACTORS
from .task import OBJECT_FACTORS as OBJECT_FACTORS
from .transforms import TRANSFORMS as TRANSFORMS
from .transforms import Transform as Transform
from .transforms import transform_images as transform_images
from .views import whole_view as whole_view
