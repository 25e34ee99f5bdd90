"""PyTorch's own files of one small network, and its logits, for tests/tests/model/torch_files.rs.

Usage: python make_torch_files.py FOLDER        (PyTorch 2.x and safetensors; a few seconds on a CPU)

Nothing of Saddle is used here. The network is Madry's in small: images of 8 x 8, convolutions of 3 and 5 channels, 7 hidden
units, 4 classes. Its weights are dyadic fractions that float16 holds exactly, so every file has the same logits.
"""
import json
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

folder = Path(sys.argv[1])
torch.manual_seed(11)
network = nn.Sequential(
    OrderedDict(
        conv1=nn.Conv2d(1, 3, 5, padding=2), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(3, 5, 5, padding=2), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(), fc1=nn.Linear(20, 7), relu3=nn.ReLU(), fc2=nn.Linear(7, 4),
    )
)  # fmt: skip
for parameter in network.parameters():
    parameter.data = torch.randint(-64, 65, parameter.shape) / 128
weights = network.state_dict()
images = torch.randint(0, 257, (3, 1, 8, 8)) / 256
logits = network.double()(images.double())
network.float()
golden = {"images": images.flatten().tolist(), "logits": logits.flatten().tolist()}
(folder / "golden.json").write_text(json.dumps(golden) + "\n")

torch.save(weights, folder / "plain.pt")
torch.save(weights, folder / "legacy.pt", _use_new_zipfile_serialization=False)
torch.save({name: value.half() for name, value in weights.items()}, folder / "half.pt")
torch.save({name: value.double() for name, value in weights.items()}, folder / "double.pt")
torch.save({name: value.bfloat16().float().bfloat16() for name, value in weights.items()}, folder / "bfloat16.pt")

# What a training program leaves: parameters of a wrapped module, and its optimiser.
wrapped = nn.DataParallel(network)
optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1, momentum=0.9)
wrapped.module(images).sum().backward()
optimizer.step()
network.load_state_dict(weights)
parameters = {f"module.{name}": parameter for name, parameter in network.named_parameters()}
checkpoint = {"epoch": 3, "state_dict": parameters, "optimizer": optimizer.state_dict(), "best": 0.5, "done": None}
torch.save(checkpoint, folder / "checkpoint.pt")
torch.save(checkpoint, folder / "checkpoint_legacy.pt", _use_new_zipfile_serialization=False)

# Views: one storage for all, transposed, channels last, every other element.
whole = torch.cat([value.flatten() for value in weights.values()])
views, start = {}, 0
for name, value in weights.items():
    views[name] = whole[start : start + value.numel()].view(value.shape)
    start += value.numel()
views["fc1.weight"] = weights["fc1.weight"].t().contiguous().t()
views["conv2.weight"] = weights["conv2.weight"].contiguous(memory_format=torch.channels_last)
views["fc2.bias"] = torch.stack([weights["fc2.bias"], torch.zeros(4)], 1)[:, 0]
torch.save(views, folder / "views.pt")

# As a TensorFlow program has it: other sides, other names, pixels before channels.
theirs = {
    "c1/kernel": weights["conv1.weight"].permute(2, 3, 1, 0), "c1/bias": weights["conv1.bias"],
    "c2/kernel": weights["conv2.weight"].permute(2, 3, 1, 0), "c2/bias": weights["conv2.bias"],
    "d1/kernel": weights["fc1.weight"].view(7, 5, 2, 2).permute(2, 3, 1, 0).reshape(20, 7),
    "d1/bias": weights["fc1.bias"], "d2/kernel": weights["fc2.weight"].t(), "d2/bias": weights["fc2.bias"],
}  # fmt: skip
save_file({name: value.contiguous() for name, value in theirs.items()}, folder / "tensorflow.safetensors")

# What is refused: a whole module, no tensors, two state dicts, an expanded tensor.
torch.save(network.relu1, folder / "module.pt")
torch.save({"accuracy": 0.5, "note": "no tensors"}, folder / "no_tensors.pt")
few = {"fc2.bias": weights["fc2.bias"]}
torch.save({"net": dict(few), "model": dict(few)}, folder / "two.pt")
torch.save({"fc2.bias": torch.zeros(1).expand(1 << 30)}, folder / "expanded.pt")
torch.save({"fc2.bias": torch.arange(4)}, folder / "integers.pt")
