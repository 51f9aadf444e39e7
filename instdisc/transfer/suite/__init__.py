"""Tasks times data sets times checkpoints."""

from .executor import Executor as Executor
from .processes import Processes as Processes
from .registry import TASKS as TASKS
from .run import run_suite as run_suite
from .sets import DataSets as DataSets
from .subjects import Checkpoints as Checkpoints
from .suite_records import Kept as Kept
from .suite_records import Missing as Missing
from .suite_records import SuiteRecords as SuiteRecords
from .tasks import Task as Task
