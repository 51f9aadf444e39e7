"""Run by test_kernels.py in a process of its own, where Triton interprets its kernels on the CPU.

Prints one JSON line per case: the largest error of values, gradients and running statistics.
"""

import copy
import json

import torch
import triton.runtime.interpreter as interpreter
from torch import nn

_patch = interpreter._patch_lang_tensor


def _patch_lang_tensor(tensor, scope):
    _patch(tensor, scope)
    # Triton 3.6 takes an array of one number for a number, which numpy refuses since 2.4.
    scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.squeeze()))


interpreter._patch_lang_tensor = _patch_lang_tensor

from instdisc.models.grouped_norm.chunks import normalize_chunks  # noqa: E402
from instdisc.models.grouped_norm.fused import normalize_fused  # noqa: E402

F32, F64, BF16 = torch.float32, torch.float64, torch.bfloat16
CASES = {
    "contiguous": ((6, 3, 7, 3), 3, F64, {}),
    "channels_last": ((6, 5, 7, 3), 3, F64, {"last": True}),
    "two blocks of channels": ((4, 70, 3, 3), 2, F64, {"last": True}),
    "several slices": ((2, 5, 41, 39), 2, F64, {"last": True}),
    "several slices, contiguous": ((4, 1, 67, 63), 2, F64, {}),
    "many groups": ((48, 3, 2, 2), 24, F64, {"last": True}),
    "relu": ((6, 5, 7, 3), 3, F64, {"last": True, "relu": True}),
    "relu, contiguous, bare": ((6, 2, 7, 3), 3, F64, {"relu": True, "affine": False}),
    "vectors": ((8, 5), 4, F64, {}),
    "sequences": ((8, 3, 6), 4, F64, {}),
    "one pixel, one channel": ((8, 1, 1, 1), 2, F64, {"last": True}),
    "neither format": ((6, 4, 3, 5), 3, F64, {"permuted": True}),
    "average": ((6, 5, 3, 3), 3, F64, {"momentum": None, "last": True}),
    "bare": ((6, 5, 3, 3), 3, F64, {"affine": False, "last": True}),
    "untracked": ((6, 5, 3, 3), 3, F64, {"track_running_stats": False, "last": True}),
    "float32": ((16, 5, 9, 9), 4, F32, {"last": True}),
    "float32, far from zero": ((16, 2, 9, 9), 2, F32, {"mean": 100}),
    "bfloat16": ((16, 5, 9, 9), 4, BF16, {"last": True}),
}


def run(normalize, norm, images, slope):
    results = []
    for factor in (1.0, 1.5):
        inputs = (images.detach() * factor).requires_grad_()
        norm.zero_grad()
        outputs = normalize(inputs)
        outputs.backward(slope.to(outputs.dtype))
        gradients = [parameter.grad.clone() for parameter in norm.parameters()]
        results += [outputs.detach(), inputs.grad, *gradients]
        results += [buffer.clone() for buffer in norm.buffers()]
    return results


def error(shape, groups, dtype, *, last=False, permuted=False, relu=False, mean=5.0, **options):
    torch.manual_seed(0)
    norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1], **options)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    norm = norm.double() if dtype == F64 else norm
    images = (torch.randn(shape).double() + mean).to(dtype)
    if last:
        images = images.contiguous(memory_format=torch.channels_last)
    if permuted:
        images = images.transpose(2, 3)
    slope = torch.randn(images.shape).to(dtype)
    reference = copy.deepcopy(norm).double()

    def exact(inputs):
        outputs = normalize_chunks(reference, inputs, groups)
        return outputs.relu() if relu else outputs

    ours = run(lambda inputs: normalize_fused(norm, inputs, groups, relu=relu), norm, images, slope)
    theirs = run(exact, reference, images.double(), slope)
    assert ours[0].dtype == dtype
    if not permuted:
        assert ours[0].stride() == ours[1].stride() == images.stride()
    with torch.no_grad():
        assert not normalize_fused(norm, images, groups).requires_grad
    return max(
        float((a.double() - b.double()).abs().max() / b.double().abs().max().clamp_min(1e-3))
        for a, b in zip(ours, theirs, strict=True)
    )


if __name__ == "__main__":
    for name, (shape, groups, dtype, options) in CASES.items():
        print(json.dumps([name, error(shape, groups, dtype, **options)]), flush=True)
