"""Files and generated images to batches of views."""

from .files import ImageFiles as ImageFiles
from .folders import ImageFolder as ImageFolder
from .frames import CenterCrop as CenterCrop
from .frames import RandomResizedCrop as RandomResizedCrop
from .loader import ViewLoader as ViewLoader
from .module import ViewData as ViewData
from .photometric import ColorJitter as ColorJitter
from .photometric import GaussianBlur as GaussianBlur
from .photometric import PhotometricStep as PhotometricStep
from .photometric import RandomGrayscale as RandomGrayscale
from .policies import POLICIES as POLICIES
from .policies import evaluation_policy as evaluation_policy
from .policies import view_policy as view_policy
from .scene_shapes import CATEGORIES as CATEGORIES
from .scene_shapes import FLIP_PAIRS as FLIP_PAIRS
from .scene_shapes import KEYPOINTS as KEYPOINTS
from .scenes import Scene as Scene
from .scenes import Scenes as Scenes
from .source import ImagesInMemory as ImagesInMemory
from .source import ImageSource as ImageSource
from .source import ImageSubset as ImageSubset
from .views import ViewDataset as ViewDataset
from .views import ViewPolicy as ViewPolicy
