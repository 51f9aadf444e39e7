"""Pictures of a report."""

from .galleries import galleries as galleries
from .gallery import Gallery as Gallery
from .gallery import Media as Media
from .gallery import Picture as Picture
