"""The batteries that this library's tests run over every loss, method and source of images, for
your own subclasses too.
"""

from .losses import check_loss as check_loss
from .methods import check_method as check_method
from .processes import check_two_processes as check_two_processes
from .sources import check_source as check_source
