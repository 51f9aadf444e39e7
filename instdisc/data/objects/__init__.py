"""Images with annotated objects, for detection and instance segmentation."""

from .coco import COCOObjects as COCOObjects
from .dataset import ObjectDataset as ObjectDataset
from .loader import ObjectLoader as ObjectLoader
from .module import ObjectData as ObjectData
from .opening import open_objects as open_objects
from .pennfudan import PennFudan as PennFudan
from .policy import ObjectPolicy as ObjectPolicy
from .scenes import SceneObjects as SceneObjects
from .source import JoinedObjects as JoinedObjects
from .source import ObjectSource as ObjectSource
from .source import ObjectSubset as ObjectSubset
from .splitting import split_objects as split_objects
from .voc import VOC_CLASSES as VOC_CLASSES
from .voc import VOCObjects as VOCObjects
