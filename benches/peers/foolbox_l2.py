"""foolbox's L2PGD and DDN beside our attacks: the same weights, the same digits, one rule for all.

Usage: python foolbox_l2.py WEIGHTS.safetensors --epsilon E --ours IMAGES.npz [IMAGES.npz …] [--steps N] [--restarts N]

Each IMAGES.npz is what `saddle attack --weights WEIGHTS.safetensors --norm l2 --epsilon E --images IMAGES.npz` wrote; all
must be of the same digits, and foolbox attacks just these. Nobody's word is taken: an image counts if PyTorch
misclassifies it, its digit was right, it lies within E (1 + 1e-6) in double precision and its pixels in [0, 1]. Writes one
line of JSON for each attack: digits, those right before, those left, images that break the rule, and the ids that fell.
"""

import argparse
import json
from collections.abc import Iterable, Iterator

import foolbox
import judge
import network as networks
import numpy
import torch
from torch import Tensor, nn


def l2pgd(model: foolbox.PyTorchModel, images: Tensor, labels: Tensor, flags: argparse.Namespace) -> Iterator[Tensor]:
    attack = foolbox.attacks.L2PGD(abs_stepsize=flags.epsilon * flags.relative_step, steps=flags.steps, random_start=True)
    for _ in range(flags.restarts):
        yield attack(model, images, labels, epsilons=flags.epsilon)[1]


def ddn(model: foolbox.PyTorchModel, images: Tensor, labels: Tensor, flags: argparse.Namespace) -> Iterator[Tensor]:
    """The nearest fooling images that DDN finds, and the same drawn back to the ball, as foolbox offers both."""
    attack = foolbox.attacks.DDNAttack(init_epsilon=1.0, steps=flags.steps * flags.restarts)
    yield from attack(model, images, labels, epsilons=flags.epsilon)[:2]


class Tribunal:
    def __init__(self, network: nn.Module, natural: Tensor, labels: Tensor, ids: list[int], epsilon: float):
        self.network, self.natural, self.labels, self.ids, self.epsilon = network, natural, labels, ids, epsilon
        self.correct = judge.predictions(network, natural) == labels

    def row(self, name: str, candidates: Iterable[Tensor], settings: dict) -> dict:
        fallen = torch.zeros_like(self.correct)
        beyond = 0
        for images in candidates:
            wrong = judge.predictions(self.network, images) != self.labels
            allowed = judge.feasible(self.natural, images, "l2", self.epsilon)
            beyond += int((wrong & self.correct & ~allowed).sum())
            fallen |= wrong & self.correct & allowed
        return {
            "attack": name, "settings": settings, "norm": "l2", "epsilon": self.epsilon, "digits": len(self.labels),
            "natural_correct": int(self.correct.sum()), "robust": int((self.correct & ~fallen).sum()),
            "fooling_but_beyond": beyond, "fallen": [one for one, fell in zip(self.ids, fallen.tolist()) if fell],
        }  # fmt: skip


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("weights")
    flags.add_argument("--epsilon", type=float, required=True)
    flags.add_argument("--ours", nargs="+", required=True, metavar="IMAGES.npz")
    flags.add_argument("--steps", type=int, default=100)
    flags.add_argument("--restarts", type=int, default=1, help="of L2PGD; DDN takes so many times the steps in one run")
    flags.add_argument("--relative-step", type=float, default=0.1, help="step of L2PGD as a share of epsilon")
    flags.add_argument("--threads", type=int, default=1)
    flags = flags.parse_args()
    torch.set_num_threads(flags.threads)
    torch.manual_seed(7)

    network = networks.load(flags.weights)[0].requires_grad_(False)
    archives = [numpy.load(path) for path in flags.ours]
    first = archives[0]
    natural, labels = torch.from_numpy(first["natural"]), torch.from_numpy(first["labels"])
    tribunal = Tribunal(network, natural, labels, first["ids"].tolist(), flags.epsilon)
    for path, archive in zip(flags.ours, archives):
        assert (archive["natural"] == first["natural"]).all(), f"{path} is of other digits"
        images = torch.from_numpy(archive["adversarial"])
        print(json.dumps(tribunal.row(f"ours, {path}", [images], {})), flush=True)

    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    for name, attack in (("foolbox L2PGD", l2pgd), ("foolbox DDN", ddn)):
        settings = {"version": foolbox.__version__, "steps": flags.steps, "restarts": flags.restarts}
        if attack is l2pgd:
            settings["relative_step"] = flags.relative_step
        candidates = attack(model, natural, labels, flags)
        print(json.dumps(tribunal.row(name, candidates, settings)), flush=True)


if __name__ == "__main__":
    main()
