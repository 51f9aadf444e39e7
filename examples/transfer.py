"""Measure backbones on many tasks and data sets: the command ``instdisc transfer``, as a script.

python examples/transfer.py --help
"""

import sys

from instdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["transfer", *sys.argv[1:]]))
