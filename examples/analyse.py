"""Look inside backbones: the command ``instdisc analyse``, as a script.

python examples/analyse.py --help
"""

import sys

from instdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["analyse", *sys.argv[1:]]))
