"""A simulator's output against what the hardware should answer: `check_vectors`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fmcompress.errors import DamagedError, FmcError, error_context
from fmcompress.progress import Progress, Step, silent
from fmcompress.vector_files import BITS, HEX, PortWords, read_port
from fmcompress.vector_set import (
    BPC,
    MANIFEST,
    OUTPUT_PORTS,
    ZNZ,
    VectorLayer,
    VectorSet,
    check_digests,
    read_manifest,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Words kept behind the last one expected: only the first of them is shown.
_KEPT_OVER = 1
# The encoder's outputs: of a layer there are both or none.
_ENCODER = (ZNZ, BPC)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where an output first differs.

    Attributes
    ----------
    transmission : int
        Number of the transmission in the file; of a word too many, that of the last one.
    chunk : int or None
        Its chunk.
    word : int
        Number of the word in the transmission.
    position : int
        Number of the word in the file.
    expected, found : str
        Words in hex, with ``last`` where the flag is set; ``nothing`` where there is none.
    """

    transmission: int
    chunk: int | None
    word: int
    position: int
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"transmission {self.transmission}, word {self.word}: "
            f"expected {self.expected}, found {self.found}"
        )


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """One output of the simulator.

    Attributes
    ----------
    file : str
        Its path.
    port : str
        The RTL's name.
    layer : str
    transmissions : int
        How many it should hold.
    words_expected, words_found : int
    last_checked : bool
        Whether the file has last flags.
    differing : int
        Words that differ, are missing or are too many.
    difference : Difference or None
        The first of these.
    unreadable : str or None
        Why the file cannot be understood, and what to do; then none of its words is found.
    """

    file: str
    port: str
    layer: str
    transmissions: int
    words_expected: int
    words_found: int
    last_checked: bool
    differing: int
    difference: Difference | None
    unreadable: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it is what it should be."""
        return self.difference is None and self.unreadable is None

    def __str__(self) -> str:
        if self.unreadable is not None:
            return f"{self.file}: {self.port}: {self.unreadable}"
        if self.difference is None:
            return f"{self.file}: {self.port}: ok"
        counts = ""
        if self.words_found != self.words_expected:
            counts = f"; {self.words_found:,} words where {self.words_expected:,} are expected"
        return f"{self.file}: {self.port}: {self.difference}{counts}"


@dataclass(slots=True)
class VectorCheck:
    """What `check_vectors` found.

    Attributes
    ----------
    folder : str
        Of the vectors.
    outputs : list of OutputCheck
        Of the files that are there, and those that should be beside them.
    not_simulated : list of str
        Layers without any output.
    """

    folder: str
    outputs: list[OutputCheck] = field(default_factory=list)
    not_simulated: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no output differs."""
        return all(output.ok for output in self.outputs)

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``fmc vectors --check --json`` prints (docs/JSON.md)."""
        return {
            "schema": "fmcompress.vectors-check/1",
            "folder": self.folder,
            "ok": self.ok,
            "outputs": [asdict(output) for output in self.outputs],
            "not_simulated": self.not_simulated,
        }


def check_vectors(
    folder: str | os.PathLike[str],
    outputs: str | os.PathLike[str] | None = None,
    *,
    progress: Progress = silent,
) -> VectorCheck:
    """Compare what a simulator wrote with the vectors that it was fed.

    Of each layer, outputs are looked for under the names ``ID.znz.out.hex`` and ``ID.bpc.out.hex``
    of the encoder, ``ID.data.out.hex`` of the decoder, or these with ``.bits``. A decoder alone, or
    some layers, may have been simulated; of the encoder's two outputs, both have to be there.

    Parameters
    ----------
    folder : path
        What `write_vectors` made.
    outputs : path, optional
        The folder of the outputs, if not the same.
    progress : callable
        Called with a `Step` now and then.

    Returns
    -------
    VectorCheck

    Raises
    ------
    FmcError
        If there are no vectors, or no outputs.
    DamagedError
        If the vectors are not as they were written. An output that cannot be understood is one
        that differs.
    UnsupportedError
        If a newer version wrote the vectors.
    OSError
        If a file cannot be read.
    """
    vectors = Path(folder)
    made = read_manifest(vectors)
    found = VectorCheck(os.fspath(folder))
    place = vectors if outputs is None else Path(outputs)
    check_digests(vectors, made, progress)
    with error_context(file=os.fspath(folder)):
        for layer in made.layers:
            with error_context(layer=layer.name):
                checked = list(_check_layer(vectors, place, layer, made))
            found.outputs += checked
            if not checked:
                found.not_simulated.append(layer.name)
            progress(Step(layer.name, sum(layer.port_words("data")), 0))
    if not found.outputs:
        example = made.layers[0].file_name(ZNZ, f".out{HEX}") if made.layers else "ID.znz.out.hex"
        raise FmcError(
            "holds no simulator's output", file=str(place), hint=f"write files such as {example}"
        )
    return found


def _check_layer(
    vectors: Path, place: Path, layer: VectorLayer, made: VectorSet
) -> Iterator[OutputCheck]:
    """Check what there is of a layer's outputs."""
    there = [
        (port, form)
        for port in OUTPUT_PORTS
        for form in (HEX, BITS)
        if (place / layer.file_name(port, f".out{form}")).exists()
    ]
    for port in OUTPUT_PORTS:
        forms = [form for its, form in there if its == port]
        if not forms and port in _ENCODER and any(its in _ENCODER for its, _ in there):
            forms = [next(form for its, form in there if its in _ENCODER)]
        for form in forms:
            path = place / layer.file_name(port, f".out{form}")
            counts = layer.port_words(port)
            name = layer.file_name(port, HEX)
            if name not in made.files:
                raise DamagedError(f"lists no {name!r}", file=str(vectors / MANIFEST))
            expected = read_port(vectors / name, layer.word_bits, sum(counts))
            if expected.count != sum(counts) or expected.last is None:
                raise DamagedError("does not hold what its manifest says", file=str(vectors / name))
            got = PortWords(np.empty(0, np.uint32), None, {}, 0)
            unreadable = None
            if (port, form) in there:
                try:
                    got = read_port(path, layer.word_bits, sum(counts) + _KEPT_OVER)
                except DamagedError as error:
                    unreadable = f"{error.cause}; {error.hint}" if error.hint else error.cause
            compared = _compare(str(path), port, layer, expected, got)
            if unreadable is not None:
                compared = replace(compared, difference=None, unreadable=unreadable)
            yield compared


def _compare(
    file: str, port: str, layer: VectorLayer, expected: PortWords, got: PortWords
) -> OutputCheck:
    """Compare word by word."""
    both = min(expected.count, got.words.size)
    differs = expected.words[:both] != got.words[:both]
    if got.last is not None and expected.last is not None:
        differs |= expected.last[:both] != got.last[:both]
    for position in got.unknown:
        if position < both:
            differs[position] = True
    differing = int(np.count_nonzero(differs)) + abs(expected.count - got.count)
    difference = None
    if differing:
        first = int(differs.argmax()) if differs.any() else both
        difference = _difference(first, port, layer, expected, got)
    return OutputCheck(
        file=file,
        port=OUTPUT_PORTS[port],
        layer=layer.name,
        transmissions=len(layer.transmissions),
        words_expected=expected.count,
        words_found=got.count,
        last_checked=got.last is not None,
        differing=differing,
        difference=difference,
    )


def _difference(
    position: int, port: str, layer: VectorLayer, expected: PortWords, got: PortWords
) -> Difference:
    """Describe a difference."""
    counts = layer.port_words(port)
    ends = np.array([*accumulate(counts)], np.int64)
    number = min(int(np.searchsorted(ends, position, "right")), len(counts) - 1)
    start = int(ends[number]) - counts[number]
    flags = got.last is not None
    return Difference(
        transmission=number,
        chunk=layer.transmissions[number].chunk if position < expected.count else None,
        word=position - start,
        position=position,
        expected=_shown(expected, position, layer.word_bits, flags),
        found=_shown(got, position, layer.word_bits, flags),
    )


def _shown(port: PortWords, position: int, word_bits: int, flags: bool) -> str:
    """Show a word, and its last flag where flags are compared."""
    if position >= port.words.size:
        return "nothing"
    if position in port.unknown:
        return port.unknown[position]
    word = f"{port.words[position]:0{word_bits // 4}x}"
    return f"{word} last" if flags and _flag(port.last, position) else word


def _flag(last: NDArray[np.bool_] | None, position: int) -> bool:
    return last is not None and bool(last[position])
