"""Train and test a landmark regressor: the command ``instdisc landmarks``, as a script.

python examples/landmarks.py --help
"""

import sys

from instdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["landmarks", *sys.argv[1:]]))
