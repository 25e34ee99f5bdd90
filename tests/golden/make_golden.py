"""Logits and gradients of the papers' networks, computed by PyTorch in float64, for tests/tests/model/golden.rs.

Usage: python make_golden.py > golden.json        (PyTorch 2.x and NumPy; a few seconds on a CPU)

Nothing of Saddle is used here. Weights and images come from an integer hash that the Rust test repeats, so that no weight
file has to be committed; all of them are dyadic fractions, the same bits in float32 and float64.

Two settings. "dense": generic weights and pixels, no ties. "tied": weights and pixels are coarse fractions, so that all
convolutions are exact in any order of additions; the images are blocks of constant grey, so most pooling windows are
tied and many sums are exactly 0. PyTorch gives a tied window's gradient to its first element, and ReLU the slope 0 at 0.

For each setting of the Madry network: labels, logits, the gradient of the summed cross-entropy with respect to the
images, and for each weight's gradient its sum, its sum of squares and its inner product with hashed numbers, which sees
any permutation. For the other networks, which are modules in evaluation mode here, the gradient of each image is summed
up in the same three numbers.
"""
import json
import sys
from collections import OrderedDict

import numpy as np
import torch
import torch.nn as nn
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
IMAGE_SALT, LABEL_SALT, PROBE_SALT, IMAGE_PROBE_SALT = 100, 200, 300, 400


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
    return {
        "labels": labels.tolist(),
        "logits": logits.flatten().tolist(),
        "input_gradient": batch.grad.flatten().tolist(),
        "weight_gradients": {
            name: three_numbers(leaf.grad, PROBE_SALT + salt) for salt, (name, leaf) in enumerate(leaves.items())
        },
    }


def three_numbers(gradient, salt):
    flat = gradient.flatten()
    probe = torch.from_numpy(signed(flat.numel(), salt, 24))
    return [flat.sum().item(), flat.square().sum().item(), (flat * probe).sum().item()]


def trades():
    module = nn.Module()
    module.feature_extractor = nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, 32, 3), relu1=nn.ReLU(), conv2=nn.Conv2d(32, 32, 3), relu2=nn.ReLU(), pool1=nn.MaxPool2d(2),
        conv3=nn.Conv2d(32, 64, 3), relu3=nn.ReLU(), conv4=nn.Conv2d(64, 64, 3), relu4=nn.ReLU(), pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
    ))
    module.classifier = nn.Sequential(OrderedDict(
        fc1=nn.Linear(1024, 200), relu1=nn.ReLU(), dropout=nn.Dropout(0.5),
        fc2=nn.Linear(200, 200), relu2=nn.ReLU(), fc3=nn.Linear(200, 10),
    ))
    module.forward = lambda batch: module.classifier(module.feature_extractor(batch))
    return module


def tramer(first, second, kernel):
    side = 28 - 2 * (kernel - 1)
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, first, kernel), relu1=nn.ReLU(), conv2=nn.Conv2d(first, second, kernel), relu2=nn.ReLU(),
        dropout1=nn.Dropout(0.25), flatten=nn.Flatten(), fc1=nn.Linear(second * side * side, 128), relu3=nn.ReLU(),
        dropout2=nn.Dropout(0.5), fc2=nn.Linear(128, 10),
    ))


def tramer_b():
    return nn.Sequential(OrderedDict(
        dropout1=nn.Dropout(0.2), pad=nn.ZeroPad2d(same_padding(28, 8, 2) * 2), conv1=nn.Conv2d(1, 64, 8, stride=2),
        relu1=nn.ReLU(), conv2=nn.Conv2d(64, 128, 6, stride=2), relu2=nn.ReLU(), conv3=nn.Conv2d(128, 128, 5),
        relu3=nn.ReLU(), dropout2=nn.Dropout(0.5), flatten=nn.Flatten(), fc1=nn.Linear(128, 10),
    ))


def same_padding(side, kernel, stride):
    """Zeros before and behind a side by TensorFlow's rule SAME."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return (total // 2, total - total // 2)


def atda():
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, 16, 4, stride=2, padding=1), relu1=nn.ReLU(),
        conv2=nn.Conv2d(16, 32, 4, stride=2, padding=1), relu2=nn.ReLU(), flatten=nn.Flatten(),
        fc1=nn.Linear(1568, 100), relu3=nn.ReLU(), fc2=nn.Linear(100, 10),
    ))


def fill(module, setting):
    """Dense: within the largest power of two up to sqrt(6 / fan in), a bias like its weight."""
    exponent = 0
    for salt, parameter in enumerate(module.parameters()):
        if parameter.dim() > 1:
            fan_in, exponent = parameter[0].numel(), 0
            while 6 * 4**exponent < fan_in:
                exponent += 1
        if setting == "dense":
            values = signed(parameter.numel(), salt, 24) / 2**exponent
        else:
            values = signed(parameter.numel(), salt, 3) / 16
        parameter.data = torch.from_numpy(values.reshape(parameter.shape))


def run_module(module, setting):
    fill(module, setting)
    module.eval()
    batch = images(setting).requires_grad_(True)
    labels = torch.from_numpy((hashed(IMAGES, LABEL_SALT) % np.uint64(10)).astype(np.int64))
    logits = module(batch)
    F.cross_entropy(logits, labels, reduction="sum").backward()
    return {
        "logits": logits.flatten().tolist(),
        "input_gradients": [three_numbers(gradient, IMAGE_PROBE_SALT) for gradient in batch.grad],
        "weight_gradients": {
            name: three_numbers(parameter.grad, PROBE_SALT + salt)
            for salt, (name, parameter) in enumerate(module.named_parameters())
        },
    }


# Coarse weights leave nothing alive of A and C.
NETWORKS = {
    "trades": (trades, ("dense", "tied")),
    "tramer_a": (lambda: tramer(64, 64, 5), ("dense",)),
    "tramer_b": (tramer_b, ("dense", "tied")),
    "tramer_c": (lambda: tramer(128, 64, 3), ("dense",)),
    "atda": (atda, ("dense", "tied")),
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    text = {"torch": torch.__version__.split("+")[0], "dense": run("dense"), "tied": run("tied")}
    text["networks"] = {
        name: {setting: run_module(module(), setting) for setting in settings}
        for name, (module, settings) in NETWORKS.items()
    }
    json.dump(text, sys.stdout, separators=(",", ":"))
    print()
