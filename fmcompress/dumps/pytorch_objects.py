"""What `torch.save` puts in its pickle: tensors and storages as descriptions, without torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from fmcompress.contents import MAX_AXES
from fmcompress.dumps.file_dtypes import FileDtype
from fmcompress.dumps.pickle_machine import HINT, MAX_TEXT, Global, Makers, Opaque, Table, unpickle
from fmcompress.dumps.pytorch_dtypes import KINDS, STORAGES
from fmcompress.errors import DamagedError, UnsupportedError

# A tensor that was saved alone has no name.
UNNAMED = "tensor"
_MAX_DEPTH = 64
_MAX_VISITS = 1 << 19
_MAX_TENSORS = 1 << 16
_MAX_NOTES = 1 << 6  # on one tensor
_LARGEST = (1 << 63) - 1


_UNTYPED = Global("torch.storage", "UntypedStorage")
_PER_CHANNEL = (
    Global("torch", "per_channel_affine"),
    Global("torch", "per_channel_affine_float_qparams"),
)


@dataclass(frozen=True, slots=True)
class Storage:
    """A member of the archive, by its key, and what it holds."""

    key: str
    kind: FileDtype
    nbytes: int


@dataclass(frozen=True, slots=True)
class Strided:
    """A tensor: where its elements lie in a storage; offset and strides count elements.

    `marks` says whether they are meant conjugated or negated: what lies there is not.
    """

    storage: Storage
    kind: FileDtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    @property
    def extent(self) -> int:
        """Elements from the first to the last, both included."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))

    @property
    def order(self) -> str | tuple[int, ...]:
        """How the elements lie without gaps: ``"C"``, ``"F"``, or the axes as they run, slowest first.

        Empty where there are gaps, or elements are shared.
        """
        axes = range(len(self.shape))
        if self._dense(axes[::-1]):
            return "C"
        if self._dense(axes):
            return "F"
        running = tuple(sorted(axes, key=lambda axis: -self.strides[axis]))
        return running if self._dense(running[::-1]) else ""

    def _dense(self, axes: Any) -> bool:
        expected = 1
        for axis in axes:
            if self.shape[axis] != 1 and self.strides[axis] != expected:
                return False
            expected *= self.shape[axis]
        return True


# --- Makers -------------------------------------------------------------------------------


def _counts(values: Any) -> tuple[int, ...]:
    if type(values) is not tuple or len(values) > MAX_AXES:
        raise UnsupportedError(f"a tensor has a shape that is none, or more than {MAX_AXES} axes")
    if not all(type(value) is int and 0 <= value <= _LARGEST for value in values):
        raise DamagedError("a tensor has a shape or strides that are no whole numbers")
    return values


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, kind: FileDtype | None = None
) -> Strided:
    if type(storage) is not Storage:
        raise DamagedError("a tensor has no storage")
    kind = kind or storage.kind
    shape, strides = _counts(size), _counts(stride)
    (start,) = _counts((offset,))
    if len(shape) != len(strides):
        raise DamagedError("a tensor's shape and strides are of different lengths")
    tensor = Strided(storage, kind, start, shape, strides)
    # Also of an array without elements: NumPy cannot make it.
    if math.prod(n for n in shape if n) * max(kind.bits // 8, 1) > _LARGEST:
        raise DamagedError("a tensor is too large")
    if tensor.extent and (start + tensor.extent) * kind.bits > 8 * storage.nbytes:
        raise DamagedError("a tensor reaches past the end of its storage")
    return tensor


def _tensor_v2(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    metadata: Any = None,
) -> Strided:
    return _marked(_tensor(storage, offset, size, stride), metadata)


def _tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Strided:
    kind = KINDS.get(dtype.name) if type(dtype) is Global and dtype.module == "torch" else None
    if kind is None:
        raise DamagedError("a tensor has no dtype")
    return _marked(_tensor(storage, offset, size, stride, kind), metadata)


def _marked(tensor: Strided, metadata: Any) -> Strided:
    """Note what is still to be done to the elements."""
    if type(metadata) is not Table or not len(metadata):
        return tensor
    if len(metadata) > _MAX_NOTES:
        raise DamagedError("a tensor has more marks than there are")
    marks = tuple(text for text, value in metadata.items() if value is True)
    if not set(marks) <= {"conj", "neg"} or (marks and tensor.kind.code[:1] not in ("f", "c")):
        raise UnsupportedError("a tensor has unknown marks", hint=HINT)
    return replace(tensor, marks=marks)


def _quantised(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    quantizer: Any,
    requires_grad: Any,
    hooks: Any,
) -> Strided:
    tensor = _tensor(storage, offset, size, stride)
    scheme, scale, zero_point, *rest = quantizer
    found: dict[str, Any] = {"scale": scale, "zero_point": zero_point}
    if scheme == Global("torch", "per_tensor_affine"):
        valid = type(scale) is float and type(zero_point) is int and not rest
    elif scheme not in _PER_CHANNEL:
        raise UnsupportedError("a tensor is quantised in an unknown way")
    else:
        (axis,) = rest
        found["axis"] = axis
        valid = type(axis) is int and 0 <= axis < len(tensor.shape)
        valid = valid and all(
            type(values) is Strided
            and values.shape == (tensor.shape[axis],)
            and values.order == "C"
            and bool(values.kind.code)
            for values in (scale, zero_point)
        )
    if not valid:
        raise DamagedError("a quantised tensor has no valid scale or zero point")
    return replace(tensor, attributes=found)


def _parameter(data: Any, requires_grad: Any, hooks: Any, state: Any = None) -> Any:
    if type(data) is not Strided:
        raise DamagedError("a parameter is no tensor")
    return _with_state(data, state)


def _typed(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """Make a tensor that has attributes of its own."""
    maker = _TENSORS.get(function) if type(function) is Global else None
    if maker is None or type(arguments) is not tuple:
        raise UnsupportedError("its pickle has a tensor of an unknown kind", hint=HINT)
    return _with_state(maker(*arguments), state)


def _with_state(tensor: Strided, state: Any) -> Strided:
    """Take what was noted on a tensor as its attributes, where these are plain values."""
    if type(state) is tuple and state:
        state = state[0]
    if type(state) is not Table or len(state) > _MAX_NOTES:
        return tensor
    noted = {key: value for key, value in state.items() if type(value) in (bool, int, float, str)}
    return replace(tensor, attributes={**noted, **tensor.attributes})


def _listed(items: Any = ()) -> Any:
    """Take a list or tuple as it is for the set or size that is made of it."""
    if type(items) not in (list, tuple):
        raise DamagedError("a set or size is made of what is no list")
    return items


def _anything(*_: Any) -> Opaque:
    return Opaque("object")


_TENSORS: Makers = {
    Global("torch._utils", "_rebuild_tensor"): _tensor,
    Global("torch._utils", "_rebuild_tensor_v2"): _tensor_v2,
    Global("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    Global("torch._utils", "_rebuild_qtensor"): _quantised,
}
_MAKERS: Makers = {
    **_TENSORS,
    Global("torch._utils", "_rebuild_parameter"): _parameter,
    Global("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    Global("torch._tensor", "_rebuild_from_type_v2"): _typed,
    Global("torch", "Tensor"): None,
    Global("torch.nn.parameter", "Parameter"): None,
    Global("torch", "Size"): _listed,
    Global("torch", "device"): _anything,
    Global("torch.serialization", "_get_layout"): _anything,
    Global("torch", "per_tensor_affine"): None,
    **dict.fromkeys(_PER_CHANNEL),
    Global("collections", "OrderedDict"): Table,
    Global("_codecs", "encode"): _anything,
    **{
        Global(module, name): maker
        for module in ("__builtin__", "builtins")
        for name, maker in (
            ("set", _listed),
            ("frozenset", _listed),
            ("bytes", _anything),
            ("bytearray", _anything),
            ("complex", _anything),
        )
    },
    **{Global("torch", name): None for name in (*KINDS, *STORAGES)},
    _UNTYPED: None,
}


def _storage(identity: Any) -> Storage:
    """Make what a persistent id stands for: ("storage", type, key, device, number of elements)."""
    if type(identity) is not tuple or len(identity) < 5 or identity[0] != "storage":
        raise UnsupportedError("its pickle refers to what is no storage", hint=HINT)
    _, type_, key, _, count = identity[:5]
    if type(key) is not str or type(count) is not int or not 0 <= count <= _LARGEST:
        raise DamagedError("its pickle refers to a storage that is none")
    if type_ == _UNTYPED:
        return Storage(key, KINDS["uint8"], count)
    kind = KINDS.get(STORAGES.get(type_.name, "")) if type(type_) is Global else None
    if kind is None:
        raise UnsupportedError("its pickle refers to a storage of an unknown type", hint=HINT)
    return Storage(key, kind, -(-count * kind.bits // 8))


# --- Reading ------------------------------------------------------------------------------


def read_objects(data: bytes) -> tuple[dict[str, Strided], dict[str, dict[str, Any]]]:
    """Find the tensors in what `torch.save` pickled, and the plain values beside them.

    Returns
    -------
    dict of str to Strided
        By path: keys, and numbers of items, with ``/`` between containers.
    dict of str to dict
        Numbers and texts, by path of their dict and key; of the outermost dict under ``""``.

    Raises
    ------
    DamagedError
        If the pickle is cut, or contradicts itself.
    UnsupportedError
        If it needs more than tensors in plain containers.
    """
    tensors: dict[str, Strided] = {}
    values: dict[str, dict[str, Any]] = {}
    for path, parent, key, value in _walk(unpickle(data, _MAKERS, _storage)):
        if type(value) is Strided:
            if path in tensors:
                raise UnsupportedError(
                    "two tensors have this path", layer=path, hint="rename one of them"
                )
            tensors[path] = value
            if len(tensors) > _MAX_TENSORS:
                raise UnsupportedError(f"holds more than {_MAX_TENSORS} tensors", hint=HINT)
        elif type(value) in (bool, int, float, str):
            values.setdefault(parent, {})[key] = value
    return tensors, values


def _walk(root: Any) -> Iterator[tuple[str, str, str, Any]]:
    """Yield path, path of the dict, key in it, and value, of tensors and of plain values in dicts.

    Only tensors have a path.
    """
    if type(root) is Storage:
        root = _alone(root)
    if type(root) is Strided:
        yield UNNAMED, "", UNNAMED, root
        return
    waiting = [("", type(root) is Table, _children(root))]
    for _ in range(_MAX_VISITS):
        parent, is_table, children = waiting[-1]
        key, value = next(children, (None, None))
        if key is None:
            waiting.pop()
            if not waiting:
                return
            continue
        if type(value) is Storage:
            value = _alone(value)
        if type(value) in (bool, int, float, str):
            if is_table:
                yield "", parent, key, value
        elif type(value) in (Strided, Table, list, tuple):
            if len(parent) + len(key) > MAX_TEXT or len(waiting) > _MAX_DEPTH:
                raise UnsupportedError("its containers nest too deeply", hint=HINT)
            path = f"{parent}/{key}" if len(waiting) > 1 else key
            if type(value) is Strided:
                yield path, parent, key, value
            else:
                waiting.append((path, type(value) is Table, _children(value)))
    raise UnsupportedError("its containers hold too much", hint=HINT)


def _alone(storage: Storage) -> Strided:
    count = storage.nbytes * 8 // storage.kind.bits
    return Strided(storage, storage.kind, 0, (count,), (1,))


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) is Table:
        return value.items()
    if type(value) in (list, tuple):
        return ((str(number), item) for number, item in enumerate(value))
    return iter(())
