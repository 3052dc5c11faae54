"""Files that are read from elsewhere: a part of one, or several as one."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any, BinaryIO


class View(io.RawIOBase):
    """A file of `size` bytes that are read from elsewhere."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    @abstractmethod
    def bytes_at(self, offset: int, size: int) -> bytes | bytearray:
        """Return `size` bytes from an offset on, or fewer, but one at least."""

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read some bytes into a buffer, and return how many."""
        view = memoryview(buffer).cast("B")
        size = min(len(view), self._size - self._at)
        if size <= 0:
            return 0
        data = self.bytes_at(self._at, size)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


class Window(View):
    """A stretch of a file, read as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__(size)
        self._file = file
        self._start = start

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Return bytes of the stretch."""
        self._file.seek(self._start + offset)
        return self._file.read(size)
