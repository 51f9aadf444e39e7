"""Views of images of different sizes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from instdisc import gpu
from instdisc.data import Draws, RandomResizedCrop
from instdisc.data.views.fused import cut_each as cut_file
from instdisc.data.views.fused.cut_each import cut_each

ROOT = Path(__file__).resolve().parents[3]


def test_they_are_those_that_the_frame_cuts():
    frame = RandomResizedCrop(24)
    generator = torch.Generator().manual_seed(0)
    sides = [(40, 33), (21, 50), (64, 20), (30, 70)]
    images = [
        torch.randint(0, 256, (3, *side), dtype=torch.uint8, generator=generator) for side in sides
    ]
    numbers = frame.draw(Draws(0, 0, range(4), 0)).tolist()
    boxes = torch.tensor(
        [[*frame.box(*side, own), 0.0] for side, own in zip(sides, numbers, strict=True)]
    )
    views = cut_each(images, boxes, 24)
    for view, image, own in zip(views, images, numbers, strict=True):
        assert int((view.int() - frame.cut(image, own).int()).abs().max()) <= 1
    boxes[:, 5] = 1
    assert torch.equal(cut_each(images, boxes, 24), views.flip(3))


@pytest.mark.skipif(gpu.triton is None, reason="needs Triton")
def test_the_kernel_in_the_interpreter():
    cases = Path(__file__).with_name("interpreted_cut_each.py")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", str(cases), "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"3 passed", ended.stdout), ended.stdout


@pytest.mark.skipif(gpu.triton is None, reason="needs Triton")
def test_the_kernel_compiles_for_a_gpu(monkeypatch, tmp_path):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    types = {"flat": "*u8", "places": "*i64", "boxes": "*fp32", "views": "*u8"}
    names = {**types, "num_blocks": "i32", "size": "i32", "BLOCK": "constexpr"}
    compiled = triton.compile(
        ASTSource(cut_file._cut_each, signature=names, constexprs={"BLOCK": 256}),
        target=GPUTarget("cuda", 90, 32),
        options={"num_warps": 4},
    )
    assert ".target sm_90" in compiled.asm["ptx"]
