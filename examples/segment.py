"""Train and test a segmentation network: the command ``instdisc segment``, as a script.

python examples/segment.py --help
"""

import sys

from instdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["segment", *sys.argv[1:]]))
