"""Images with landmarks: where they come from, and how they become batches."""

from .celeba import CelebALandmarks as CelebALandmarks
from .dataset import LandmarkDataset as LandmarkDataset
from .dataset import LandmarkFinisher as LandmarkFinisher
from .frames import SquareFrame as SquareFrame
from .layouts import FACE_5 as FACE_5
from .layouts import FACE_68 as FACE_68
from .layouts import SCENE_5 as SCENE_5
from .layouts import LandmarkLayout as LandmarkLayout
from .module import LandmarkData as LandmarkData
from .opening import open_landmarks as open_landmarks
from .scenes import SceneLandmarks as SceneLandmarks
from .source import LandmarkFiles as LandmarkFiles
from .source import LandmarkSource as LandmarkSource
from .subset import LandmarkSplit as LandmarkSplit
from .subset import LandmarkSubset as LandmarkSubset
from .subset import split_landmarks as split_landmarks
from .tables import LandmarkTable as LandmarkTable
