"""Average precision of detections: COCO's, by pycocotools, and PASCAL VOC's."""

from .coco import COCO_NUMBERS as COCO_NUMBERS
from .coco import COCOAveragePrecision as COCOAveragePrecision
from .coco import COCOResult as COCOResult
from .coco import coco_average_precision as coco_average_precision
from .coco import score_images as score_images
from .masks import RunLengths as RunLengths
from .masks import decode_masks as decode_masks
from .masks import encode_masks as encode_masks
from .matches import DetectionMatches as DetectionMatches
from .matches import average_precisions as average_precisions
from .matches import bootstrap_average_precision as bootstrap_average_precision
from .tables import DetectionStore as DetectionStore
from .tables import ImageList as ImageList
from .tables import ImageResults as ImageResults
from .voc import VOC_THRESHOLDS as VOC_THRESHOLDS
from .voc import VOCAveragePrecision as VOCAveragePrecision
from .voc import VOCResult as VOCResult
from .voc import voc_average_precision as voc_average_precision
