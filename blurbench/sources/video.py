"""Videos read onwards, in the child process of guarded.py: FFmpeg may crash on a damaged one."""

import os
import re
import time
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from blurbench.files import open_regular
from blurbench.guarded import guarded

# Silence: FFmpeg would tell a damaged file in several lines. It looks here at its first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
TURN_S = 5  # a call decodes so long; a long video takes several


def count_frames(path: Path, name: str) -> int:
    """How many frames can be read; UserError names what crashes or hangs.

    Decodes all: the number of frames that a file states is an estimate of some containers.
    """
    with open_regular(path):  # a pipe would be waited for
        pass
    while (count := guarded(_count, str(path), name=name)) is None:
        pass
    return count


# How containers name codings that a build of FFmpeg may lack -> what people call them.
CODINGS = {
    "av01": "AV1",
    "V_AV1": "AV1",
    "hvc1": "HEVC",
    "hev1": "HEVC",
    "V_MPEGH/ISO/HEVC": "HEVC",
    "vvc1": "VVC",
    "vp09": "VP9",
    "V_VP9": "VP9",
    "apcn": "ProRes",
    "apch": "ProRes",
    "ap4h": "ProRes",
    "CFHD": "CineForm",
}
ENDS = 2**22  # bytes at either end of a file in which its header lies


def coding_of(path: Path) -> str:
    """How a video is coded, by the header of MP4, MOV, MKV, WebM or AVI; "" where none tells."""
    with open_regular(path) as file:
        head = file.read(ENDS)
        file.seek(max(len(head), path.stat().st_size - ENDS))
        data = head + file.read()
    # A table of samples: version, count, length of the first entry, its name; sound has one too.
    found = [each.decode("latin-1") for each in re.findall(rb"stsd.{12}(\w{4})", data, re.DOTALL)]
    found += [each.decode() for each in re.findall(rb"V_[A-Z0-9]+(?:/[A-Z0-9]+)*", data[:65536])]
    found += [each.decode() for each in re.findall(rb"strh.{4}vids(\w{4})", data, re.DOTALL)]
    return next((CODINGS[each] for each in found if each in CODINGS), "")


def read_window(path: Path, start: int, count: int, name: str) -> list[np.ndarray]:
    """`count` frames (H, W, 3) uint8 RGB from `start` on, or fewer where the video ends.

    Fast when asked in order: then every frame is decoded once.
    """
    while (window := guarded(_window, str(path), start, count, name=name)) is None:
        pass
    return window


def read_stamps(path: Path, start: int, count: int, name: str) -> list[float]:
    """When `count` frames are shown, s, from `start` on. After `read_window` it costs nothing."""
    while (stamps := guarded(_stamps, str(path), start, count, name=name)) is None:
        pass
    return stamps


class Video:
    """A video read onwards, never by a seek: those go to the wrong frame in some files."""

    def __init__(self, path: Path | str) -> None:
        """A file that is no video has no frames."""
        self._path = str(path)
        self._rewind()

    def _rewind(self) -> None:
        self._capture = cv2.VideoCapture(self._path, cv2.CAP_FFMPEG)
        self._next = 0
        self._kept: dict[int, np.ndarray] = {}
        self._shown: list[float] = []  # ms, of all frames so far

    def _grab(self) -> bool:
        if not self._capture.grab():
            return False
        self._shown.append(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        self._next += 1
        return True

    def count(self, seconds: float = TURN_S) -> int | None:
        """Number of frames; None where `seconds` did not suffice: asked again it goes on."""
        until = time.monotonic() + seconds
        while self._grab():
            if time.monotonic() > until:
                return None
        return self._next

    def stamps(self, start: int, count: int, seconds: float = TURN_S) -> list[float] | None:
        """`read_stamps`; None as of `count`."""
        until = time.monotonic() + seconds
        while self._next < start + count and self._grab():
            if time.monotonic() > until:
                return None
        # In whole microseconds: a container's own units are coarser.
        return [round(each * 1000) / 1e6 for each in self._shown[start : start + count]]

    def window(self, start: int, count: int, seconds: float = TURN_S) -> list[np.ndarray] | None:
        """`read_window`; None as of `count`."""
        until = time.monotonic() + seconds
        wanted = range(start, start + count)
        if not self._kept.keys() >= set(range(start, min(self._next, wanted.stop))):
            self._rewind()
        # Windows may overlap: what this one shares with the last is not decoded again.
        self._kept = {index: self._kept[index] for index in wanted if index in self._kept}
        while self._next < wanted.stop and self._grab():
            if self._next > start:
                bgr = self._capture.retrieve()[1]
                self._kept[self._next - 1] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            if self._next < wanted.stop and time.monotonic() > until:
                return None
        return list(self._kept.values())


@lru_cache(maxsize=1)
def _opened(path: str, _file: tuple[int, ...]) -> Video:
    return Video(path)


def _current(path: str) -> Video:
    """The video that lies there now, opened once."""
    found = Path(path).stat()
    return _opened(path, (found.st_ino, found.st_size, found.st_mtime_ns))


def _count(path: str) -> int | None:
    return _current(path).count()


def _window(path: str, start: int, count: int) -> list[np.ndarray] | None:
    return _current(path).window(start, count)


def _stamps(path: str, start: int, count: int) -> list[float] | None:
    return _current(path).stamps(start, count)
