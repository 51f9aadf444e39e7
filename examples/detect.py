"""Train and test a detector on a backbone: the command ``instdisc detect``, as a script.

python examples/detect.py --help
"""

import sys

from instdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["detect", *sys.argv[1:]]))
