"""``python -m instdisc.cli`` is ``instdisc``."""

import sys

from .main import main

if __name__ == "__main__":  # processes of MPI import the file of the command that made them
    sys.exit(main())
