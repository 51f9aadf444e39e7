"""The Triton kernels of batch norm in groups: interpreted on the CPU, and compiled ahead."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

# Without Triton the layers take the chunks, which test_layers.py tests.
triton = pytest.importorskip("triton")
SCRIPT = Path(__file__).with_name("interpreted.py")
ROOT = SCRIPT.parents[3]
POINTERS = {
    "counter": "i64",
    **dict.fromkeys(["partials", "moments", "sums"], "fp32"),
    **dict.fromkeys(["weight", "bias", "running_mean", "running_var"], "fp32"),
    **dict.fromkeys(["weight_gradient", "bias_gradient"], "fp32"),
}


def test_interpreted_kernels_equal_chunks():
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    output = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert output.returncode == 0, output.stderr[-3000:]
    errors = dict(json.loads(line) for line in output.stdout.splitlines())
    assert len(errors) > 15
    for name, error in errors.items():
        # The interpreter cuts bfloat16 off where a device rounds.
        limit = 2**-6 if name == "bfloat16" else 1e-5 if "float32" in name else 1e-10
        assert error < limit, name


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("relu", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", ["bf16", pytest.param("fp32", marks=pytest.mark.slow)])
def test_kernels_compile_for_a_gpu_without_spills(dtype, relu, channels_last, tmp_path):
    """What a ResNet-50 needs in its first stage, for sm_90."""
    import triton.language as tl

    from instdisc.models.grouped_norm import backward_kernels, forward_kernels
    from instdisc.models.grouped_norm.plan import make_plan

    images = torch.empty(256, 64, 56, 56, device="meta")
    plan = make_plan(images, None, None, None, 8, channels_last)
    pointers = POINTERS | dict.fromkeys(["inputs", "outputs", "gradients"], dtype)
    num_rows, num_channels, area = plan.sizes
    numbers = {"num_rows": num_rows, "num_channels": num_channels, "area": area}
    numbers |= {"span": plan.span, "num_parts": plan.slices}
    affine = (True, True, relu)
    for kernel, constants in (
        (forward_kernels.sum_inputs, (True, *plan.tile)),
        (forward_kernels.join_inputs, (1e-5, 0.1, True, *plan.join_tile)),
        (forward_kernels.normalize, affine + plan.tile),
        (backward_kernels.sum_gradients, affine + plan.tile),
        (backward_kernels.join_gradients, affine[:2] + plan.join_tile),
        (backward_kernels.spread_gradients, affine + plan.tile),
    ):
        assert constants[-1] is tl.float32
        assembly = compile_ahead(kernel, pointers, numbers, constants)
        registers, spilled = resources(assembly, tmp_path)
        assert spilled == 0, kernel.__name__
        assert registers <= 168, kernel.__name__  # three programs of 128 threads on a processor


def compile_ahead(kernel, pointers, numbers, constants):
    """PTX of a kernel for an H100."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names, signature, values, hints = kernel.arg_names, {}, {}, {}
    for place, name in enumerate(names):
        if place >= len(names) - len(constants):
            signature[name] = "constexpr"
            values[(place,)] = constants[place - len(names) + len(constants)]
        elif name in pointers:
            signature[name], hints[(place,)] = f"*{pointers[name]}", [["tt.divisibility", 16]]
        elif numbers[name] == 1:  # as Triton takes it
            signature[name], values[(place,)] = "constexpr", 1
        else:
            signature[name] = "i32"
            if numbers[name] % 16 == 0:
                hints[(place,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, values, hints)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]


def resources(assembly, folder):
    """Registers of a thread, and bytes that did not fit into them."""
    from triton.backends import nvidia

    assembler = Path(nvidia.__file__).with_name("bin") / "ptxas"
    if not assembler.exists():
        pytest.skip("this Triton brings no assembler for NVIDIA's devices")
    path = folder / "kernel.ptx"
    path.write_text(assembly)
    report = subprocess.run(
        [assembler, "-v", "--gpu-name", "sm_90a", path, "-o", folder / "kernel.o"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    registers = re.search(r"Used (\d+) registers", report)
    spills = re.search(r"(\d+) bytes spill stores", report)
    return int(registers[1]), int(spills[1])


def test_a_kernel_is_looked_up_once(monkeypatch):
    from instdisc.models.grouped_norm.plan import make_plan

    calls = []

    class Kernel:
        def __getitem__(self, grid):
            def start(*arguments, num_warps):
                calls.append(("looked up", grid, arguments))
                return Compiled()

            return start

    class Compiled:
        def __getitem__(self, grid):
            return lambda *arguments: calls.append(("kept", grid, arguments))

    plan, kernel, images = make_plan(torch.ones(4, 2), None, None, None, 2, True), Kernel(), None
    for images in (torch.ones(4, 2), torch.ones(4, 2), torch.ones(9)[1:].view(4, 2)):
        plan.launch(kernel, (1, 2, 3), (images, 5), (True,), (7,))
    plan.launch(kernel, (1, 2, 3), (images, 5), (False,), (7,))
    # A tensor that begins elsewhere is another kernel to Triton, and so is another constant.
    assert [call[0] for call in calls] == ["looked up", "kept", "looked up", "looked up"]
    assert all(call[1:] == ((1, 2, 3), (call[2][0], 5, call[2][2], 7)) for call in calls)
