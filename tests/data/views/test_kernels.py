"""The kernels without a GPU: in Triton's interpreter, compiled ahead, and hidden."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from instdisc import gpu
from instdisc.data import ViewFinisher, view_policy
from instdisc.data.views.fused import cut, kernels, small_kernel
from instdisc.data.views.stages import Stage, plan_stages

ROOT = Path(__file__).resolve().parents[3]
CUDA = torch.device("cuda")


def has_assembler():
    """NVIDIA's, which Triton brings along."""
    if os.environ.get("TRITON_INTERPRET"):  # then nothing is compiled
        return False
    try:
        from triton.backends.nvidia.compiler import get_ptxas

        get_ptxas(90)
    except Exception:
        return False
    return True


needs_triton = pytest.mark.skipif(gpu.triton is None, reason="needs Triton")


@needs_triton
@pytest.mark.slow
def test_the_kernels_in_the_interpreter():
    cases = sorted(str(path) for path in Path(__file__).parent.glob("interpreted_*.py"))
    assert len(cases) == 3
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *cases, "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"\d+ passed", ended.stdout), ended.stdout


COMMON = {"numbers": "*fp32", "orders": "*i32", "constants": "*fp32", "sums": "*fp32"}
STEPS = {"COLUMN": 0, "THRESHOLD": 6, "JITTER_COLUMN": 0, "BLOCK": 1024}
AFTER = {"BLUR_COLUMN": 6, "AFTER_COLUMN": 7, "AFTER_THRESHOLD": 6}  # of moco_v3_second
DOWN = {"DOWN": True, "AFTER": 3, "NORMALISES": True}
ACROSS = {"DOWN": False, "AFTER": 0, "NORMALISES": False}
BLUR = {"RADIUS": 6, "BLOCK": 512, **AFTER}


CASES = [
    (kernels.sum_grey, {"BEFORE": 0, **STEPS}, {"source": "*u8"}),
    (
        kernels.change_colours,
        {"STEPS": 9, "AFTER": 3, "NORMALISES": True, "NUM_SUMS": 64, **AFTER, **STEPS},
        {"source": "*u8", "target": "*bf16", "unblurred": "*fp16"},
    ),
    (kernels.blur, {**BLUR, **ACROSS}, {"source": "*fp16", "target": "*fp16"}),
    (kernels.blur, {**BLUR, **DOWN}, {"source": "*fp16", "target": "*bf16"}),
    (kernels.blur, {**BLUR, **DOWN}, {"source": "*fp32", "target": "*fp32"}),
    (
        small_kernel.finish_small,
        {"STEPS": 9, "BEFORE": 0, "RADIUS": 2, **AFTER, **DOWN, **STEPS, "BLOCK": 4096},
        {"source": "*u8", "target": "*bf16"},
    ),
    (
        cut._cut,
        {"BLOCK": 256},
        {"stack": "*u8", "boxes": "*fp32", "indices": "*i64", "views": "*u8"},
    ),
    (
        cut._cut_each,
        {"BLOCK": 256},
        {"flat": "*u8", "places": "*i64", "boxes": "*fp32", "views": "*u8"},
    ),
]
NAMES = [
    "sum_grey",
    "change_colours",
    "across",
    "down",
    "down in float32",
    "small",
    "cut",
    "cut each",
]


def compile_for(target, kernel, constants, pointers):
    import triton
    from triton.compiler import ASTSource

    types = {**COMMON, **pointers}
    signature = {
        name: "constexpr" if name in constants else types.get(name, "i32")
        for name in kernel.arg_names
    }
    constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
    source = ASTSource(kernel, signature=signature, constexprs=constants)
    warps = 16 if constants["BLOCK"] == 4096 else 4
    return triton.compile(source, target=target, options={"num_warps": warps})


@pytest.mark.skipif(not has_assembler(), reason="needs Triton with NVIDIA's assembler")
@pytest.mark.parametrize(("kernel", "constants", "pointers"), CASES, ids=NAMES)
def test_compiled_for_a_gpu_they_keep_to_registers(
    kernel, constants, pointers, monkeypatch, tmp_path
):
    from triton.backends.compiler import GPUTarget
    from triton.backends.nvidia.compiler import get_ptxas

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    compiled = compile_for(GPUTarget("cuda", 90, 32), kernel, constants, pointers)
    code = tmp_path / "kernel.ptx"
    code.write_text(compiled.asm["ptx"])
    if pointers.get("target") == "*bf16":  # to the nearest, which the interpreter can't show
        assert "cvt.rn.bf16" in compiled.asm["ptx"]
    said = subprocess.run(
        [get_ptxas(90).path, "-v", "--gpu-name=sm_90a", str(code), "-o", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "0 bytes spill stores, 0 bytes spill loads" in said, said


@pytest.mark.slow
@pytest.mark.skipif(not has_assembler(), reason="needs Triton with its compilers")
@pytest.mark.parametrize(("kernel", "constants", "pointers"), CASES, ids=NAMES)
def test_compiled_for_rocm(kernel, constants, pointers, monkeypatch, tmp_path):
    from triton.backends.compiler import GPUTarget

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    compiled = compile_for(GPUTarget("hip", "gfx942", 64), kernel, constants, pointers)
    assert compiled.asm["hsaco"]


def test_they_are_taken_on_gpus_with_triton_alone(monkeypatch):
    available = gpu.available.__wrapped__
    assert not available(torch.device("cpu"))
    monkeypatch.setenv("CC", "gcc")
    monkeypatch.setattr(gpu, "triton", object())
    assert available(CUDA)
    assert not available(torch.device("xpu"))
    monkeypatch.setattr(gpu, "triton", None)
    assert not available(CUDA)


def test_a_missing_compiler_is_said(monkeypatch):
    monkeypatch.setattr(gpu, "triton", object())
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.warns(UserWarning, match="Triton needs a C compiler; install gcc"):
        assert not gpu.available.__wrapped__(CUDA)


@pytest.mark.slow
def test_without_triton_files_with_kernels_are_imported():
    hidden = (
        "import sys; sys.modules['triton'] = None\n"
        "from instdisc import gpu\n"
        "from instdisc.data.views.fused import cut, kernels\n"
        "assert gpu.triton is None and callable(kernels.blur)"
    )
    subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, check=True)


def test_on_a_device_without_triton_views_are_the_same():
    """Without looking at the numbers, that is without passing over views."""
    policy = view_policy("moco_v3_second", 24)
    generator = torch.Generator().manual_seed(0)
    views = torch.randint(0, 256, (9, 3, 20, 24), dtype=torch.uint8, generator=generator)
    numbers = torch.tensor([[1.2, 0.7, 1.1, -0.05, 17.0, 1.0, 0.9, 1.0]]).repeat(9, 1)
    numbers[0] = torch.tensor([1.0, 1, 1, 0, 0, 0, 0, 0])
    finish = ViewFinisher([policy], dtype=torch.bfloat16)
    finished = finish._finish_at_once(policy, views, numbers, torch.channels_last)
    assert finished.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(finished, policy.finish(views, numbers).bfloat16())


@pytest.mark.parametrize(
    ("name", "launches"),
    [("zhao_fr", 1), ("zhao_frcg", 2), ("moco_v1", 2), ("moco_v2", 4), ("moco_v3_second", 4)],
)
def test_published_policies_are_one_stage(name, launches):
    stages, _ = plan_stages(view_policy(name, 24).photometric)
    assert len(stages) == 1
    assert isinstance(stage := stages[0], Stage)
    assert 1 + (stage.jitter_column >= 0) + 2 * (stage.blur_column >= 0) == launches
