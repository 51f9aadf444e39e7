"""Tasks times data sets times checkpoints."""

from .registry import TASKS as TASKS
from .run import Missing as Missing
from .run import SuiteRecords as SuiteRecords
from .run import run_suite as run_suite
from .tasks import Task as Task
