"""Do 16-bit weights predict what the 32-bit ones do, and what our side does? On the first test digits, in PyTorch.

Usage: python f16_predictions.py HALF.safetensors --data DIR [--full FULL.safetensors] [--ours VERDICTS.json] [--count N]

DIR holds MNIST's test digits as IDX files, raw or gzipped. FULL is the file that HALF was rounded from; without it
the 32-bit network is not compared. VERDICTS is what `saddle attack --weights HALF --out VERDICTS.json` wrote on
the same digits. Prints one line of JSON; ends with 1 if any prediction differs. Works for every network that a weight
file of ours can describe, as its list of layers stands in its metadata.
"""

import argparse
import gzip
import json
import sys
from pathlib import Path

import judge
import network as networks
import numpy
import torch


def idx(folder: Path, name: str) -> numpy.ndarray:
    """An IDX file of bytes: two zeros, the type 8, the number of sides, each side in 4 bytes, then the data."""
    packed = folder / f"{name}.gz"
    data = gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()
    assert data[:3] == b"\0\0\x08", f"{name} is not an IDX file of bytes"
    sides = numpy.frombuffer(data, ">u4", data[3], 4)
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * data[3]).reshape(sides)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("half", help="16-bit weight file")
    flags.add_argument("--data", type=Path, required=True, help="folder of MNIST's test digits")
    flags.add_argument("--full", help="the weight file that it was rounded from")
    flags.add_argument("--ours", help="verdicts of `saddle attack --out` on the same weights")
    flags.add_argument("--count", type=int, default=1000, help="test digits")
    flags = flags.parse_args()

    images = torch.from_numpy(idx(flags.data, "t10k-images-idx3-ubyte")[: flags.count].astype(numpy.float32) / 255)[:, None]
    labels = torch.from_numpy(idx(flags.data, "t10k-labels-idx1-ubyte")[: flags.count].astype(numpy.int64))
    half = judge.predictions(networks.load(flags.half)[0], images)
    found = {"weights": flags.half, "digits": len(labels), "correct": int((half == labels).sum())}
    differing = 0
    if flags.full:
        full = judge.predictions(networks.load(flags.full)[0], images)
        found["correct_in_32_bits"] = int((full == labels).sum())
        found["differing_from_32_bits"] = int((full != half).sum())
        differing += found["differing_from_32_bits"]
    if flags.ours:
        verdicts = json.loads(Path(flags.ours).read_text())["verdicts"]
        pairs = [(int(half[one["id"]]), one["natural_prediction"]) for one in verdicts if one["id"] < flags.count]
        found["compared_with_ours"] = len(pairs)
        found["differing_from_ours"] = sum(theirs != ours for theirs, ours in pairs)
        differing += found["differing_from_ours"]
    print(json.dumps(found))
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
