"""Logits and gradients of the Madry network, computed by PyTorch in float64, for tests/tests/model/golden.rs.

Usage: python make_golden.py > golden.json        (PyTorch 2.x and NumPy; a few seconds on a CPU)

Nothing of Saddle is used here. Weights and images come from an integer hash that the Rust test repeats, so that no weight
file has to be committed; all of them are dyadic fractions, the same bits in float32 and float64.

Two settings. "dense": generic weights and pixels, no ties. "tied": weights and pixels are coarse fractions, so that both
convolutions are exact in any order of additions; the images are blocks of constant grey, so most pooling windows are
tied and many sums are exactly 0. PyTorch gives a tied window's gradient to its first element, and ReLU the slope 0 at 0.

For each setting: labels, logits, the gradient of the summed cross-entropy with respect to the images, and for each
weight's gradient its sum, its sum of squares and its inner product with hashed numbers, which sees any permutation.
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

IMAGES = 4
# Name, shape, log2 of the largest weight in the dense setting.
PARAMETERS = [
    ("conv1.weight", (32, 1, 5, 5), -2),
    ("conv1.bias", (32,), -2),
    ("conv2.weight", (64, 32, 5, 5), -4),
    ("conv2.bias", (64,), -4),
    ("fc1.weight", (1024, 3136), -5),
    ("fc1.bias", (1024,), -5),
    ("fc2.weight", (10, 1024), -4),
    ("fc2.bias", (10,), -4),
]
IMAGE_SALT, LABEL_SALT, PROBE_SALT = 100, 200, 300


def hashed(count, salt):
    """32-bit hashes of 0 .. count - 1: a multiplication, then the finaliser of MurmurHash3."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(salt) * np.uint64(0x9E3779B9)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return x ^ (x >> np.uint64(16))


def signed(count, salt, bits):
    """Hashes as multiples of 2^(1-bits) in [-1, 1)."""
    half = 1 << (bits - 1)
    return ((hashed(count, salt) >> np.uint64(32 - bits)).astype(np.float64) - half) / half


def weights(setting):
    tensors = {}
    for salt, (name, shape, exponent) in enumerate(PARAMETERS):
        count = int(np.prod(shape))
        if setting == "dense":
            values = signed(count, salt, 24) * 2.0**exponent
        else:  # multiples of 1/64 from -1/16 to 3/64
            values = signed(count, salt, 3) / 16
        tensors[name] = torch.from_numpy(values.reshape(shape))
    return tensors


def images(setting):
    if setting == "dense":
        values = (hashed(IMAGES * 784, IMAGE_SALT) >> np.uint64(24)).astype(np.float64) / 256
        return torch.from_numpy(values.reshape(IMAGES, 1, 28, 28))
    values = np.zeros((IMAGES, 1, 28, 28))  # the first image is black, the second grey, the others blocks of 7 x 7
    values[1] = 0.5
    grey = (hashed(IMAGES * 16, IMAGE_SALT) >> np.uint64(30)).astype(np.float64).reshape(IMAGES, 4, 4) / 4
    values[2:, 0] = grey[2:].repeat(7, axis=1).repeat(7, axis=2)
    return torch.from_numpy(values)


def run(setting):
    leaves = {name: tensor.requires_grad_(True) for name, tensor in weights(setting).items()}
    batch = images(setting).requires_grad_(True)
    labels = torch.from_numpy((hashed(IMAGES, LABEL_SALT) % np.uint64(10)).astype(np.int64))
    hidden = F.relu(F.conv2d(batch, leaves["conv1.weight"], leaves["conv1.bias"], padding=2))
    hidden = F.max_pool2d(hidden, 2)
    hidden = F.relu(F.conv2d(hidden, leaves["conv2.weight"], leaves["conv2.bias"], padding=2))
    hidden = F.max_pool2d(hidden, 2).flatten(1)
    hidden = F.relu(F.linear(hidden, leaves["fc1.weight"], leaves["fc1.bias"]))
    logits = F.linear(hidden, leaves["fc2.weight"], leaves["fc2.bias"])
    F.cross_entropy(logits, labels, reduction="sum").backward()
    sums = {}
    for salt, (name, leaf) in enumerate(leaves.items()):
        flat = leaf.grad.flatten()
        probe = torch.from_numpy(signed(flat.numel(), PROBE_SALT + salt, 24))
        sums[name] = [flat.sum().item(), flat.square().sum().item(), (flat * probe).sum().item()]
    return {
        "labels": labels.tolist(),
        "logits": logits.flatten().tolist(),
        "input_gradient": batch.grad.flatten().tolist(),
        "weight_gradients": sums,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    text = {"torch": torch.__version__.split("+")[0], "dense": run("dense"), "tied": run("tied")}
    json.dump(text, sys.stdout, separators=(",", ":"))
    print()
