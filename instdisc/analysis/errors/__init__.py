"""Where detectors err: TIDE, Hoiem et al., and pictures of the errors."""

from .diagnose import diagnose as diagnose
from .figures import hoiem_figure as hoiem_figure
from .figures import tide_figure as tide_figure
from .hoiem import HoiemResult as HoiemResult
from .hoiem import hoiem as hoiem
from .hoiem import hoiem_of as hoiem_of
from .overlaps import Overlaps as Overlaps
from .overlaps import find_overlaps as find_overlaps
from .pictures import error_pictures as error_pictures
from .predictions import kept_detections as kept_detections
from .ranks import HOIEM_TYPES as HOIEM_TYPES
from .records import hoiem_records as hoiem_records
from .records import tide_records as tide_records
from .similar import COCO_SUPERCATEGORIES as COCO_SUPERCATEGORIES
from .similar import VOC_GROUPS as VOC_GROUPS
from .similar import VOC_SIMILAR as VOC_SIMILAR
from .similar import similar_classes as similar_classes
from .tide import TIDE_TYPES as TIDE_TYPES
from .tide import TideResult as TideResult
from .tide import tide as tide
from .tide import tide_of as tide_of
from .tiles import error_tiles as error_tiles
