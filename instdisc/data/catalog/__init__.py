"""Named sets of images in their official layouts."""

from .entry import CatalogEntry as CatalogEntry
from .images import CATALOG as CATALOG
from .images import TRANSFER_SETS as TRANSFER_SETS
from .images import CatalogImages as CatalogImages
from .subsets import ClassSubset as ClassSubset
from .subsets import HeldOut as HeldOut
from .subsets import RandomSubset as RandomSubset
from .subsets import StratifiedSubset as StratifiedSubset
