"""What the features of an image keep of it: images drawn anew from features alone."""

from .distances import image_distances as image_distances
from .evaluate import evaluate_inversion as evaluate_inversion
from .figure import inversion_figure as inversion_figure
from .invert import Inversion as Inversion
from .invert import invert as invert
from .network import SkipNetwork as SkipNetwork
from .objective import total_variation as total_variation
from .perceptual import perceptual_distance as perceptual_distance
from .recipe import DIP_RECIPE as DIP_RECIPE
from .recipe import ZHAO_RECIPE as ZHAO_RECIPE
from .recipe import PriorRecipe as PriorRecipe
from .task import INVERSION as INVERSION
