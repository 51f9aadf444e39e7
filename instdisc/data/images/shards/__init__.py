"""Images in tar files: read where they lie, and written."""

from .source import ImageShards as ImageShards
from .writing import write_shards as write_shards
