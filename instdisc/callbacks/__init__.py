"""Watching a run."""

from .bank_knn import MemoryBankKNN as MemoryBankKNN
from .few_shot import ISLAM_VALIDATION_SETS as ISLAM_VALIDATION_SETS
from .few_shot import FewShotAccuracy as FewShotAccuracy
from .geometry import GeometryMonitor as GeometryMonitor
from .keeper import NewestCheckpoint as NewestCheckpoint
from .knn import OnlineKNN as OnlineKNN
from .monitors import ObjectiveMonitor as ObjectiveMonitor
from .monitors import Throughput as Throughput
from .pictures import ViewPictures as ViewPictures
from .probe import OnlineLinearProbe as OnlineLinearProbe
