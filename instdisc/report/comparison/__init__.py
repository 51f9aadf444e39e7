"""Is one method better than another? Intervals of differences, ranks, wins and gains."""

from .compare import compare as compare
from .headlines import HEADLINES as HEADLINES
from .headlines import choose_headlines as choose_headlines
from .pairs import holm as holm
from .resampling import Drawn as Drawn
from .resampling import Paired as Paired
from .resampling import paired_difference as paired_difference
from .resampling import paired_sum as paired_sum
from .samples import Sample as Sample
from .samples import Samples as Samples
from .samples import align as align
from .tables import Comparison as Comparison
from .tables import CriticalDifference as CriticalDifference
from .tables import Difference as Difference
from .tables import Gain as Gain
from .tables import Improvement as Improvement
from .tables import MeanRank as MeanRank
from .tables import Wins as Wins
