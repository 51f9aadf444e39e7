"""Linear classifiers on a frozen backbone."""

from .grid import ISLAM_GRID as ISLAM_GRID
from .grid import evaluate_linear_grid as evaluate_linear_grid
from .grid import islam_test_policy as islam_test_policy
from .heads import Recipe as Recipe
from .logistic import evaluate_linear as evaluate_linear
from .moco import evaluate_moco_linear as evaluate_moco_linear
from .readout import evaluate_readout as evaluate_readout
from .regression import PENALTIES as PENALTIES
from .regression import Readout as Readout
from .regression import fit_readout as fit_readout
from .softmax_path import SoftmaxPath as SoftmaxPath
from .softmax_path import fit_softmax_path as fit_softmax_path
from .stages import evaluate_stages as evaluate_stages
