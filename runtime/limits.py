"""The limits on what is accepted, all of them, and how to raise them.

Pictures, saved files and bundles may come from anybody, and a few bytes can claim to be anything.
Each limit here is checked before the memory is taken. Those that honest data may reach are read
from an environment variable each time they are asked for, so that whoever has such data raises
them for one process; the others are far beyond what anything of ours writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from .errors import InputError
from .kinds import Bound


@dataclass(frozen=True)
class Limit:
    """A limit that an environment variable raises or lowers.

    Attributes:
        variable: its name.
        usual: what holds without it.
        unit: of what there may be so many, for messages.
    """

    variable: str
    usual: int
    unit: str

    @property
    def value(self) -> int:
        """What holds now.

        Raises:
            InputError: the variable is not a whole number above 0.
        """
        text = os.environ.get(self.variable)
        if not text:
            return self.usual
        if not (text.isascii() and text.isdigit() and len(text) < LONGEST_NUMBER and int(text)):
            raise InputError(f"{self.variable} is {text!r}; give a whole number above 0")
        return int(text)

    def refusal(self, amount: float) -> str | None:
        """What to say of something that has more than is accepted; ``None`` if it has not.

        Args:
            amount: how much it has or claims to have.

        Returns:
            ``more, at most that: how to raise it``, to follow the name of the thing.
        """
        most = self.value
        if amount <= most:
            return None
        return (
            f"has {amount:,.0f} {self.unit}, and at most {most:,} are accepted; set "
            f"{self.variable} to accept more"
        )


LONGEST_NUMBER: Bound[int] = 19
"""Digits of the number in a variable: it must fit into 64 bits."""

PICTURE_PIXELS: Bound[Limit] = Limit("QATM_MAX_PIXELS", 1 << 27, "pixels")
"""Of a picture, a frame or an array: 134 million are 384 MiB in colour. A pixel of a file whose
numbers have two or four bytes counts as two or four."""

FILE_BYTES: Bound[Limit] = Limit("QATM_MAX_FILE_BYTES", 1 << 30, "bytes")
"""Of a file that is read: a picture, tracks, a saved template or tracker, a graph."""

BUNDLE_BYTES: Bound[Limit] = Limit("QATM_MAX_BUNDLE_BYTES", 1 << 31, "bytes in its files")
"""Of all files that a bundle lists, which are hashed: the one inside the package has 3 million."""

TRACK_LINES: Bound[Limit] = Limit("QATM_MAX_TRACK_LINES", 1_000_000, "lines")
"""Of a file of tracks: eleven hours of one object at 25 frames a second, at most 1.1 GiB."""

SAVED_BYTES: Bound[Limit] = Limit("QATM_MAX_SAVED_BYTES", 1 << 28, "bytes unpacked")
"""Of a saved template, a saved tracker or a cache: a template of ours has some hundred thousand."""

WORKING_PIXELS: Bound[Limit] = Limit("QATM_MAX_WORKING_PIXELS", 1 << 27, "working pixels")
"""Of a picture in the resolution in which it is searched."""

PIECE_PIXELS: Bound[Limit] = Limit("QATM_MAX_PIECE_PIXELS", 1 << 23, "working pixels in one piece")
"""Of what a network sees at once; each takes about 300 bytes for a moment."""

ELONGATION: Bound[Limit] = Limit("QATM_MAX_ELONGATION", 1000, "times its width")
"""Of a box that is followed, or cut out as a template."""

GRAPH_BYTES: Bound[Limit] = Limit("QATM_MAX_GRAPH_BYTES", 1 << 32, "bytes for its graphs")
"""In which all graphs of a process compute on the CPU together; read when the first one opens."""

RUN_SECONDS: Bound[Limit] = Limit("QATM_MAX_RUN_SECONDS", 120, "seconds for a graph")
"""After which a run is ended, on the CPU, with CUDA or OpenVINO: ours take a few seconds."""

JSON_BYTES: Bound[int] = 4 << 20
"""Of ``bundle.json``, a sidecar or what else we write as JSON: the largest of ours has 42,000."""

JSON_DEPTH: Bound[int] = 32
"""Objects and lists inside one another; a saved tracker has 9."""

LINE_BYTES: Bound[int] = 1 << 16
"""Of a line of a file of tracks; one of ours has 150."""

TRACK_NAMES: Bound[int] = 1 << 16
"""That the objects of a file of tracks may have, a thousand characters each."""

BUNDLE_FILES: Bound[int] = 256
"""That a manifest may list."""

TEMPLATE_ROWS: Bound[int] = 1 << 16
"""Patches of a template at one resolution, with those that compete: some hundred in ours."""

FOLDED_NODES: Bound[int] = 1024
"""Operators of a graph that compute with constants alone, when it is opened: 66 in ours."""

FOLDED_BYTES: Bound[int] = 1 << 24
"""Of what ONNX Runtime computes of constants when it opens a file: the largest weights of ours that
are unpacked so have 9,437,184. What would be larger the runs compute, within their limits."""

WINDOW_SIDE: Bound[int] = 1 << 13
"""Side, step or margin of a window in a graph: nothing interrupts a single operator."""

FILL_VALUES: Bound[int] = 1 << 24
"""That a graph makes out of a constant shape, whatever the picture."""

GRAPH_FIELDS: Bound[int] = 1 << 19
"""Fields in the messages of an ONNX file, whose reading then takes a second: 83,485 in ours."""

GRAPH_NODES: Bound[int] = 1 << 15
"""Operators of a graph, with those of the graphs inside it: 9,300 in ours."""

GRAPH_TEXT_BYTES: Bound[int] = 1 << 25
"""Of an ONNX file without its weights: the largest of ours has 580,000."""
