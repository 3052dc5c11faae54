# SPDX-License-Identifier: Apache-2.0
"""Make the sample feature-map dumps which lie next to this script.

A small residual network is trained on the hand-written digits that come with scikit-learn, and
its feature maps for a few held-out images are written in the containers and number formats a
feature-map dump usually has: HDF5, NPZ and NPY; float32, int8 and uint8.

Run it as ``python samples/make_samples.py [OUTPUT_FOLDER]``; it needs ``torch``,
``scikit-learn`` and ``h5py``. Training takes well under a minute on one CPU core. The run ends
with the table of the written layers, measured on the files after reading them back.
"""

from __future__ import annotations

import copy
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import sklearn  # type: ignore[import-untyped]
import torch
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

SEED = 20240
EPOCHS = 12
BATCH_SIZE = 64
TEST_FRACTION = 0.25
MIN_ACCURACY = 0.95

# The gradients are taken early in training: once the loss is nearly zero they are no longer
# what a training accelerator has to move most of the time.
GRADIENT_EPOCH = 1

FLOAT_FRAMES = 8  # float32 takes four times the space, so it gets half the frames
INT_FRAMES = 16  # the first FLOAT_FRAMES of them are the frames of the float32 file
GRADIENT_FRAMES = 8

INT8_MIN, INT8_MAX = -128, 127

FloatArray = npt.NDArray[np.float32]
Int8Array = npt.NDArray[np.int8]
AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Layer:
    """One feature map of the network that is dumped.

    Attributes
    ----------
    stage, tensor : str
        The two parts of the layer's name: ``stage_tensor`` where names are flat,
        ``/stage/tensor`` in a file with groups.
    module : str
        Name of the PyTorch module whose output it is.
    op : str
        What an inference engine which folds batch norm would call the operator.
    post_activation : bool
        Whether the values are the output of a ReLU.
    """

    stage: str
    tensor: str
    module: str
    op: str
    post_activation: bool

    @property
    def name(self) -> str:
        """Flat name, such as ``stage1_relu2``."""
        return f"{self.stage}_{self.tensor}"

    @property
    def path(self) -> str:
        """Name in a file with groups, such as ``/stage1/relu2``."""
        return f"/{self.stage}/{self.tensor}"


# `conv2` is taken after its batch norm, as inference folds the two into one operator and the
# bare convolution output never reaches memory there.
LAYERS = (
    Layer("stem", "relu", "stem.relu", "conv2d+bn+relu", True),
    Layer("stage1", "conv2", "stage1.bn2", "conv2d+bn", False),
    Layer("stage1", "relu2", "stage1.relu2", "add+relu", True),
    Layer("stage2", "relu1", "stage2.relu1", "conv2d+bn+relu", True),
    Layer("stage2", "conv2", "stage2.bn2", "conv2d+bn", False),
    Layer("stage2", "relu2", "stage2.relu2", "add+relu", True),
    Layer("head", "logits", "logits", "conv2d", False),
)

# Dataset name in the gradient file -> the ReLU module at whose input the gradient is taken.
GRADIENTS = {
    "stem_grad": "stem.relu",
    "stage1_grad2": "stage1.relu2",
    "stage2_grad1": "stage2.relu1",
    "stage2_grad2": "stage2.relu2",
}

UINT8_LAYERS = ("stem_relu", "stage1_relu2", "stage2_relu1", "stage2_relu2")
NPY_LAYER = "stage1_relu2"

# Stored contiguously in the HDF5 files; all other layers are chunked by frame and gzipped.
CONTIGUOUS = {"stage1_conv2", "stage2_conv2", "stage2_relu2", "head_logits"}


class Stem(nn.Module):
    """First convolution with batch norm and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the feature maps of images `x`."""
        out: Tensor = self.relu(self.bn(self.conv(x)))
        return out


class ResidualBlock(nn.Module):
    """Basic residual block (two 3x3 convolutions), with a projection where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        # Each ReLU is a module of its own, and not in place, so that hooks can tell them apart.
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False),
                nn.BatchNorm2d(outputs),
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``relu2(branch(x) + shortcut(x))``."""
        branch: Tensor = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu2(branch + self.shortcut(x))
        return out


class DigitNet(nn.Module):
    """Residual network for 16x16 digits: stem, two residual blocks, pooling, classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem(16)
        self.stage1 = ResidualBlock(16, 16, stride=1)
        self.stage2 = ResidualBlock(16, 32, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        # A 1x1 convolution in place of a linear layer keeps the logits in NCHW, too.
        self.logits = nn.Conv2d(32, 10, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, shape (frames, 10, 1, 1), of images `x`."""
        out: Tensor = self.logits(self.pool(self.stage2(self.stage1(self.stem(x)))))
        return out


@dataclass(frozen=True)
class Digits:
    """Training and held-out part of the digits, as tensors (frames, 1, 16, 16) and labels."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def load_data() -> Digits:
    """Load scikit-learn's digits, scale them to [0, 1], upsample to 16x16 and split them."""
    digits = load_digits()
    images = torch.from_numpy(digits.images.astype(np.float32))[:, None] / 16.0
    # 8x8 is too small for feature maps worth compressing; twice that still looks like a digit.
    images = nn.functional.interpolate(
        images, scale_factor=2.0, mode="bilinear", align_corners=False
    )
    labels = torch.from_numpy(digits.target.astype(np.int64))
    train, test = train_test_split(
        np.arange(len(labels)),
        test_size=TEST_FRACTION,
        stratify=digits.target,
        random_state=SEED,
    )
    return Digits(images[train], labels[train], images[test], labels[test])


def make_deterministic() -> None:
    """Seed PyTorch and keep it to deterministic kernels on one thread.

    One thread because the order of a parallel reduction, and with it the last bits of a sum,
    depends on the number of threads.
    """
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)


def train(model: DigitNet, data: Digits) -> dict[str, FloatArray]:
    """Train `model` in place.

    Parameters
    ----------
    model : DigitNet
        The network, freshly initialised.
    data : Digits
        Images and labels; only the training part is used.

    Returns
    -------
    dict of str to ndarray
        The gradient maps of one training batch after `GRADIENT_EPOCH` epochs, by dataset name.
    """
    gradients: dict[str, FloatArray] = {}
    count = len(data.train_labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)
    steps = count // BATCH_SIZE  # the last, incomplete batch of an epoch is left out
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps)
    shuffle = torch.Generator().manual_seed(SEED)

    model.train()
    for epoch in range(EPOCHS):
        order = torch.randperm(count, generator=shuffle)
        batches = order[: steps * BATCH_SIZE].view(steps, BATCH_SIZE)
        if epoch == GRADIENT_EPOCH:
            first = batches[0]
            gradients = capture_gradients(model, data.train_images[first], data.train_labels[first])
        for batch in batches:
            optimizer.zero_grad()
            logits = model(data.train_images[batch]).flatten(1)
            torch.autograd.backward(nn.functional.cross_entropy(logits, data.train_labels[batch]))
            optimizer.step()
            schedule.step()
    return gradients


@torch.no_grad()
def measure_accuracy(model: DigitNet, data: Digits) -> float:
    """Return the share of held-out images which `model` classifies correctly."""
    model.eval()
    predicted = model(data.test_images).flatten(1).argmax(dim=1)
    return float((predicted == data.test_labels).double().mean())


@torch.no_grad()
def capture_activations(model: DigitNet, images: Tensor) -> dict[str, FloatArray]:
    """Run `model` for inference and return the output of each of `LAYERS`, by layer name."""
    captured: dict[str, FloatArray] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            captured[name] = output.detach().numpy().copy()

        return hook

    handles: list[RemovableHandle] = [
        model.get_submodule(layer.module).register_forward_hook(keep(layer.name))
        for layer in LAYERS
    ]
    model.eval()
    model(images)
    for handle in handles:
        handle.remove()
    return captured


def capture_gradients(model: DigitNet, images: Tensor, labels: Tensor) -> dict[str, FloatArray]:
    """Return the gradient of the loss by the input of each ReLU in `GRADIENTS`.

    Parameters
    ----------
    model : DigitNet
        The network; it is left unchanged.
    images, labels : Tensor
        One training batch.

    Returns
    -------
    dict of str to ndarray
        Gradient maps of the first `GRADIENT_FRAMES` frames of the batch, by dataset name.
    """
    # A copy, as a forward pass in training mode moves the running statistics of batch norm.
    model = copy.deepcopy(model).train()
    captured: dict[str, FloatArray] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, grad_input: Any, _grad_output: Any) -> None:
            captured[name] = grad_input[0][:GRADIENT_FRAMES].numpy().copy()

        return hook

    for name, module in GRADIENTS.items():
        model.get_submodule(module).register_full_backward_hook(keep(name))
    torch.autograd.backward(nn.functional.cross_entropy(model(images).flatten(1), labels))
    return {name: captured[name] for name in GRADIENTS}


@dataclass(frozen=True)
class Quantization:
    """Asymmetric per-tensor quantisation: ``real = scale * (q - zero_point)``."""

    scale: float
    zero_point: int

    @classmethod
    def calibrate(cls, values: FloatArray) -> Quantization:
        """Choose the int8 parameters from the range of `values`, as TFLite's converter does.

        The range always includes 0, so that real zero has an exact code. What is never negative,
        such as the output of a ReLU, gets zero point -128 by that.
        """
        low = min(float(values.min()), 0.0)
        high = max(float(values.max()), 0.0)
        scale = (high - low) / (INT8_MAX - INT8_MIN)
        zero_point = round(INT8_MIN - low / scale)
        return cls(scale, max(INT8_MIN, min(INT8_MAX, zero_point)))

    def to_int8(self, values: FloatArray) -> Int8Array:
        """Quantise `values`, rounding halves away from zero and saturating, as TFLite does."""
        real = values.astype(np.float64) / self.scale
        codes = np.copysign(np.floor(np.abs(real) + 0.5), real) + self.zero_point
        saturated: Int8Array = np.clip(codes, INT8_MIN, INT8_MAX).astype(np.int8)
        return saturated


def write_root_attributes(file: h5py.File, title: str) -> None:
    """Note in the root group of `file` what the dump is and where it comes from."""
    file.attrs["title"] = title
    file.attrs["model"] = "DigitNet (2 residual blocks), trained by samples/make_samples.py"
    file.attrs["source"] = "UCI Optical Recognition of Handwritten Digits, via scikit-learn"
    file.attrs["license"] = "Apache-2.0"
    file.attrs["framework"] = f"PyTorch {torch.__version__.partition('+')[0]}"


def write_dataset(
    file: h5py.File, path: str, values: AnyArray, *, contiguous: bool
) -> h5py.Dataset:
    """Write `values` at `path`, contiguously or as gzipped chunks of one frame each.

    Time stamps are off (also h5py's default): the file shall depend on nothing but its content.
    """
    if contiguous:
        return file.create_dataset(path, data=values, track_times=False)
    return file.create_dataset(
        path,
        data=values,
        chunks=(1, *values.shape[1:]),
        compression="gzip",
        compression_opts=9,
        shuffle=values.itemsize > 1,
        track_times=False,
    )


def write_layer_attributes(dataset: h5py.Dataset, layer: Layer) -> None:
    """Describe the layer at its dataset."""
    dataset.attrs["layer"] = layer.name
    dataset.attrs["op"] = layer.op
    dataset.attrs["layout"] = "NCHW"
    dataset.attrs["post_activation"] = np.bool_(layer.post_activation)


def write_float32(path: Path, maps: dict[str, FloatArray], accuracy: float) -> None:
    """Write the activations as they are, under flat names."""
    with h5py.File(path, "w") as file:
        write_root_attributes(file, "Feature maps of a digit classifier, float32")
        file.attrs["test_accuracy"] = accuracy
        for layer in LAYERS:
            values = maps[layer.name][:FLOAT_FRAMES]
            contiguous = layer.name in CONTIGUOUS
            write_layer_attributes(
                write_dataset(file, layer.name, values, contiguous=contiguous), layer
            )


def write_int8(
    path: Path,
    maps: dict[str, Int8Array],
    quantizations: dict[str, Quantization],
    labels: npt.NDArray[np.int64],
    accuracy: float,
) -> None:
    """Write the int8 activations in one group per stage, with labels and class names."""
    with h5py.File(path, "w") as file:
        write_root_attributes(file, "Feature maps of a digit classifier, int8")
        file.attrs["test_accuracy"] = accuracy
        for layer in LAYERS:
            contiguous = layer.name in CONTIGUOUS
            dataset = write_dataset(file, layer.path, maps[layer.name], contiguous=contiguous)
            write_layer_attributes(dataset, layer)
            quantization = quantizations[layer.name]
            dataset.attrs["scale"] = np.float64(quantization.scale)
            dataset.attrs["zero_point"] = np.int64(quantization.zero_point)
        for stage in ("stage1", "stage2"):
            file[stage].attrs["block"] = "basic residual block"
        # Not every dataset in a dump is a feature map: integers and strings lie beside them.
        write_dataset(file, "labels", labels, contiguous=True)
        names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
        file.create_dataset("class_names", data=names, dtype=h5py.string_dtype(), track_times=False)


def write_gradients(path: Path, maps: dict[str, FloatArray]) -> None:
    """Write the gradient maps."""
    with h5py.File(path, "w") as file:
        write_root_attributes(file, "Gradient maps of a digit classifier, float32")
        file.attrs["epochs_trained"] = np.int64(GRADIENT_EPOCH)
        file.attrs["batch_size"] = np.int64(BATCH_SIZE)
        for name, values in maps.items():
            dataset = write_dataset(file, name, values, contiguous=name == "stage2_grad2")
            dataset.attrs["layer"] = name
            dataset.attrs["quantity"] = f"dL/d(input of {GRADIENTS[name]})"
            dataset.attrs["layout"] = "NCHW"
            dataset.attrs["post_activation"] = np.bool_(False)


def read_layers(path: Path) -> Iterator[tuple[str, AnyArray, int]]:
    """Yield name, values and zero point of each feature map in a dump."""
    if path.suffix == ".npy":
        yield "(the array)", np.load(path), INT8_MIN
    elif path.suffix == ".npz":
        with np.load(path) as archive:
            for name in archive.files:
                yield name, archive[name], 0
    else:
        with h5py.File(path, "r") as file:
            found: list[tuple[str, AnyArray, int]] = []

            def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
                if isinstance(item, h5py.Dataset) and item.attrs.get("layout") == "NCHW":
                    found.append((name, item[()], int(item.attrs.get("zero_point", 0))))

            file.visititems(visit)
        yield from found


def print_table(paths: list[Path]) -> None:
    """Print the layers of the written files as the Markdown table of the README."""
    print("| file | layer | dtype | shape (N, C, H, W) | zero point | sparsity |")
    print("|---|---|---|---|---:|---:|")
    for path in paths:
        for name, values, zero_point in read_layers(path):
            shape = " x ".join(map(str, values.shape))
            sparsity = float((values == zero_point).mean())
            code = "" if values.dtype.kind == "f" else str(zero_point)
            print(
                f"| `{path.name}` | `{name}` | {values.dtype} | {shape} | {code} "
                f"| {100 * sparsity:.1f} % |"
            )


def main() -> None:
    """Train the network, write the dumps and print what is in them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    folder.mkdir(parents=True, exist_ok=True)

    make_deterministic()
    data = load_data()
    model = DigitNet()
    gradients = train(model, data)
    accuracy = measure_accuracy(model, data)
    if accuracy <= MIN_ACCURACY:
        raise SystemExit(f"test accuracy {accuracy:.4f}: the network did not learn the digits")

    maps = capture_activations(model, data.test_images[:INT_FRAMES])
    # Ranges come from training images, so a few values of the test frames may saturate, as in use.
    quantizations = {
        name: Quantization.calibrate(values)
        for name, values in capture_activations(model, data.train_images).items()
    }
    int8_maps = {name: quantizations[name].to_int8(values) for name, values in maps.items()}
    # With zero point 0 and the same scale, the uint8 code is the int8 code of zero point -128
    # moved up by 128, which is a flip of the top bit.
    uint8_maps = {name: int8_maps[name].view(np.uint8) ^ np.uint8(0x80) for name in UINT8_LAYERS}
    labels = data.test_labels[:INT_FRAMES].numpy()

    paths = [
        folder / "digits_f32.h5",
        folder / "digits_int8.h5",
        folder / "digits_grad_f32.h5",
        folder / "digits_uint8.npz",
        folder / "digits_relu_int8.npy",
    ]
    write_float32(paths[0], maps, accuracy)
    write_int8(paths[1], int8_maps, quantizations, labels, accuracy)
    write_gradients(paths[2], gradients)
    # The names are free; NumPy's stub takes them for its own keyword.
    np.savez(paths[3], **uint8_maps)  # type: ignore[arg-type]
    np.save(paths[4], int8_maps[NPY_LAYER])

    versions = (
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"scikit-learn {sklearn.__version__}, h5py {h5py.__version__}, NumPy {np.__version__}"
    )
    print(f"{versions}\ntest accuracy {accuracy:.4f} ({len(data.test_labels)} images)\n")
    for path in paths:
        print(f"{path.name}: {path.stat().st_size} bytes")
    print()
    print_table(paths)


if __name__ == "__main__":
    main()
