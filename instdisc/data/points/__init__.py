"""Images with landmarks: where they come from, and how they become batches."""

from .celeba import CelebALandmarks as CelebALandmarks
from .dataset import PointDataset as PointDataset
from .dataset import PointFinisher as PointFinisher
from .frames import SquareFrame as SquareFrame
from .layouts import FACE_5 as FACE_5
from .layouts import FACE_68 as FACE_68
from .layouts import SCENE_5 as SCENE_5
from .layouts import PointLayout as PointLayout
from .module import LandmarkData as LandmarkData
from .opening import open_points as open_points
from .scenes import ScenePoints as ScenePoints
from .source import PointFiles as PointFiles
from .source import PointSource as PointSource
from .tables import PointTable as PointTable
