"""pyautoattack's attacks and foolbox's DDN beside ours: the same weights, the same digits, the same budgets, one rule for all.

Usage: python autoattack.py --saddle PATH/TO/saddle --weights FILE --norm linf --epsilon 0.3 [--attacks apgd-ce apgd-t …]

For each attack our command runs first and hands over its images (`saddle attack --images`), then the library attacks just these
digits in this process. Nobody's word is taken: an image counts if PyTorch misclassifies it, its digit was right, it lies within
epsilon (1 + 1e-6) in double precision and its pixels in [0, 1]. Both sides have one thread; passes are images forward and
back, seconds are processor time (ours with reading files). `standard` is AutoAttack's standard suite on their side, FAB included.

Writes one line of JSON for each attack and side: digits, those right before, those left, images that break the rule, passes,
seconds, and the ids that fell; for `ddn` also the median of the smallest distances and the accuracy at every radius of
--radii. Then one line for each attack with the difference in points, the ratio of times, and how many digits fell to one side alone.
"""

import argparse
import json
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import foolbox
import judge
import network as networks
import numpy
import pyautoattack
import torch
from torch import Tensor, nn

NORMS = {"l2": "L2", "linf": "Linf"}


class Counted(nn.Module):
    """The network in the layout that PyTorch likes best on a processor; counts images forward and back."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.passes = 0

    def forward(self, images: Tensor) -> Tensor:
        backward = torch.is_grad_enabled() and images.requires_grad
        self.passes += len(images) * (2 if backward else 1)
        return self.network(images.contiguous(memory_format=torch.channels_last))


class Sides:
    def __init__(self, flags: argparse.Namespace):
        self.flags = flags
        self.network = Counted(networks.load(flags.weights)[0].requires_grad_(False)).eval()
        self.natural = self.labels = self.correct = None
        self.ids: list[int] = []

    def ours(self, attack: str) -> tuple[Tensor, dict]:
        """Our images, what they cost and what our command says of them."""
        flags = self.flags
        with tempfile.TemporaryDirectory() as folder:
            images, out = Path(folder, "images.npz"), Path(folder, "out.json")
            line = [flags.saddle, "attack", "--weights", flags.weights, "--attack", attack, "--norm", flags.norm]
            line += ["--epsilon", str(flags.epsilon), "--judge", "any", "--count", str(flags.count)]
            line += ["--offset", str(flags.offset), "--seed", str(flags.seed), "--batch", str(flags.batch)]
            line += ["--images", str(images), "--out", str(out), "--threads", "1", "--quiet"]
            line += ["--data", flags.data] if flags.data else []
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            archive, said = numpy.load(images), json.loads(out.read_text())
        natural, labels = torch.from_numpy(archive["natural"]), torch.from_numpy(archive["labels"])
        if self.natural is None:
            self.natural, self.labels, self.ids = natural, labels, archive["ids"].tolist()
            self.correct = judge.predictions(self.network, natural) == labels
        assert torch.equal(natural, self.natural), "our command attacked other digits"
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        cost = {"passes_per_digit": said["passes_per_example"], "cpu_seconds": seconds}
        members = {one["attack"]: one["taken"] for one in said.get("members", [])}
        return torch.from_numpy(archive["adversarial"]), cost | ({"taken": members} if members else {})

    def theirs(self, attack: str) -> tuple[Tensor, dict]:
        torch.manual_seed(self.flags.seed)
        self.network.passes, before = 0, time.process_time()
        images = self.ddn() if attack == "ddn" else self.autoattack(attack)
        seconds = time.process_time() - before
        return images, {"passes_per_digit": self.network.passes / len(self.labels), "cpu_seconds": seconds}

    def autoattack(self, attack: str) -> Tensor:
        norm, standard = NORMS[self.flags.norm], attack == "standard"
        chosen = {"version": "standard"} if standard else {"version": "custom", "attacks": [attack]}
        suite = pyautoattack.AutoAttack(
            self.network, norm=norm, eps=self.flags.epsilon, seed=self.flags.seed, device="cpu", **chosen
        )
        # One start each, as in the standard suite; so many are its defaults there.
        suite.apgd.n_restarts = suite.apgd_targeted.n_restarts = 1
        suite.apgd_targeted.n_target_classes = 9
        return suite.run_standard_evaluation(self.natural, self.labels, batch_size=self.flags.batch)[0]

    def ddn(self) -> Tensor:
        model = foolbox.PyTorchModel(self.network, bounds=(0, 1), device="cpu")
        attack = foolbox.attacks.DDNAttack(init_epsilon=1.0, steps=100)
        parts = zip(self.natural.split(self.flags.batch), self.labels.split(self.flags.batch))
        return torch.cat([attack(model, images, labels, epsilons=None)[0] for images, labels in parts])

    def row(self, attack: str, side: str, images: Tensor, cost: dict) -> dict:
        flags = self.flags
        wrong = judge.predictions(self.network, images) != self.labels
        allowed = judge.feasible(self.natural, images, flags.norm, flags.epsilon)
        fallen = wrong & self.correct & allowed
        found = {
            "attack": attack, "side": side, "network": Path(flags.weights).stem, "norm": flags.norm,
            "epsilon": flags.epsilon, "digits": len(self.labels), "natural_correct": int(self.correct.sum()),
            "robust": int((self.correct & ~fallen).sum()), "fooling_but_beyond": int((wrong & self.correct & ~allowed).sum()),
        }  # fmt: skip
        if attack == "ddn":
            found |= self.smallest(images, wrong)
        ids = [one for one, fell in zip(self.ids, fallen.tolist()) if fell]
        return found | cost | {"fallen": ids}

    def smallest(self, images: Tensor, wrong: Tensor) -> dict:
        """Median and accuracies of the distances at which images fool; 0 for a digit that is wrong from the start."""
        moved = (images.double() - self.natural.double()).flatten(1).numpy()
        distances = numpy.where(wrong.numpy(), numpy.linalg.norm(moved, axis=1), numpy.inf)
        distances = numpy.where(self.correct.numpy(), distances, 0.0)
        robust = {str(radius): int((distances > radius * (1 + judge.SLACK)).sum()) for radius in self.flags.radii}
        median = float(numpy.median(distances))
        return {"median_distance": median if numpy.isfinite(median) else None, "robust_at": robust}


def compared(ours: dict, theirs: dict) -> dict:
    own, other = set(ours["fallen"]), set(theirs["fallen"])
    return {
        "attack": ours["attack"], "network": ours["network"], "norm": ours["norm"], "epsilon": ours["epsilon"],
        "points_above_theirs": 100 * (ours["robust"] - theirs["robust"]) / ours["digits"],
        "their_seconds_over_ours": theirs["cpu_seconds"] / ours["cpu_seconds"],
        "their_passes_over_ours": theirs["passes_per_digit"] / ours["passes_per_digit"],
        "fell_to_ours_alone": len(own - other), "fell_to_theirs_alone": len(other - own),
    }  # fmt: skip


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--saddle", required=True, help="our command, built with --release")
    flags.add_argument("--weights", required=True)
    flags.add_argument("--norm", choices=NORMS, required=True)
    flags.add_argument("--epsilon", type=float, required=True)
    flags.add_argument("--attacks", nargs="+", default=["apgd-ce", "apgd-t", "square"])
    flags.add_argument("--radii", nargs="+", type=float, default=[0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])
    flags.add_argument("--count", type=int, default=500)
    flags.add_argument("--offset", type=int, default=1000)
    flags.add_argument("--batch", type=int, default=100)
    flags.add_argument("--seed", type=int, default=1)
    flags.add_argument("--data", help="folder with MNIST's IDX files, for our command")
    flags = flags.parse_args()
    torch.set_num_threads(1)

    sides = Sides(flags)
    for attack in flags.attacks:
        ours = sides.row(attack, "saddle", *sides.ours(attack))
        print(json.dumps(ours), flush=True)
        library = f"foolbox {foolbox.__version__}" if attack == "ddn" else f"pyautoattack {pyautoattack.__version__}"
        theirs = sides.row(attack, library, *sides.theirs(attack))
        print(json.dumps(theirs), flush=True)
        print(json.dumps(compared(ours, theirs)), flush=True)


if __name__ == "__main__":
    main()
