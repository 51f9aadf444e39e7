"""Contenders for the tests of the benchmark, which its processes import."""

import os
import subprocess
import sys
import time
from pathlib import Path


def mixed(options):
    """One that works and one that does not."""

    def fails():
        raise ValueError("the first line\nthe reason")

    return {"works": lambda: print("not passed on"), "fails": fails, "limit": lambda: None}


def endless(options):
    """One that ends, and one that waits with a child for the end of time."""

    def waits():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        Path(options.pids).write_text(f"{os.getpid()} {child.pid}")
        time.sleep(1000)

    return {"quick": lambda: None, "endless": waits}


def dies(options):
    """A process that is gone at once."""
    print("the last words", flush=True)
    os._exit(3)
