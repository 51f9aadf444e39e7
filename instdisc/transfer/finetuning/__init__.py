"""The whole backbone, or its last stages, trained on a task."""

from .finetune import finetune as finetune
from .tuned import TunedRecords as TunedRecords
