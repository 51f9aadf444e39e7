"""``python -m instdisc.cli`` is ``instdisc``."""

import sys

from .main import main

sys.exit(main())
