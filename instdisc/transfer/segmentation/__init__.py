"""Semantic segmentation: a dilated backbone with a head, trained together."""

from .dilation import dilate as dilate
from .inference import sliding_logits as sliding_logits
from .module import Segmenter as Segmenter
from .network import SegmentationNet as SegmentationNet
from .pictures import SegmentationPictures as SegmentationPictures
from .pictures import segments_figure as segments_figure
from .records import run_predictions as run_predictions
from .records import run_records as run_records
from .records import segmentation_records as segmentation_records
from .schedule import segmentation_rate as segmentation_rate
from .segment import segment as segment
