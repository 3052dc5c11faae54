"""A pickle machine that can run nothing: it makes plain values, and names that stay names.

The `pickle` module calls whatever a pickle tells it to. This machine has the operations that
plain containers need, calls makers of ours and nothing else, hashes and compares text only, and
counts what it makes, so that a pickle cannot take more memory than is bounded here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from fmcompress.errors import DamagedError, FmcError, UnsupportedError

HINT = "save a plain dict of tensors; nothing in a pickle is ever run"
MAX_PICKLE_BYTES = 1 << 24
MAX_OPERATIONS = 1 << 22
MAX_OBJECTS = 1 << 19
MAX_TEXT = 1 << 12  # of names, in characters
_MAX_MARKS = 1 << 10
_MAX_INTEGER_BYTES = 1 << 10
_HIGHEST_PROTOCOL = 5


class Global(NamedTuple):
    """A class or function that a pickle names. It is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


# What stands for a callable: a function of ours; None where the name alone has a meaning.
Makers = Mapping[Global, "Callable[..., Any] | None"]


class Opaque(NamedTuple):
    """A value that means nothing to us, as bytes or a device."""

    what: str


class Table:
    """A dict, ordered or not, or an object's attributes; keys are told apart by type and text."""

    def __init__(self) -> None:
        self._items: dict[tuple[type, str], Any] = {}

    def __setitem__(self, key: Any, value: Any) -> None:
        self._items[type(key), _key_text(key)] = value

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield keys, as text, and values, in order; a text may come twice (1 and "1")."""
        for (_, text), value in self._items.items():
            yield text, value


def _key_text(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, Global) or key is None or type(key) in (bool, int, float):
        return str(key)
    plain = isinstance(key, tuple) and all(type(part) in (bool, int, float, str) for part in key)
    if plain and sum(len(part) if isinstance(part, str) else 8 for part in key) <= MAX_TEXT:
        return str(key)
    raise UnsupportedError("a dict in its pickle has a key that is no text or number", hint=HINT)


def unpickle(data: bytes, makers: Makers, storage: Callable[[Any], Any]) -> Any:
    """Read a pickle of protocol 2 to 5.

    Parameters
    ----------
    data : bytes
    makers : mapping of Global
        Every name that the pickle may have, and the function of ours that stands for it. A pickle
        may call it again and again: what it makes must take little memory, whatever it is given.
    storage : callable
        Makes a value of a persistent id.

    Returns
    -------
    object
        None, bool, int, float, str, `Opaque`, `Global`, list (also of a set), tuple, `Table`, or
        what makers make. Lists and tables may hold themselves.

    Raises
    ------
    DamagedError
        If it is cut or contradicts itself.
    UnsupportedError
        If it names anything else, needs other operations, or is too large.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise UnsupportedError(f"a pickle of {len(data)} bytes is too large", hint=HINT)
    return _Machine(data, makers, storage).run()


class _Machine:
    def __init__(self, data: bytes, makers: Makers, storage: Callable[[Any], Any]) -> None:
        self._data = data
        self._at = 0
        self._makers = makers
        self._storage = storage
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks below marks
        self._memo: dict[int, Any] = {}
        self._objects = 0

    def run(self) -> Any:
        for _ in range(MAX_OPERATIONS):
            code = self.take(1)
            if code == b".":
                value = self.pop()
                if self._stack or self._below:
                    raise DamagedError("its pickle ends too early")
                return value
            if code not in _OPERATIONS:
                raise UnsupportedError(
                    f"its pickle has an operation that is not known here ({code!r})", hint=HINT
                )
            _OPERATIONS[code](self)
        raise UnsupportedError("its pickle is too long", hint=HINT)

    # --- What operations are made of ---

    def take(self, size: int) -> bytes:
        """Take the next bytes of the pickle."""
        part = self._data[self._at : self._at + size]
        if len(part) < size:
            raise DamagedError("its pickle is cut")
        self._at += size
        return part

    def number(self, code: str) -> Any:
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def text(self, code: str) -> str:
        try:
            return self.take(self.number(code)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise DamagedError("its pickle has text that is not UTF-8") from error

    def line(self) -> str:
        end = self._data.find(b"\n", self._at, self._at + MAX_TEXT)
        if end < 0:
            raise DamagedError("its pickle has a name without end")
        line = self.take(end + 1 - self._at)[:-1]
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DamagedError("its pickle has a name that is not UTF-8") from error

    def push(self, value: Any) -> None:
        """Push a value that takes memory."""
        self._objects += 1
        if self._objects > MAX_OBJECTS:
            raise UnsupportedError("its pickle makes too many objects", hint=HINT)
        self._stack.append(value)

    def push_constant(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        if not self._stack:
            raise DamagedError("its pickle takes more from its stack than is there")
        return self._stack.pop()

    def top(self, kind: type, what: str) -> Any:
        """Return the top of the stack if it is of a type of ours."""
        if not self._stack or type(self._stack[-1]) is not kind:
            raise UnsupportedError(f"its pickle {what}", hint=HINT)
        return self._stack[-1]

    def pop_mark(self) -> list[Any]:
        if not self._below:
            raise DamagedError("its pickle takes more from its stack than is there")
        items, self._stack = self._stack, self._below.pop()
        return items

    # --- Operations ---

    def protocol(self) -> None:
        version = self.take(1)[0]
        if version > _HIGHEST_PROTOCOL:
            raise UnsupportedError(f"pickle protocol {version} is unknown", hint=HINT)

    def frame(self) -> None:
        if self.number("<Q") > len(self._data) - self._at:
            raise DamagedError("its pickle is cut")

    def mark(self) -> None:
        if len(self._below) >= _MAX_MARKS:
            raise UnsupportedError("its pickle nests too deeply", hint=HINT)
        self._below.append(self._stack)
        self._stack = []

    def drop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self.pop_mark()

    def duplicate(self) -> None:
        value = self.pop()
        self._stack += (value, value)

    def integer(self, code: str) -> None:
        size = self.number(code)
        if not 0 <= size <= _MAX_INTEGER_BYTES:
            raise UnsupportedError(f"its pickle has an integer of {size} bytes", hint=HINT)
        self.push(int.from_bytes(self.take(size), "little", signed=True))

    def raw(self, code: str) -> None:
        self.take(self.number(code))
        self.push_constant(_BYTES)

    def pack(self, count: int) -> None:
        items = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    def append(self) -> None:
        value = self.pop()
        self.top(list, "appends to what is no list").append(value)

    def extend(self) -> None:
        items = self.pop_mark()
        self.top(list, "appends to what is no list or set").extend(items)

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.top(Table, "sets an item of what is no dict")[key] = value

    def set_items(self) -> None:
        items = self.pop_mark()
        self._fill(self.top(Table, "sets items of what is no dict"), items)

    def table(self) -> None:
        table = Table()
        self._fill(table, self.pop_mark())
        self.push(table)

    @staticmethod
    def _fill(table: Table, items: list[Any]) -> None:
        if len(items) % 2:
            raise DamagedError("its pickle has a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            table[key] = value

    def put(self, number: int) -> None:
        if len(self._memo) >= MAX_OBJECTS:
            raise UnsupportedError("its pickle remembers too much", hint=HINT)
        if not self._stack:
            raise DamagedError("its pickle takes more from its stack than is there")
        self._memo[number] = self._stack[-1]

    def memoized(self) -> int:
        return len(self._memo)

    def get(self, number: int) -> None:
        if number not in self._memo:
            raise DamagedError("its pickle takes what was never put")
        self._stack.append(self._memo[number])

    def name(self, module: Any, name: Any) -> None:
        """Push a name, if it is one that we know."""
        if type(module) is not str or type(name) is not str:
            raise DamagedError("its pickle has a name that is no text")
        found = Global(module, name)
        if found not in self._makers:
            raise UnsupportedError(f"its pickle needs {str(found)[:200]!r}", hint=HINT)
        self.push(found)

    def stack_name(self) -> None:
        name, module = self.pop(), self.pop()
        self.name(module, name)

    def call(self) -> None:
        """Call what stands for a name, a function of ours."""
        arguments, function = self.pop(), self.pop()
        maker = self._makers.get(function) if type(function) is Global else None
        if maker is None or type(arguments) is not tuple:
            raise UnsupportedError(
                f"its pickle calls {str(function)[:200]!r}"
                if type(function) is Global
                else "its pickle calls what is no name",
                hint=HINT,
            )
        try:
            value = maker(*arguments)
        except FmcError:
            raise
        except (TypeError, ValueError, OverflowError) as error:
            raise DamagedError(f"its pickle calls {function} with wrong arguments") from error
        self.push(value)

    def build(self) -> None:
        """Leave out an ordered dict's attributes, as a state dict's `_metadata`."""
        self.pop()
        self.top(Table, "sets the state of an object")

    def storage(self) -> None:
        self.push(self._storage(self.pop()))


def _refuse_new(machine: _Machine) -> NoReturn:
    machine.pop()
    found = machine.pop()
    name = f" of {found}" if type(found) is Global else ""
    raise UnsupportedError(f"its pickle makes an object{name}", hint=HINT)


_BYTES = Opaque("bytes")
_OPERATIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": _Machine.protocol,
    b"\x95": _Machine.frame,
    b"(": _Machine.mark,
    b"0": _Machine.drop,
    b"1": lambda machine: [machine.pop_mark()].clear(),
    b"2": _Machine.duplicate,
    b"N": lambda machine: machine.push_constant(None),
    b"\x88": lambda machine: machine.push_constant(True),
    b"\x89": lambda machine: machine.push_constant(False),
    b"K": lambda machine: machine.push(machine.number("<B")),
    b"M": lambda machine: machine.push(machine.number("<H")),
    b"J": lambda machine: machine.push(machine.number("<i")),
    b"\x8a": lambda machine: machine.integer("<B"),
    b"\x8b": lambda machine: machine.integer("<i"),
    b"G": lambda machine: machine.push(machine.number(">d")),
    b"\x8c": lambda machine: machine.push(machine.text("<B")),
    b"X": lambda machine: machine.push(machine.text("<I")),
    b"\x8d": lambda machine: machine.push(machine.text("<Q")),
    b"C": lambda machine: machine.raw("<B"),
    b"B": lambda machine: machine.raw("<I"),
    b"\x8e": lambda machine: machine.raw("<Q"),
    b"\x96": lambda machine: machine.raw("<Q"),
    b")": lambda machine: machine.push_constant(()),
    b"\x85": lambda machine: machine.pack(1),
    b"\x86": lambda machine: machine.pack(2),
    b"\x87": lambda machine: machine.pack(3),
    b"t": lambda machine: machine.push(tuple(machine.pop_mark())),
    b"]": lambda machine: machine.push([]),
    b"l": lambda machine: machine.push(machine.pop_mark()),
    b"a": _Machine.append,
    b"e": _Machine.extend,
    b"}": lambda machine: machine.push(Table()),
    b"d": _Machine.table,
    b"s": _Machine.set_item,
    b"u": _Machine.set_items,
    b"\x8f": lambda machine: machine.push([]),
    b"\x90": _Machine.extend,
    b"\x91": lambda machine: machine.push(machine.pop_mark()),
    b"q": lambda machine: machine.put(machine.number("<B")),
    b"r": lambda machine: machine.put(machine.number("<I")),
    b"\x94": lambda machine: machine.put(machine.memoized()),
    b"h": lambda machine: machine.get(machine.number("<B")),
    b"j": lambda machine: machine.get(machine.number("<I")),
    b"c": lambda machine: machine.name(machine.line(), machine.line()),
    b"\x93": _Machine.stack_name,
    b"R": _Machine.call,
    b"\x81": _refuse_new,
    b"\x92": _refuse_new,
    b"b": _Machine.build,
    b"Q": _Machine.storage,
}
