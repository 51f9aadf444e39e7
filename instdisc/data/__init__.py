"""Files and generated images to batches of views."""

import warnings

from .catalog import CATALOG as CATALOG
from .catalog import TRANSFER_SETS as TRANSFER_SETS
from .catalog import CatalogEntry as CatalogEntry
from .catalog import CatalogImages as CatalogImages
from .catalog import ClassSubset as ClassSubset
from .catalog import HeldOut as HeldOut
from .catalog import RandomSubset as RandomSubset
from .catalog import StratifiedSubset as StratifiedSubset
from .episodes import BSCD_FSL_EPISODES as BSCD_FSL_EPISODES
from .episodes import ISLAM_EPISODES as ISLAM_EPISODES
from .episodes import EpisodeProtocol as EpisodeProtocol
from .episodes import Episodes as Episodes
from .episodes import draw_episodes as draw_episodes
from .file_formats import FORMATS as FORMATS
from .file_formats import Format as Format
from .images import EncodedImages as EncodedImages
from .images import EpochOrder as EpochOrder
from .images import HuggingFaceImages as HuggingFaceImages
from .images import ImageArray as ImageArray
from .images import ImageFiles as ImageFiles
from .images import ImageFolder as ImageFolder
from .images import ImageShards as ImageShards
from .images import ImagesInMemory as ImagesInMemory
from .images import ImageSource as ImageSource
from .images import ImageSplit as ImageSplit
from .images import ImageSubset as ImageSubset
from .images import ImageTable as ImageTable
from .images import JoinedImages as JoinedImages
from .images import LMDBImages as LMDBImages
from .images import ParquetImages as ParquetImages
from .images import ReadAhead as ReadAhead
from .images import StreamedShards as StreamedShards
from .images import image_names as image_names
from .images import join_folders as join_folders
from .images import read_split as read_split
from .images import resize_copy as resize_copy
from .images import split_per_class as split_per_class
from .images import write_shards as write_shards
from .images import write_split as write_split
from .landmarks import FACE_5 as FACE_5
from .landmarks import FACE_68 as FACE_68
from .landmarks import SCENE_5 as SCENE_5
from .landmarks import CelebALandmarks as CelebALandmarks
from .landmarks import LandmarkData as LandmarkData
from .landmarks import LandmarkDataset as LandmarkDataset
from .landmarks import LandmarkFiles as LandmarkFiles
from .landmarks import LandmarkFinisher as LandmarkFinisher
from .landmarks import LandmarkLayout as LandmarkLayout
from .landmarks import LandmarkSource as LandmarkSource
from .landmarks import LandmarkSplit as LandmarkSplit
from .landmarks import LandmarkSubset as LandmarkSubset
from .landmarks import LandmarkTable as LandmarkTable
from .landmarks import SceneLandmarks as SceneLandmarks
from .landmarks import SquareFrame as SquareFrame
from .landmarks import open_landmarks as open_landmarks
from .landmarks import split_landmarks as split_landmarks
from .layout import Layout as Layout
from .layout import kinds_of as kinds_of
from .layout import locate as locate
from .layout import open_by_layout as open_by_layout
from .loader import ViewLoader as ViewLoader
from .module import ViewData as ViewData
from .objects import VOC_CLASSES as VOC_CLASSES
from .objects import COCOObjects as COCOObjects
from .objects import JoinedObjects as JoinedObjects
from .objects import ObjectData as ObjectData
from .objects import ObjectDataset as ObjectDataset
from .objects import ObjectLoader as ObjectLoader
from .objects import ObjectPolicy as ObjectPolicy
from .objects import ObjectSource as ObjectSource
from .objects import ObjectSubset as ObjectSubset
from .objects import PennFudan as PennFudan
from .objects import SceneObjects as SceneObjects
from .objects import VOCObjects as VOCObjects
from .objects import open_objects as open_objects
from .objects import split_objects as split_objects
from .opening import open_images as open_images
from .scenes import CATEGORIES as CATEGORIES
from .scenes import FLIP_PAIRS as FLIP_PAIRS
from .scenes import KEYPOINTS as KEYPOINTS
from .scenes import Scene as Scene
from .scenes import Scenes as Scenes
from .segments import CamVid as CamVid
from .segments import Cityscapes as Cityscapes
from .segments import PhotometricDistortion as PhotometricDistortion
from .segments import SceneSegments as SceneSegments
from .segments import SegmentData as SegmentData
from .segments import SegmentDataset as SegmentDataset
from .segments import SegmentFiles as SegmentFiles
from .segments import SegmentFolder as SegmentFolder
from .segments import SegmentPolicy as SegmentPolicy
from .segments import SegmentSource as SegmentSource
from .segments import SegmentSubset as SegmentSubset
from .segments import VOCSegmentation as VOCSegmentation
from .segments import class_colors as class_colors
from .segments import open_segments as open_segments
from .sets import LAYOUTS as LAYOUTS
from .sets import open_set as open_set
from .sets import split_set as split_set
from .views import POLICIES as POLICIES
from .views import Box as Box
from .views import CenterCrop as CenterCrop
from .views import ColorJitter as ColorJitter
from .views import Draws as Draws
from .views import Frame as Frame
from .views import GaussianBlur as GaussianBlur
from .views import PhotometricStep as PhotometricStep
from .views import RandomGrayscale as RandomGrayscale
from .views import RandomResizedCrop as RandomResizedCrop
from .views import RandomSolarize as RandomSolarize
from .views import ViewDataset as ViewDataset
from .views import ViewFinisher as ViewFinisher
from .views import ViewPolicy as ViewPolicy
from .views import describe_view as describe_view
from .views import evaluation_policy as evaluation_policy
from .views import multi_crop as multi_crop
from .views import view_policies as view_policies
from .views import view_policy as view_policy
from .written import open_path as open_path

_RENAMED = {
    "PointDataset": "LandmarkDataset",
    "PointFiles": "LandmarkFiles",
    "PointFinisher": "LandmarkFinisher",
    "PointLayout": "LandmarkLayout",
    "PointSource": "LandmarkSource",
    "PointTable": "LandmarkTable",
    "ScenePoints": "SceneLandmarks",
    "open_points": "open_landmarks",
}


def __getattr__(name: str) -> object:
    """The names of release 0.1.0, for one more release."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = _RENAMED[name]
    warnings.warn(f"instdisc.data.{name} is called {new} now", DeprecationWarning, stacklevel=2)
    return globals()[new]
