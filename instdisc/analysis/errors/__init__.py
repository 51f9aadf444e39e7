"""Where detectors err: TIDE, Hoiem et al., and pictures of the errors."""

from .overlaps import Overlaps as Overlaps
from .overlaps import find_overlaps as find_overlaps
from .tide import TIDE_TYPES as TIDE_TYPES
from .tide import TideResult as TideResult
from .tide import tide as tide
from .tide import tide_of as tide_of
