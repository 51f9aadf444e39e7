"""Images and their labels: folders, tables, lists, tar shards, stores, tensors."""

from .ahead import ReadAhead as ReadAhead
from .arrays import ImageArray as ImageArray
from .files import ImageFiles as ImageFiles
from .folders import ImageFolder as ImageFolder
from .formats import EncodedImages as EncodedImages
from .formats import HuggingFaceImages as HuggingFaceImages
from .formats import LMDBImages as LMDBImages
from .formats import ParquetImages as ParquetImages
from .joined import JoinedImages as JoinedImages
from .joined import join_folders as join_folders
from .memory import ImagesInMemory as ImagesInMemory
from .order import EpochOrder as EpochOrder
from .resized import resize_copy as resize_copy
from .shards import ImageShards as ImageShards
from .shards import write_shards as write_shards
from .source import ImageSource as ImageSource
from .source import ImageSubset as ImageSubset
from .splits import ImageSplit as ImageSplit
from .splits import image_names as image_names
from .splits import read_split as read_split
from .splits import split_per_class as split_per_class
from .splits import write_split as write_split
from .stores import StreamedShards as StreamedShards
from .tables import ImageTable as ImageTable
