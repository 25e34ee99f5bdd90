"""Logits and input gradients held against PyTorch's: each path of ours, and PyTorch's own f32 against its float64.

Reads the file that our side wrote: a network, images, one cotangent of the logits for each image, and for each path the
logits, and the images' gradients that it pulled that cotangent back to. All paths and both PyTorch networks get the same
cotangent, so what is measured is the network's rounding, not the loss's. A gradient's error is relative to the largest
entry of its image; `logits_largest` is against float64, `..._from_torch` against PyTorch's own f32, both absolute.
"""

import argparse
import json

import network as networks
import torch
from torch import Tensor, nn


def run(network: nn.Module, images: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor]:
    """Logits, and the gradients that the cotangent of the logits is pulled back to."""
    logits, gradients = [], []
    for batch, given in zip(images.split(100), cotangent.split(100)):
        leaf = batch.detach().requires_grad_(True)
        found = network(leaf)
        gradients.append(torch.autograd.grad(found, leaf, given)[0])
        logits.append(found.detach())
    return torch.cat(logits), torch.cat(gradients)


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
        exact_logits, exact = run(double, images.double(), cotangent.double())
        scale = exact.abs().amax(dim=(1, 2, 3), keepdim=True)
        prefix = f"gradient/{kind}/"
        names = [name.removeprefix(prefix) for name in tensors if name.startswith(prefix)]
        paths = {name: (tensors[f"logits/{kind}/{name}"], tensors[prefix + name]) for name in names}
        last = images.contiguous(memory_format=torch.channels_last)
        paths["torch_channels_last"] = torchs = run(single, last, cotangent)
        for path, (logits, gradient) in sorted(paths.items()):
            error = (gradient.double() - exact).abs() / scale
            line = {
                "check": "gradient_error",
                "path": path,
                "images": kind,
                "digits": len(images),
                "largest": float(error.max()),
                "mean": float(error.mean()),
                "signs_differ": float((gradient.double().sign() != exact.sign()).double().mean()),
                "logits_largest": float((logits.double() - exact_logits).abs().max()),
                "logits_from_torch": float((logits - torchs[0]).abs().max()),
                "gradient_from_torch": float((gradient - torchs[1]).abs().max()),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
