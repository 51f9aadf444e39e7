"""Records to tables, figures and comparisons."""

from instdisc.records import append_records as append_records
from instdisc.records import read_records as read_records

from .comparison import Comparison as Comparison
from .comparison import compare as compare
from .figures import results_figure as results_figure
from .model_card import write_model_card as write_model_card
from .order import sort_records as sort_records
from .page import write_report as write_report
from .published import Published as Published
from .published import published_lines as published_lines
from .published import published_values as published_values
from .table import results_table as results_table
from .written import write_table as write_table
