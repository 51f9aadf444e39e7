"""What arguments must be, and the one form in which they are refused.

Every check takes the name by which the user gave the value, returns the value, and raises a
TypeError where it is of the wrong kind, a ValueError where it is out of range:
"`NAME` must be RULE, got VALUE. REMEDY". `arguments` checks all of a call by its signature.
"""

from .arguments import arguments as arguments
from .arguments import every as every
from .choices import choice as choice
from .choices import device as device
from .choices import flag as flag
from .choices import instance as instance
from .choices import text as text
from .form import refuse as refuse
from .numbers import count as count
from .numbers import finite as finite
from .numbers import not_negative as not_negative
from .numbers import positive as positive
from .numbers import share as share
from .numbers import whole as whole
from .tensors import FLOATS as FLOATS
from .tensors import INTEGERS as INTEGERS
from .tensors import all_finite as all_finite
from .tensors import dtype as dtype
from .tensors import shape as shape
