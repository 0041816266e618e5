"""Where ``qatm track`` puts its results: record files, stdout, an annotated video, a window."""

from __future__ import annotations

import os
import sys
from collections.abc import Hashable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from ...runtime.drawing.draw_tracks import Trails, draw_tracks
from ...runtime.errors import InputError, QatmError
from ...runtime.images import expand_sources, is_pattern
from ...runtime.track.presence import Track
from ...runtime.track.records import Kind, TrackRecord, TrackWriter, json_text
from ...runtime.video.sources import URL
from ...runtime.video.video import Frame, Video
from ...runtime.video.writer import VideoWriter
from ..console import print_line
from ..destinations import check_unprinted, which_file, which_stream
from .window import Window

STDOUT = Path("-")
LONGEST_STILL_S = 600.0
"""For so long a file may show one frame; more is a broken clock."""
OPTIONS: dict[Kind, str] = {"jsonl": "--json", "csv": "--csv", "mot": "--mot"}


@dataclass(frozen=True)
class Wishes:
    """What the options ask for.

    Attributes:
        save: annotated video.
        records: files of records and their kinds; ``-`` is standard output.
        trail: over how many frames back drawn trails reach; 0 draws none.
    """

    save: Path | None
    records: Mapping[Kind, Path]
    trail: int = 0

    @property
    def prints(self) -> bool:
        """Whether standard output carries records."""
        return self.records.get("jsonl") == STDOUT

    def files(self) -> dict[str, Path]:
        """The files to be written, by their option."""
        files = {} if self.save is None else {"--save": self.save}
        for kind, file in self.records.items():
            if kind != "jsonl" or file != STDOUT:
                files[OPTIONS[kind]] = file
        return files


class Outputs:
    """Everything that takes results, opened together and completed together.

    Attributes:
        calibrated: whether the scores to come were fitted for the backbone that they come from.

    Raises:
        InputError: a file cannot be written there, is named twice, or is the source itself.
        OSError: a file cannot be written to.
    """

    def __init__(self, wishes: Wishes, source: str, video: Video, window: Window | None) -> None:
        check_names(wishes.files(), source)
        self.calibrated = True
        self._window = window
        self._printing = wishes.prints
        self._trails = Trails(wishes.trail) if wishes.trail else None
        with ExitStack() as stack:
            self._video = (
                None
                if wishes.save is None
                else stack.enter_context(saved_video(wishes.save, video))
            )
            self._records = [
                stack.enter_context(TrackWriter(file, kind))
                for kind, file in wishes.records.items()
                if kind != "jsonl" or file != STDOUT
            ]
            self._stack = stack.pop_all()

    def take(self, frame: Frame, tracks: Mapping[int | None, Track]) -> bool:
        """Write one frame everywhere; False if the viewer wants to end."""
        for number, track in tracks.items():
            record = TrackRecord(
                frame.index,
                frame.time,
                track.box,
                track.score,
                track.state,
                number,
                self.calibrated,
                track.angle,
                track.scale,
                track.corners,
                track.name,
            )
            for writer in self._records:
                writer.write(record)
            if self._printing:
                print_line(json_text(record))
        if self._video is None and self._window is None:
            return True
        picture = draw_tracks(frame.image, tracks, self._trails)
        if self._video is not None:
            self._video.write(picture, frame.time)
        return self._window is None or self._window.show(picture)

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def saved_video(file: Path, video: Video) -> VideoWriter:
    """A video that keeps the source's rate, and its clock where frames come irregularly.

    A file's own gaps are kept, those of live sources are cut short.
    """
    if video.live or video.endless:
        return VideoWriter(file, video.fps)
    return VideoWriter(file, video.fps, longest_gap=LONGEST_STILL_S)


def check_names(files: Mapping[str, Path], source: str) -> None:
    """Make sure that no output overwrites the source or another output.

    Raises:
        InputError: one does, or is called ``-`` where only ``--json -`` is standard output.
    """
    taken = dict.fromkeys(_sources(source), "the source")
    for option, file in files.items():
        if file == STDOUT:
            raise InputError(f"{option} - would be a file called -; only --json writes to stdout")
        check_unprinted(option, file)
        place = which_file(file)
        if place in taken:
            raise InputError(f"{option} {file} would overwrite {taken[place]}; choose another name")
        taken[place] = f"the file of {option}"


def _sources(source: str) -> list[Hashable]:
    """The files that are read, as far as they are any; what is wrong with them says who reads."""
    if source == "-":
        return [which_stream(sys.stdin)]
    if URL.match(source):
        # Many hold a question mark, and are no patterns.
        return []
    if os.path.isdir(source) or is_pattern(source):
        with suppress(QatmError):
            return [which_file(file) for file in expand_sources([source])]
    return [which_file(Path(source))]
