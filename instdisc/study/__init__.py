"""The study: do the papers' findings hold where anyone can check them?"""

from .conclude import conclude as conclude
from .preset import Preset as Preset
from .preset import read_preset as read_preset
from .run import run_study as run_study
