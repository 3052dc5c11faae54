"""Write the files of this folder with torch: ``python make.py``. No test runs this.

Expected arrays lie beside each file in an ``.npz``: bit patterns, as torch has them in memory.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
TYPES = [
    *("bool", "int8", "uint8", "int16", "int32", "int64", "float16", "bfloat16", "float32"),
    *("float64", "float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64", "complex64"),
]
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def bits(tensor: Any) -> Any:
    """Return a tensor's bit patterns as unsigned integers, in C order."""
    plain = tensor.detach()
    if plain.is_quantized:
        plain = plain.int_repr()
    if plain.is_complex():
        plain = torch.view_as_real(plain)
    plain = plain.contiguous()
    size = plain.element_size()
    return plain.view(BITS[size]).numpy().view(f"u{size}").reshape(plain.shape)


def save(name: str, value: Any, expected: dict[str, Any], **options: Any) -> None:
    """Save a value as torch does, and what is expected to be found in it."""
    torch.save(value, HERE / f"{name}.pt", **options)
    np.savez_compressed(HERE / f"{name}.npz", **{key: bits(t) for key, t in expected.items()})


def maps(*shape: int) -> Any:
    """Return small whole numbers, many of them 0."""
    return torch.randint(-9, 10, shape).clamp(min=0)


def main() -> None:
    """Write all."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        OrderedDict(conv1=torch.nn.Conv2d(2, 3, 3), bn1=torch.nn.BatchNorm2d(3))
    )
    save("state_dict", model.state_dict(), dict(model.state_dict()))
    types = {name: maps(2, 5).to(getattr(torch, name)) for name in TYPES}
    save("dtypes", types, types)
    save("protocol_5", types, types, pickle_protocol=5)
    base = maps(4, 6).to(torch.int16)
    views = {
        "base": base,
        "row": base[1],
        "same": base,
        "transposed": maps(3, 4).to(torch.int8).t(),
        "channels_last": maps(1, 2, 3, 2).to(torch.int8).to(memory_format=torch.channels_last),
        "steps": maps(12).to(torch.int32)[::2],
        "expanded": maps(1, 3).to(torch.int8).expand(4, 3),
        "tail": maps(9).to(torch.int32)[4:],
        "scalar": torch.tensor(7, dtype=torch.int16),
        "empty": torch.zeros(0, 3, dtype=torch.int8),
    }
    halves = maps(10).to(torch.int8)
    views |= {"first_half": halves[:5], "second_half": halves[5:]}
    save("views", views, views)
    noted = maps(3).to(torch.int8)
    noted.scale = 0.25
    nested = {
        "epoch": 3,
        "name": "a net",
        "rate": 0.5,
        "bytes": b"\x00\xff",
        "none": None,
        "flags": {True, False},
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "size": torch.Size([1, 2]),
        "parameter": torch.nn.Parameter(maps(2, 2).to(torch.float32)),
        "noted": noted,
        "layers": [{"out.maps": maps(2).to(torch.int8)}, (maps(3).to(torch.int8), "text")],
        "state": OrderedDict(weight=maps(4).to(torch.int16)),
        7: maps(1).to(torch.int8),
    }
    state = {"step": 1, "state": nested["state"]}
    nested["optimizer"] = state
    expected = {
        "parameter": nested["parameter"],
        "noted": noted,
        "layers/0/out.maps": nested["layers"][0]["out.maps"],
        "layers/1/0": nested["layers"][1][0],
        "state/weight": nested["state"]["weight"],
        "7": nested[7],
        "optimizer/state/weight": nested["state"]["weight"],
    }
    save("nested", nested, expected)
    real = torch.arange(-4, 8).reshape(3, 4) / 4
    scales, points = torch.tensor([0.25, 0.5, 1.0]), torch.tensor([0, 3, 1])
    quantised = {
        "per_tensor": torch.quantize_per_tensor(real, 0.25, 3, torch.qint8),
        "per_channel": torch.quantize_per_channel(real, scales, points, 0, torch.quint8),
        "wide": torch.quantize_per_tensor(real, 0.125, 0, torch.qint32),
    }
    save("quantised", quantised, quantised)
    tensor = maps(2, 3).to(torch.int8)
    save("lone", tensor, {"tensor": tensor})
    save("legacy", {"a": tensor}, {}, _use_new_zipfile_serialization=False)
    torch.jit.script(torch.nn.ReLU()).save(HERE / "torchscript.pt")
    torch.save(torch.nn.Linear(1, 1), HERE / "module.pt")
    for extra in (HERE / "legacy.npz",):
        extra.unlink()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
