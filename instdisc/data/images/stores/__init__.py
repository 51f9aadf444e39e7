"""Sets of images that lie elsewhere, as in an object store."""

from .source import StreamedShards as StreamedShards
