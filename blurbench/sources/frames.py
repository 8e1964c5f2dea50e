"""Windows of consecutive frames out of clips: folders of numbered pictures, or videos."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath

import numpy as np

from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.images import BadImage
from blurbench.sources.items import Labels, PictureItem, Sharp, SourceItem, refuse_problem
from blurbench.sources.video import coding_of, count_frames, read_stamps, read_window

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm"})
NUMBER = re.compile(r"\d+(?=\D*$)")  # the last of a file's name

WindowSize = tuple[int, int]  # frames of a window, step from one window to the next


@dataclass(frozen=True)
class FramesItem:
    """Consecutive pictures of one clip; the one in the middle is the sharp one."""

    id: str  # CLIP/NUMBER of the middle one
    split: str | None
    group: str  # the clip
    frames: tuple[PictureItem, ...]
    labels: Labels = field(default_factory=dict)
    problem: str | None = None  # why it cannot be used, known before it is read

    def load(self) -> Sharp:
        """Read all frames; the hash is that of their hashes."""
        refuse_problem(self.id, self.problem)
        loaded = [frame.load() for frame in self.frames]
        shapes = {
            each.image.shape: frame.id for each, frame in zip(loaded, self.frames, strict=True)
        }
        if len(shapes) > 1:
            raise BadImage(f"{' and '.join(shapes.values())}: frames of different sizes")
        hashes = "".join(each.sha256 for each in loaded)
        frames = np.stack([each.image for each in loaded])
        middle = frames[len(frames) // 2]
        told = tuple(dict.fromkeys(key for each in loaded for key in each.told))
        return Sharp(middle, None, sha256(hashes.encode()), frames, self.labels, told)

    def file_hash(self) -> str:
        """Of the hashes of its files."""
        refuse_problem(self.id, self.problem)
        return sha256("".join(frame.file_hash() for frame in self.frames).encode())

    def files(self) -> tuple[Path, ...]:
        """Of all its frames."""
        return tuple(path for frame in self.frames for path in frame.files())


@dataclass(frozen=True)
class VideoItem:
    """Consecutive frames of a video; the one in the middle is the sharp one."""

    id: str  # VIDEO/INDEX of the middle one, counted from 0
    split: str | None
    group: str  # the video
    path: Path
    start: int
    count: int
    labels: Labels = field(default_factory=dict)
    problem: None = None

    def load(self) -> Sharp:
        """Decode all frames; the hash is that of their pixels."""
        try:
            read = read_window(self.path, self.start, self.count, self.id)
            stamps = read_stamps(self.path, self.start, self.count, self.id)
        except UserError as error:
            raise BadImage(str(error)) from None
        if len(read) < self.count:
            raise BadImage(f"{self.id}: {self.group} ends before frame {self.start + self.count}")
        frames = np.stack(read)
        hashed, middle = sha256(frames.tobytes()), frames[self.count // 2]
        return Sharp(middle, None, hashed, frames, self.labels, times=np.array(stamps))

    def file_hash(self) -> None:
        """It is of several frames' pixels."""

    def files(self) -> tuple[Path, ...]:
        """The video."""
        return (self.path,)


def folder_windows(pictures: Sequence[PictureItem], asked: WindowSize) -> list[SourceItem]:
    """Windows of each folder of numbered pictures; one that is too short gives one that fails.

    UserError names a picture without a number, and two that share one.
    """
    clips: dict[str, list[PictureItem]] = defaultdict(list)
    for picture in pictures:
        clips[str(PurePosixPath(picture.id).parent)].append(picture)
    return [item for clip in sorted(clips) for item in _of_folder(clip, clips[clip], asked)]


def _of_folder(clip: str, pictures: list[PictureItem], asked: WindowSize) -> Iterator[SourceItem]:
    numbered: dict[int, PictureItem] = {}
    for picture in pictures:
        found = NUMBER.search(PurePosixPath(picture.id).stem)
        if found is None:
            raise UserError(f"{picture.id}: frames are named by numbers; take this one out")
        other = numbered.setdefault(int(found.group()), picture)
        if other is not picture:
            raise UserError(
                f"{clip}: {other.id} and {picture.id} have one number; one clip a folder"
            )
    longest, step = asked
    split, runs = pictures[0].split, _runs(sorted(numbered))
    windows = [run[at : at + longest] for run in runs for at in starts(len(run), longest, step)]
    for numbers in windows:
        frames = tuple(numbered[number] for number in numbers)
        middle = PurePosixPath(clip) / f"{numbers[longest // 2]:06d}"
        yield FramesItem(str(middle), split, clip, frames)
    if not windows:
        problem = f"{max(map(len, runs))} consecutive frames, {longest} are needed"
        yield FramesItem(clip, split, clip, (), problem=problem)


def _runs(numbers: list[int]) -> list[list[int]]:
    """Cut where a number is missing: a frame that is not there would leave a hole in the blur."""
    cut = groupby(enumerate(numbers), key=lambda each: each[1] - each[0])
    return [[number for _, number in run] for _, run in cut]


def starts(count: int, longest: int, step: int) -> range:
    """Where the windows of a clip of `count` frames begin."""
    return range(0, count - longest + 1, step)


def video_windows(id: str, split: str | None, path: Path, asked: WindowSize) -> list[SourceItem]:
    """Windows of one video; one that is too short, or cannot be read, gives one that fails.

    Decodes it once.
    """
    longest, step = asked
    try:
        count = count_frames(path, id)
    except UserError as error:
        return [FramesItem(id, split, id, (), problem=str(error).removeprefix(f"{id}: "))]
    windows: list[SourceItem] = [
        VideoItem(f"{id}/{start + longest // 2:06d}", split, id, path, start, longest)
        for start in starts(count, longest, step)
    ]
    problem = f"{count} frames can be read, {longest} are needed"
    if not count:
        coding = coding_of(path) or "how it is coded is not known"
        mend = "convert it, as by ffmpeg -i IN -c:v ffv1 OUT.mkv"
        problem = f"no frame can be read: no decoder here for it ({coding}), or damaged; {mend}"
    return windows or [FramesItem(id, split, id, (), problem=problem)]
