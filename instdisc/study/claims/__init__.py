"""From records to verdicts on the claims, by rules that were written before the runs."""

from .decide import decide as decide
from .differences import Pair as Pair
from .differences import paired_differences as paired_differences
from .differences import pairs_of as pairs_of
from .rules import Claim as Claim
from .rules import Measure as Measure
from .rules import Rules as Rules
from .rules import read_rules as read_rules
from .verdict import PartVerdict as PartVerdict
from .verdict import Verdict as Verdict
from .verdict import read_verdicts as read_verdicts
from .verdict import write_verdicts as write_verdicts
