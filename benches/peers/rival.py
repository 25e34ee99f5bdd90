"""PyTorch's side of `cargo xtask bench peers`, and that of the attack libraries on it: one unit of work, call by call.

Reads the file that our side wrote (network, images, labels, our gradients). Says first, in one line of JSON, what it is
and how far its gradients are from ours; then answers each line with `CPU_MS WALL_MS` of one call. Processor time counts
every thread of the process.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import network as networks
import torch
from torch import Tensor
from torch.nn import functional

EPSILON, STEP_SIZE, STEPS = 0.3, 0.01, 40
LEARNING_RATE = 1e-5


class Side:
    """The network and its images, laid out as one rival wants them."""

    def __init__(self, shared: str, rival: str, batch: int):
        self.network, self.parameters, tensors = networks.load(shared)
        self.labels = tensors["labels"].long()
        self.natural, self.perturbed = tensors["natural"], tensors["perturbed"]
        self.ours = {name: value for name, value in tensors.items() if name.startswith("gradient/")}
        self.batch, self.bf16 = batch, rival == "channels_last_bf16"
        if rival != "nchw":
            self.network = self.network.to(memory_format=torch.channels_last)
            self.natural = self.natural.contiguous(memory_format=torch.channels_last)
            self.perturbed = self.perturbed.contiguous(memory_format=torch.channels_last)

    def loss(self, images: Tensor, labels: Tensor, reduction: str = "sum") -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            logits = self.network(images)
        return functional.cross_entropy(logits.float(), labels, reduction=reduction)

    def input_gradient(self, images: Tensor, labels: Tensor) -> Tensor:
        """Only the images' gradient is computed, as an attack wants it; the weights' is not."""
        leaf = images.detach().requires_grad_(True)
        return torch.autograd.grad(self.loss(leaf, labels), leaf)[0]

    def pgd(self, natural: Tensor, labels: Tensor) -> Tensor:
        lower, upper = (natural - EPSILON).clamp_(min=0), (natural + EPSILON).clamp_(max=1)
        images = natural + torch.empty_like(natural).uniform_(-EPSILON, EPSILON)
        images = torch.minimum(torch.maximum(images, lower), upper)
        for _ in range(STEPS):
            images = images.add(self.input_gradient(images, labels).sign_(), alpha=STEP_SIZE)
            images = torch.minimum(torch.maximum(images, lower), upper)
        return images

    def difference(self) -> float:
        """Largest relative l2 distance between our gradients and PyTorch's in full precision, over the images and each
        exported weight. (In bf16 PyTorch's own are a fifth away from those: rounded activations choose other winners.)"""
        self.bf16, bf16 = False, self.bf16
        images = self.perturbed[: self.batch].detach().requires_grad_(True)
        by_name = {"gradient/images": images}
        by_name |= {f"gradient/{name}": weight for name, weight in self.parameters.items()}
        named = [by_name[name] for name in self.ours]
        theirs = torch.autograd.grad(self.loss(images, self.labels[: self.batch]), named)
        self.bf16 = bf16
        pairs = zip(self.ours.values(), theirs)
        return max(float((ours - own).norm() / ours.norm()) for ours, own in pairs)


def attack(side: Side, rival: str) -> Callable[[], int]:
    """A library's PGD on all digits; gives the number of digits that it leaves robust. Neither stops on success."""
    side.network.requires_grad_(False)
    if rival == "foolbox":
        import foolbox

        model = foolbox.PyTorchModel(side.network, bounds=(0, 1), device="cpu")
        pgd = foolbox.attacks.LinfPGD(abs_stepsize=STEP_SIZE, steps=STEPS, random_start=True)
        perturb = lambda images, labels: pgd(model, images, labels, epsilons=EPSILON)[1]
    else:
        import torchattacks

        perturb = torchattacks.PGD(side.network, eps=EPSILON, alpha=STEP_SIZE, steps=STEPS, random_start=True)

    def work() -> int:
        robust = 0
        for images, labels in zip(side.natural.split(side.batch), side.labels.split(side.batch)):
            adversarial = perturb(images, labels)
            with torch.no_grad():
                robust += int((side.network(adversarial).argmax(1) == labels).sum())
        return robust

    return work


def training(side: Side, epoch: bool) -> Callable[[], None]:
    """One step of Adam on one batch, or one epoch of adversarial training on all digits."""
    optimizer = torch.optim.Adam(side.network.parameters(), lr=LEARNING_RATE, fused=True)

    def descend(images: Tensor, labels: Tensor) -> None:
        side.network.train()
        optimizer.zero_grad(set_to_none=True)
        side.loss(images, labels, "mean").backward()
        optimizer.step()
        side.network.eval()

    def step() -> None:
        descend(side.perturbed[: side.batch], side.labels[: side.batch])

    def all_steps() -> None:
        for rows in torch.randperm(len(side.labels)).split(side.batch):
            labels = side.labels[rows]
            descend(side.pgd(side.natural[rows], labels), labels)

    return all_steps if epoch else step


def unit(side: Side, work: str, rival: str) -> Callable[[], object]:
    match work:
        case "input_gradient" | "input_gradient_bf16":
            images, labels = side.perturbed[: side.batch], side.labels[: side.batch]
            return lambda: side.input_gradient(images, labels)
        case "pgd40_linf":
            return attack(side, rival)
        case "train_adam" | "train_pgd40_epoch":
            return training(side, work == "train_pgd40_epoch")
    raise ValueError(f"no work called {work!r}")


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--shared", required=True, help="the file that our side wrote")
    flags.add_argument("--work", required=True)
    flags.add_argument("--rival", required=True)
    flags.add_argument("--batch", type=int, required=True)
    flags.add_argument("--threads", type=int, required=True)
    flags.add_argument("--repeats", type=int, default=1, help="calls in one timing")
    flags.add_argument("--warm", action="store_true", help="an untimed call before each timing")
    flags = flags.parse_args()
    torch.set_num_threads(flags.threads)
    torch.manual_seed(7)

    side = Side(flags.shared, flags.rival, flags.batch)
    hello = {"torch": torch.__version__, "threads": torch.get_num_threads(), "difference": side.difference()}
    work = unit(side, flags.work, flags.rival)
    if flags.work == "pgd40_linf":
        hello["robust"] = work()
    print(json.dumps(hello), flush=True)
    for _ in sys.stdin:
        if flags.warm:
            work()
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(flags.repeats):
            work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(f"{cpu * 1e3 / flags.repeats:.4f} {wall * 1e3 / flags.repeats:.4f}", flush=True)


if __name__ == "__main__":
    main()
