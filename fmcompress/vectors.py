"""Vectors for a test bench of the hardware: `write_vectors` (docs/VECTORS.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np

import fmcompress
from fmcompress.codecs.ebpc import Ebpc
from fmcompress.coding import Coding
from fmcompress.errors import ParameterError, error_context
from fmcompress.files import Sources, keep_apart, listed_sources, name_of
from fmcompress.hardware.parameters import WORD_BITS, Parameters
from fmcompress.layer_words import LayerWords, Words, check_hardware, difference_note, open_words
from fmcompress.numbers import switch
from fmcompress.progress import Progress, Step, silent
from fmcompress.stream_words import words_of
from fmcompress.surveying import left_out_texts, listed
from fmcompress.targets import replacing
from fmcompress.vector_cases import Case, case_line
from fmcompress.vector_files import BITS, HEX, bit_lines, hex_lines
from fmcompress.vector_picking import Cut
from fmcompress.vector_runs import MOST_CYCLES, record
from fmcompress.vector_set import (
    BPC,
    BPC_WORDS,
    BPC_WORDS_BITS,
    CASES,
    DATA,
    NUM_WORDS,
    NUM_WORDS_BITS,
    ZNZ,
    DigestedFile,
    VectorLayer,
    VectorSet,
    VectorTransmission,
    layer_id,
    write_manifest,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_vectors(
    source: Sources,
    folder: str | os.PathLike[str],
    *,
    layers: Sequence[str] | str | None = None,
    chunks: str | int | Sequence[int] | None = None,
    max_words: int | None = None,
    seed: int | None = None,
    rtl_quirks: bool = False,
    raw: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
    **coding: Unpack[Coding],
) -> VectorSet:
    """Write what a test bench feeds the hardware, and what the hardware should answer.

    Each chunk of a layer is a transmission: its words, the ZNZ and the BPC words, with last flags.

    Parameters
    ----------
    source : path or binary file, or sequence of paths
        A dump or a container; kept.
    folder : path
        The folder to make; it is written beside and renamed when complete.
    layers : glob or globs, optional
        Layers to take.
    chunks : str, or int or sequence of int, optional
        Chunks to take of each layer: numbers as ``0,3,10:12`` (10 and 11), or ``random:4``, four
        drawn in each layer. All by default.
    max_words : int, optional
        Cut transmissions to their first `max_words` words or, with a seed, to so many words from a
        place that is drawn.
    seed : int, optional
        Of what is drawn: windows, chunks, stall patterns. The same seed gives the same bytes.
    rtl_quirks : bool
        Let the recorded runs show what the RTL does where it is wrong; the words are right ones.
    raw : mapping, optional
        As `compress`.
    overwrite : bool
        Replace an existing folder that is not empty.
    progress : callable
        Called with a `Step` now and then.
    **coding
        How words are made: `fmcompress.coding.Coding` lists the arguments. Differences are formed
        as by the RTL's encoder, ``signed``, whatever the layer's own are; block size and longest
        burst are by default a container's own.

    Returns
    -------
    VectorSet
        What was written.

    Raises
    ------
    ParameterError
        If the hardware cannot have a parameter, nor a layer that was picked by its name; if
        nothing is left; if a parameter is outside its range or does not fit the data.
    FmcError
        If the folder exists and is not empty.
    DamagedError, UnsupportedError, OSError
        As `compress`.
    """
    hardware = check_hardware(coding)
    cut = Cut(chunks, max_words, seed)
    quirks = switch("rtl_quirks", rtl_quirks)
    Parameters.of(WORD_BITS[-1], hardware.block_size, hardware.max_burst)  # any layer's
    keep_apart(source, folder, folder=True)
    names = [layers] if isinstance(layers, str) else layers or []
    with (
        error_context(file=name_of(source)),
        open_words(source, layers, raw, coding) as words,
        replacing(folder, overwrite=overwrite, folder=True) as place,
    ):
        assert isinstance(place, Path)
        made = VectorSet(
            source=", ".join(os.path.basename(n.rstrip("/")) or n for n in _names(source)),
            version=fmcompress.__version__,
            chunks=cut.chunks if isinstance(cut.chunks, str) else None,
            max_words=cut.max_words,
            seed=cut.seed,
            rtl_quirks=quirks,
        )
        _Writing(place, made, cut, progress).run(words, names)
        made.warnings += words.warnings
        made.notes += [*words.notes, *_remarks(made)]
        write_manifest(place, made)
    return made


def _names(source: Sources) -> list[str]:
    return [name_of(each) for each in listed_sources(source)]


class _Writing:
    """The files of a set, growing."""

    def __init__(
        self,
        folder: Path,
        made: VectorSet,
        cut: Cut,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._made = made
        self._cut = cut
        self._progress = progress
        self._done = 0
        self._long: list[str] = []  # layers of which runs are missing

    def run(self, words: Words, names: Sequence[str]) -> None:
        """Write all layers; `names` are those that must be there."""
        with self._file(CASES) as cases:
            for layer in words.layers():
                with error_context(layer=layer.info.name):
                    self._layer(layer, cases, layer.info.name in names)
        for name, reason in words.left_out.items():
            if name in names:
                raise ParameterError(f"has no words: {reason}", layer=name)
        self._made.left_out |= words.left_out
        if self._long:
            self._made.notes.append(
                f"runs of more than {MOST_CYCLES:,} cycles are not in {CASES}: "
                f"{listed(self._long)}; --max-words and --chunks cut"
            )
        self._cut.check()
        if not self._made.layers:
            reasons = sorted({*self._made.left_out.values()}) or ["there are none"]
            raise ParameterError(
                f"no layer can become vectors: {'; '.join(reasons)}",
                hint="pick others with --layers, another --block-size, or --quantize",
            )

    def _layer(self, layer: LayerWords, cases: DigestedFile, named: bool) -> None:
        """Write one layer, or say why not."""
        info = layer.info
        numbers = self._cut.numbers(info.name, info.chunks)
        try:
            parameters = layer.parameters()
            if not numbers:
                raise ParameterError("it has none of these chunks", hint="see fmc stats")
        except ParameterError as error:
            if named:
                raise
            self._made.left_out[info.name] = error.cause
            return
        taken = [other.id for other in self._made.layers]
        case = Case(
            layer_id(info.name, taken),
            "dump",
            *(parameters.word_bits, parameters.block_size, parameters.burst_bits),
            *([], [], []),
            note=f"{self._made.source}, layer {info.name}, chunks {','.join(map(str, numbers))}",
        )
        found = VectorLayer(
            id=case.id,
            name=info.name,
            word_bits=case.word_bits,
            block_size=case.block_size,
            burst_bits=case.burst_bits,
            word_format=info.words,
            own_difference=layer.own_difference,
            transmissions=[],
        )
        self._made.layers.append(found)
        self._transmissions(layer, numbers, case, found)
        seeds = lambda mode: self._cut.stall_seeds(info.name, mode, 8)
        if not record(case, seeds, self._made.rtl_quirks):
            self._long.append(info.name)
        cases.write(case_line(case))

    def _transmissions(
        self, layer: LayerWords, numbers: Sequence[int], case: Case, found: VectorLayer
    ) -> None:
        """Write the words of a layer, file by file of each port, and keep them for its case."""
        w = case.word_bits
        codec = Ebpc(layer.block_size, layer.max_burst, "signed")
        with _Ports(self, found) as ports:
            picked = set(numbers)
            for chunk, words in enumerate(islice(layer.chunks(), numbers[-1] + 1)):
                if chunk not in picked:
                    continue
                start, end = self._cut.window(found.name, chunk, words.size)
                words = np.ascontiguousarray(words[start:end])
                znz, bpc = codec.encode(words, w)
                streams = {DATA: words, ZNZ: words_of(znz, w), BPC: words_of(bpc, w)}
                found.transmissions.append(
                    VectorTransmission(chunk, start, *(part.size for part in streams.values()))
                )
                number = len(case.words)
                remark = f"// transmission {number}: chunk {chunk}, words {start} to {end - 1}\n"
                for port, part in streams.items():
                    ports.write(port, part, _last(part.size), w, remark)
                ports.count(NUM_WORDS, words.size - 1, NUM_WORDS_BITS)
                ports.count(BPC_WORDS, streams[BPC].size, BPC_WORDS_BITS)
                case.words.append(words)
                case.znz.append(znz)
                case.bpc.append(bpc)
                self._done += words.nbytes
                self._progress(Step(found.name, self._done, 0))

    @contextmanager
    def _file(self, name: str) -> Iterator[DigestedFile]:
        file = self.open(name)
        try:
            yield file
        finally:
            self.close(file)

    def open(self, name: str) -> DigestedFile:
        """Open a file of the set; `close` notes its digest."""
        return DigestedFile(self._folder / name)

    def close(self, file: DigestedFile) -> None:
        """Close a file, and note its digest."""
        self._made.files[file.name] = file.close()

    @property
    def title(self) -> str:
        """What the files come from."""
        return json.dumps(self._made.source)


class _Ports:
    """The files of one layer: each port as hex and as bits."""

    def __init__(self, writing: _Writing, layer: VectorLayer) -> None:
        self._writing = writing
        self._files = {
            (port, form): writing.open(layer.file_name(port, form))
            for port in (DATA, ZNZ, BPC, NUM_WORDS, BPC_WORDS)
            for form in (HEX, BITS)
        }
        numbers = f"w = {layer.word_bits}, n = {layer.block_size}, z = {layer.burst_bits}"
        origin = f"{writing.title}, layer {json.dumps(layer.name)}, {numbers}"
        for port in (DATA, ZNZ, BPC):
            self._files[port, HEX].write(f"// {port}: {{last, word}}; {origin}\n".encode())
        self._files[NUM_WORDS, HEX].write(f"// num_words_i: words - 1; {origin}\n".encode())
        self._files[BPC_WORDS, HEX].write(f"// number of BPC words; {origin}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            self._writing.close(file)

    def write(
        self,
        port: str,
        words: NDArray[np.uint32],
        last: NDArray[np.bool_] | None,
        word_bits: int,
        remark: str,
    ) -> None:
        """Write a transmission's words."""
        self._files[port, HEX].write(remark.encode() + hex_lines(words, last, word_bits))
        self._files[port, BITS].write(bit_lines(words, last, word_bits))

    def count(self, name: str, number: int, bits: int) -> None:
        """Write a number of a transmission."""
        self.write(name, np.array([number], np.uint32), None, bits, "")


def _last(count: int) -> NDArray[np.bool_]:
    """Return the last flags of a transmission of so many words."""
    last = np.zeros(count, np.bool_)
    last[-1:] = True
    return last


def _remarks(made: VectorSet) -> list[str]:
    """Say what was left out, and where differences are not as the layer's own."""
    remarks = left_out_texts(made.left_out)
    others = [layer for layer in made.layers if layer.own_difference != "signed"]
    for difference in dict.fromkeys(layer.own_difference for layer in others):
        names = [layer.name for layer in others if layer.own_difference == difference]
        remarks.append(difference_note(difference, listed(names)))
    return remarks
