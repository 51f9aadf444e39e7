"""What fine-tuning gives: records, and the backbone that was trained."""

from __future__ import annotations

from collections.abc import Iterable

from instdisc.checks import checked_call
from instdisc.models import Backbone
from instdisc.types import Record


class TunedRecords(list[Record]):
    """The records of a fine-tuning.

    Attributes:
        backbone: as the training left it after the last epoch; on the CPU, in eval mode.
    """

    @checked_call()
    def __init__(self, records: Iterable[Record], backbone: Backbone) -> None:
        super().__init__(records)
        self.backbone = backbone.cpu().eval()
