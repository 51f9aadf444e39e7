"""Images with a class for each pixel."""

from .classes import read_classes as read_classes
from .dataset import RawSegments as RawSegments
from .dataset import SegmentDataset as SegmentDataset
from .distortion import PhotometricDistortion as PhotometricDistortion
from .files import SegmentFiles as SegmentFiles
from .folder import SegmentFolder as SegmentFolder
from .layouts import CamVid as CamVid
from .layouts import Cityscapes as Cityscapes
from .layouts import VOCSegmentation as VOCSegmentation
from .module import SegmentData as SegmentData
from .opening import LAYOUTS as LAYOUTS
from .opening import open_segments as open_segments
from .policy import SegmentPolicy as SegmentPolicy
from .scenes import SceneSegments as SceneSegments
from .source import SegmentSource as SegmentSource
from .source import SegmentSubset as SegmentSubset
from .source import class_colors as class_colors
