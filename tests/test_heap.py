"""What is freed stays with the process."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import torch
from instdisc.heap import keep_freed_blocks

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        blocks = [torch.zeros(8 * 2**20, dtype=torch.uint8) for _ in range(3)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

fresh = pages()
keep_freed_blocks()
pages()
print(fresh, pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it changes glibc's thresholds")
def test_freed_blocks_are_used_again():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    fresh, kept = map(int, run.stdout.split())
    assert kept < fresh / 5
