"""Logits and gradients of the smallest residual network for CIFAR-10, computed by PyTorch in float64.

Usage: python make_residual_golden.py > residual.json        (PyTorch 2.x and NumPy; a few seconds on a CPU)

For tests/tests/model/residual_golden.rs. Nothing of Saddle is used here. Weights, images and cotangents come from an integer
hash that the Rust test repeats. For evaluation and training: logits; of the gradient of <logits, cotangent> by each image and
each weight its sum, its sum of squares and its inner product with hashed numbers, which sees any permutation; in training the
same three numbers of the running statistics after the pass.
"""
import json
import sys
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F

FILTERS = [8, 8, 16, 32]
IMAGES = 3
WEIGHT_SALT, IMAGE_SALT, COTANGENT_SALT, PROBE_SALT, IMAGE_PROBE_SALT = 1, 2, 3, 300, 400


def hashed(count, salt):
    """32-bit hashes of 0 .. count - 1: a multiplication, then the finaliser of MurmurHash3."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(salt) * np.uint64(0x9E3779B9)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return x ^ (x >> np.uint64(16))


def signed(count, salt):
    """Hashes as multiples of 2^-23 in [-1, 1)."""
    half = 1 << 23
    return ((hashed(count, salt) >> np.uint64(8)).astype(np.float64) - half) / half


def between(shape, salt, low, high):
    values = low + (high - low) * ((signed(int(np.prod(shape)), salt) + 1) / 2)
    return torch.from_numpy(values.reshape(shape))


def parameters():
    """Names and shapes in the order of the layers."""
    found = OrderedDict()

    def norm(name, channels):
        for what in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{what}"] = (channels,)

    found["init_conv.weight"] = (FILTERS[0], 3, 3, 3)
    for stage in range(3):
        name, before, after = f"unit_{stage + 1}_0", FILTERS[stage], FILTERS[stage + 1]
        norm(f"{name}.init_bn", before)
        found[f"{name}.conv1.weight"] = (after, before, 3, 3)
        norm(f"{name}.bn2", after)
        found[f"{name}.conv2.weight"] = (after, after, 3, 3)
    norm("final_bn", FILTERS[3])
    found["logit.weight"] = (10, FILTERS[3])
    found["logit.bias"] = (10,)
    return found


def weights():
    bound, tensors = 1.0, OrderedDict()
    for index, (name, shape) in enumerate(parameters().items()):
        if len(shape) > 1:
            bound = 1 / np.sqrt(float(np.prod(shape[1:])))
        tensor = between(shape, WEIGHT_SALT * 1000 + index, -bound, bound)
        tensors[name] = tensor.abs() + 0.5 if name.endswith("running_var") else tensor
    return tensors


def forward(x, tensors, training):
    def normalized(name, x):
        own = [tensors[f"{name}.{what}"] for what in ("running_mean", "running_var", "weight", "bias")]
        x = F.batch_norm(x, *own, training=training, momentum=0.1, eps=1e-3)
        return torch.where(x < 0, 0.1 * x, x)

    x = 255 * x
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    deviation = x.std(dim=(1, 2, 3), keepdim=True, correction=0)
    x = (x - mean) / torch.maximum(deviation, torch.full_like(deviation, x[0].numel() ** -0.5))
    x = F.conv2d(x, tensors["init_conv.weight"], padding=1)
    for stage in range(3):
        name, before, after = f"unit_{stage + 1}_0", FILTERS[stage], FILTERS[stage + 1]
        shortcut = x
        x = normalized(f"{name}.init_bn", x)
        if stage == 0:
            shortcut = x
            x = F.conv2d(x, tensors[f"{name}.conv1.weight"], padding=1)
        else:
            x = F.conv2d(F.pad(x, (0, 1, 0, 1)), tensors[f"{name}.conv1.weight"], stride=2)
            half = (after - before) // 2
            shortcut = F.pad(F.avg_pool2d(shortcut, 2), (0, 0, 0, 0, half, half))
        x = normalized(f"{name}.bn2", x)
        x = F.conv2d(x, tensors[f"{name}.conv2.weight"], padding=1) + shortcut
    x = normalized("final_bn", x).mean(dim=(2, 3))
    return F.linear(x, tensors["logit.weight"], tensors["logit.bias"])


def summary(tensor, salt):
    values = tensor.detach().numpy().reshape(-1)
    return [float(values.sum()), float((values**2).sum()), float(values @ signed(values.size, salt))]


def run(training):
    tensors = weights()
    descended = [name for name in tensors if "running" not in name]
    for name in descended:
        tensors[name].requires_grad_(True)
    x = between((IMAGES, 3, 32, 32), IMAGE_SALT, 0.0, 1.0).requires_grad_(True)
    logits = forward(x, tensors, training)
    (logits * between((IMAGES, 10), COTANGENT_SALT, -1.0, 1.0)).sum().backward()
    salts = {name: PROBE_SALT + index for index, name in enumerate(tensors)}
    return {
        "logits": logits.detach().reshape(-1).tolist(),
        "input_gradients": [summary(image, IMAGE_PROBE_SALT) for image in x.grad],
        "weight_gradients": {name: summary(tensors[name].grad, salts[name]) for name in descended},
        "statistics": {name: summary(one, salts[name]) for name, one in tensors.items() if "running" in name},
    }


json.dump({"evaluation": run(False), "training": run(True)}, sys.stdout, indent=1)
print()
