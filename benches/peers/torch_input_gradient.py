"""PyTorch's side of `cargo xtask bench peers`: the input gradient of the Madry network, asked call by call.

Reads the file that our side wrote (weights, images, labels and our gradients), answers first with one line of JSON
that says how far PyTorch's gradients are from ours, then each line that names a memory format with
`CPU_MS WALL_MS` of one call, after one untimed call. Processor time counts every thread of the process.
"""

import argparse
import json
import sys
import time

import torch
from safetensors.torch import load_file
from torch.nn import functional

FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def logits(weights, images):
    hidden = functional.conv2d(images, weights["conv1.weight"], weights["conv1.bias"], padding=2)
    hidden = functional.max_pool2d(functional.relu(hidden), 2)
    hidden = functional.conv2d(hidden, weights["conv2.weight"], weights["conv2.bias"], padding=2)
    hidden = functional.max_pool2d(functional.relu(hidden), 2)
    hidden = functional.relu(functional.linear(hidden.flatten(1), weights["fc1.weight"], weights["fc1.bias"]))
    return functional.linear(hidden, weights["fc2.weight"], weights["fc2.bias"])


def input_gradient(weights, images, labels):
    """Only the images require a gradient: the weights' are not computed, as in an attack."""
    leaf = images.detach().clone(memory_format=torch.preserve_format).requires_grad_(True)
    loss = functional.cross_entropy(logits(weights, leaf), labels, reduction="sum")
    return torch.autograd.grad(loss, leaf)[0]


def main():
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--shared", required=True, help="the file that our side exported")
    flags.add_argument("--threads", type=int, default=1)
    flags = flags.parse_args()
    torch.set_num_threads(flags.threads)

    shared = load_file(flags.shared)
    images, labels, ours = (shared.pop(name) for name in ("images", "labels", "input_gradient"))
    labels = labels.long()

    def call(memory_format):
        def laid_out(tensor):
            return tensor.contiguous(memory_format=memory_format) if tensor.dim() == 4 else tensor

        weights = {name: laid_out(tensor) for name, tensor in shared.items()}
        pixels = laid_out(images)
        return lambda: input_gradient(weights, pixels, labels)

    calls = {name: call(memory_format) for name, memory_format in FORMATS.items()}
    gradient = calls["nchw"]()
    hello = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "largest_gradient": float(gradient.abs().max()),
        "largest_difference": float((gradient - ours).abs().max()),
    }
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        work = calls[line.strip()]
        work()
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        print(f"{(time.process_time() - cpu) * 1e3:.4f} {(time.perf_counter() - wall) * 1e3:.4f}", flush=True)


if __name__ == "__main__":
    main()
