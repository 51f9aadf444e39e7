"""Records to tables and figures."""

from .figures import results_figure as results_figure
from .records import append_records as append_records
from .records import read_records as read_records
from .table import results_table as results_table
