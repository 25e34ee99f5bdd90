"""A network of ours rebuilt in PyTorch from what a weight file says of itself: its list of layers and its tensors."""

import json

from safetensors import safe_open
from torch import Tensor, nn


def module(layer: dict) -> nn.Module:
    match layer["kind"]:
        case "conv2d":
            sides = (layer[side] for side in ("in_channels", "out_channels", "kernel", "stride", "padding"))
            return nn.Conv2d(*sides)
        case "linear":
            return nn.Linear(layer["inputs"], layer["outputs"])
        case "relu":
            return nn.ReLU(inplace=True)
        case "max_pool2d":
            return nn.MaxPool2d(layer["window"])
        case "flatten":
            return nn.Flatten()
        case "dropout":
            return nn.Dropout(layer["rate"])
        case kind:
            raise ValueError(f"PyTorch's side does not know layers of the kind {kind!r} yet")


def load(path: str) -> tuple[nn.Sequential, dict[str, nn.Parameter], dict[str, Tensor]]:
    """The network in evaluation mode, its parameters by the file's names, and the file's other tensors."""
    with safe_open(path, "pt") as file:
        layers = json.loads(file.metadata()["architecture"])["layers"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    modules = [module(layer) for layer in layers]
    parameters = {
        f"{layer['name']}.{name}": parameter
        for layer, own in zip(layers, modules)
        for name, parameter in own.named_parameters()
    }
    for name, parameter in parameters.items():
        parameter.data.copy_(tensors.pop(name))
    return nn.Sequential(*modules).eval(), parameters, tensors
