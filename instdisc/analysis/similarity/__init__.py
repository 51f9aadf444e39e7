"""How alike the layers of networks are."""

from .cka import biased_cka as biased_cka
from .cka import cka as cka
from .minibatch import Intervals as Intervals
from .minibatch import MinibatchCKA as MinibatchCKA
from .mutual_knn import mutual_knn as mutual_knn
from .procrustes import procrustes as procrustes
from .compare import compare_layers as compare_layers
from .figures import cka_figure as cka_figure
from .figures import similarity_figure as similarity_figure
