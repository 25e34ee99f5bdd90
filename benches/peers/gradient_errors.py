"""Input gradients held against float64: each path of ours and PyTorch's own f32, one line of JSON for each.

Reads the file that our side wrote: a network, images, one cotangent of the logits for each image, and for each path the
images' gradients that it pulled that cotangent back to. All paths and both PyTorch networks get the same cotangent, so
what is measured is the network's rounding, not the loss's. An error is relative to the largest gradient of its image.
"""

import argparse
import json

import network as networks
import torch
from torch import Tensor, nn


def input_gradient(network: nn.Module, images: Tensor, cotangent: Tensor) -> Tensor:
    parts = []
    for batch, given in zip(images.split(100), cotangent.split(100)):
        leaf = batch.detach().requires_grad_(True)
        parts.append(torch.autograd.grad(network(leaf), leaf, given)[0])
    return torch.cat(parts)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--shared", required=True, help="the file that our side wrote")
    flags = flags.parse_args()
    torch.set_num_threads(1)

    single, _, tensors = networks.load(flags.shared)
    single = single.to(memory_format=torch.channels_last).requires_grad_(False)
    double = networks.load(flags.shared)[0].double().requires_grad_(False)
    for kind in ("natural", "perturbed"):
        images, cotangent = tensors[kind], tensors[f"cotangent/{kind}"]
        exact = input_gradient(double, images.double(), cotangent.double())
        scale = exact.abs().amax(dim=(1, 2, 3), keepdim=True)
        prefix = f"gradient/{kind}/"
        paths = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        last = images.contiguous(memory_format=torch.channels_last)
        paths["torch_channels_last"] = input_gradient(single, last, cotangent)
        for path, gradient in sorted(paths.items()):
            error = (gradient.double() - exact).abs() / scale
            line = {
                "check": "gradient_error",
                "path": path,
                "images": kind,
                "digits": len(images),
                "largest": float(error.max()),
                "mean": float(error.mean()),
                "signs_differ": float((gradient.double().sign() != exact.sign()).double().mean()),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
