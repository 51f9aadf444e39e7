"""What arguments must be, and the one form in which they are refused.

Every check takes the name by which the user gave the value, returns the value, and raises a
TypeError where it is of the wrong kind, a ValueError where it is out of range:
"`NAME` must be RULE, got VALUE. REMEDY". All of a call are checked by its signature:

- by the decorator `checked_call`, which also says what a name means everywhere;
- by `arguments` in the first line of a constructor whose frame or signature Lightning reads
  (``save_hyperparameters``, the command line). The decorator is built on it.
"""

from .arguments import arguments as arguments
from .arguments import every as every
from .calls import checked_call as checked_call
from .choices import choice as choice
from .choices import device as device
from .choices import filled as filled
from .choices import flag as flag
from .choices import instance as instance
from .choices import text as text
from .files import arrays_file as arrays_file
from .files import input_file as input_file
from .files import input_folder as input_folder
from .files import output_file as output_file
from .files import output_folder as output_folder
from .files import picture_file as picture_file
from .form import refuse as refuse
from .numbers import count as count
from .numbers import finite as finite
from .numbers import not_negative as not_negative
from .numbers import positive as positive
from .numbers import share as share
from .numbers import whole as whole
from .numbers import within as within
from .pairs import same_length as same_length
from .pairs import same_shape as same_shape
from .pixels import describe_infinite as describe_infinite
from .tensors import FLOATS as FLOATS
from .tensors import INTEGERS as INTEGERS
from .tensors import all_finite as all_finite
from .tensors import dtype as dtype
from .tensors import shape as shape
