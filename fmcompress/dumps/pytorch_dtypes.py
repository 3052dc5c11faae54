"""Torch's dtypes and types of storages, by name, and how their elements lie in a file."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """One of torch's dtypes: NumPy's code without byte order, and what NumPy cannot say."""

    code: str
    bits: int
    label: str
    element_type: str = ""
    carried: str = ""


def _plain(code: str, label: str) -> Kind:
    return Kind(code, 8 * int(code[1:] or 1), label)


def _opaque(bits: int, label: str) -> Kind:
    return Kind("", bits, label, carried=f"{label} has no NumPy dtype")


KINDS = {
    kind.label: kind
    for kind in (
        _plain("?", "bool"),
        *(_plain(f"{code}{size}", f"{name}{8 * size}")
          for code, name in (("i", "int"), ("u", "uint")) for size in (1, 2, 4, 8)),
        *(_plain(f"f{size}", f"float{8 * size}") for size in (2, 4, 8)),
        Kind("u2", 16, "bfloat16", "bfloat16"),
        Kind("u1", 8, "float8_e4m3fn", "float8_e4m3fn"),
        Kind("u1", 8, "float8_e5m2", "float8_e5m2"),
        Kind("i1", 8, "qint8"),
        Kind("u1", 8, "quint8"),
        Kind("i4", 32, "qint32"),
        Kind("c8", 64, "complex64", carried="complex numbers are not coded"),
        Kind("c16", 128, "complex128", carried="complex numbers are not coded"),
        *(_opaque(bits, label) for bits, label in (
            (32, "complex32"), (4, "quint4x2"), (2, "quint2x4"), (8, "float8_e4m3fnuz"),
            (8, "float8_e5m2fnuz"), (8, "float8_e8m0fnu"), (8, "float4_e2m1fn_x2"))),
    )
}  # fmt: skip
# What a storage of that type holds.
STORAGES = {
    "BoolStorage": "bool",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
}
