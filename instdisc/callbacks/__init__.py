"""Watching a run."""

from .knn import OnlineKNN as OnlineKNN
from .monitors import ObjectiveMonitor as ObjectiveMonitor
from .monitors import Throughput as Throughput
from .pictures import ViewPictures as ViewPictures
from .probe import OnlineLinearProbe as OnlineLinearProbe
