"""Tasks times data sets times checkpoints."""

from .run import run_suite as run_suite
from .tasks import TASKS as TASKS
