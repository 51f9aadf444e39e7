"""The battery that this library's tests run over every loss and method, for your own subclasses
too.
"""

from .losses import check_loss as check_loss
from .methods import check_method as check_method
from .processes import check_two_processes as check_two_processes
