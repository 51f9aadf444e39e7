"""Pictures of a report."""

from .gallery import Gallery as Gallery
from .gallery import Media as Media
from .gallery import Picture as Picture
