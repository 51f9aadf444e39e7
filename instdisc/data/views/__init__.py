"""Images to views: what is drawn, cut and finished."""

from .dataset import ViewDataset as ViewDataset
from .dataset import ViewPolicy as ViewPolicy
from .draws import Draws as Draws
from .finish import ViewFinisher as ViewFinisher
from .frames import Box as Box
from .frames import CenterCrop as CenterCrop
from .frames import Frame as Frame
from .frames import RandomResizedCrop as RandomResizedCrop
from .photometric import ColorJitter as ColorJitter
from .photometric import GaussianBlur as GaussianBlur
from .photometric import PhotometricStep as PhotometricStep
from .photometric import RandomGrayscale as RandomGrayscale
from .photometric import RandomSolarize as RandomSolarize
from .policies import describe_view as describe_view
from .policies import evaluation_policy as evaluation_policy
from .policies import view_policy as view_policy
from .published_policies import POLICIES as POLICIES
from .view_sets import multi_crop as multi_crop
from .view_sets import view_policies as view_policies
