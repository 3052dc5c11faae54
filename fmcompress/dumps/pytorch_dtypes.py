"""Torch's dtypes and types of storages, by name, and how their elements lie in a file."""

from __future__ import annotations

from fmcompress.dumps.file_dtypes import FileDtype, complex_numbers, known, opaque
from fmcompress.element_types import ELEMENT_TYPES, FOUR_BIT

KINDS = {
    kind.label: kind
    for kind in (
        # Under the same names.
        *(known(name) for name in ELEMENT_TYPES if name not in FOUR_BIT),
        FileDtype("i1", 8, "qint8"),
        FileDtype("u1", 8, "quint8"),
        FileDtype("i4", 32, "qint32"),
        complex_numbers(64),
        complex_numbers(128),
        opaque(32, "complex32"),
        opaque(4, "quint4x2"),
        opaque(2, "quint2x4"),
        opaque(8, "float8_e4m3fnuz"),
        opaque(8, "float8_e5m2fnuz"),
        opaque(8, "float8_e8m0fnu"),
        opaque(8, "float4_e2m1fn_x2"),
    )
}
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
