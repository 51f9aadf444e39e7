"""Pretrain any method on any folder of images: the command ``instdisc pretrain``, as a script.

python examples/pretrain.py --help
"""

import sys

from instdisc.cli import main

if __name__ == "__main__":
    sys.exit(main(["pretrain", *sys.argv[1:]]))
