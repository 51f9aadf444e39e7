"""How alike the layers of networks are."""

from .cka import biased_cka as biased_cka
from .cka import cka as cka
from .compare import compare_layers as compare_layers
from .figures import cka_figure as cka_figure
from .figures import similarity_figure as similarity_figure
from .last_stages import evaluate_last_stages as evaluate_last_stages
from .last_stages_figure import last_stages_figure as last_stages_figure
from .minibatch import Intervals as Intervals
from .minibatch import MinibatchCKA as MinibatchCKA
from .neighbours import mutual_knn as mutual_knn
from .procrustes import procrustes as procrustes
from .readout_figure import readout_figure as readout_figure
