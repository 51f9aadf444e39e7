"""Images whose files lie in one larger file: Hugging Face's Arrow, Parquet, LMDB."""

from .encoded import EncodedImages as EncodedImages
from .hugging_face import HuggingFaceImages as HuggingFaceImages
from .lmdb import LMDBImages as LMDBImages
from .parquet import ParquetImages as ParquetImages
