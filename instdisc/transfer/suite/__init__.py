"""Tasks times data sets times checkpoints."""

from .registry import TASKS as TASKS
from .run import Kept as Kept
from .run import Missing as Missing
from .run import SuiteRecords as SuiteRecords
from .run import run_suite as run_suite
from .sets import DataSets as DataSets
from .subjects import Checkpoints as Checkpoints
from .tasks import Task as Task
