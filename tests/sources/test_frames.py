import hashlib
import json
import os
import pickle
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_data
from engine_jobs import crash

from blurbench.datasets.make import synthesize
from blurbench.datasets.pair import make_pair
from blurbench.datasets.splits import choose, list_tasks
from blurbench.errors import UserError
from blurbench.images import BadImage
from blurbench.sources import video
from blurbench.sources.open import open_for
from blurbench.sources.video import Video

BLUR = {"family": "frame_average", "frames": [3, 5]}
RECIPE = tiny_data.flow_recipe(blur=BLUR, crop={}, images={})
OVERLAPPING = tiny_data.flow_recipe(blur={**BLUR, "step": 2}, crop={}, images={})


def write_clip(folder: Path, numbers, form: str = "{:03d}.png", size=(36, 40)) -> list[np.ndarray]:
    """Numbered pictures of random blocks; gives their RGB pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = [tiny_data.picture(number, *size) for number in numbers]
    for number, frame in zip(numbers, frames, strict=True):
        cv2.imwrite(str(folder / form.format(number)), frame[..., ::-1])
    return frames


def write_video(path: Path, count: int, codec: str) -> list[np.ndarray]:
    """A video of random blocks; gives its RGB frames as they are decoded from the start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 240, (64, 48))
    for number in range(count):
        writer.write(tiny_data.picture(number, 48, 64)[..., ::-1])
    writer.release()
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    assert len(frames) == count
    return frames


def ids(source) -> list[str]:
    return [item.id for item in source.items]


def test_windows_of_numbered_pictures(tmp_path):
    first = write_clip(
        tmp_path / "a", range(8, 20), "frame{}.png"
    )  # "frame8" sorts after "frame19"
    write_clip(tmp_path / "deep" / "b", range(5))
    source = open_for(RECIPE, str(tmp_path))
    assert ids(source) == ["a/000010", "a/000015", "deep/b/000002"]
    assert [item.group for item in source.items] == ["a", "a", "deep/b"]
    assert source.description["clips"] == "2"
    sharp = source.items[1].load()
    np.testing.assert_array_equal(sharp.frames, np.stack(first[5:10]))
    np.testing.assert_array_equal(sharp.image, first[7])
    names = [tmp_path / "a" / f"frame{number}.png" for number in range(13, 18)]
    hashes = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in names)
    assert sharp.sha256 == hashlib.sha256(hashes.encode()).hexdigest()


def test_windows_overlap_where_the_recipe_says_so(tmp_path):
    write_clip(tmp_path, range(10))
    assert ids(open_for(OVERLAPPING, str(tmp_path))) == ["000002", "000004", "000006"]


def test_no_window_spans_a_missing_frame(tmp_path):
    write_clip(tmp_path / "a", [*range(7), *range(8, 13), *range(20, 24)])
    assert ids(open_for(RECIPE, str(tmp_path))) == ["a/000002", "a/000010"]


def test_clip_that_is_too_short_fails_when_loaded(tmp_path):
    write_clip(tmp_path / "a", [1, 2, 3, 5, 6])
    (item,) = open_for(RECIPE, str(tmp_path)).items
    with pytest.raises(BadImage, match=r"^a: 3 consecutive frames, 5 are needed"):
        item.load()


def test_frames_of_different_sizes_fail_when_loaded(tmp_path):
    write_clip(tmp_path / "a", range(4))
    write_clip(tmp_path / "a", [4], size=(48, 40))
    (item,) = open_for(RECIPE, str(tmp_path)).items
    with pytest.raises(BadImage, match=r"a/003\.png and a/004\.png: frames of different sizes"):
        item.load()


@pytest.mark.parametrize(
    ("name", "message"),
    [("cover.png", "a/cover.png: frames are named by numbers"), ("3.png", "a/003.png and a/3.png")],
)
def test_pictures_that_are_no_frames_are_refused(tmp_path, name, message):
    write_clip(tmp_path / "a", range(5))
    write_clip(tmp_path / "a", [9], name)
    with pytest.raises(UserError, match=message):
        open_for(RECIPE, str(tmp_path))
    recipe = tiny_data.flow_recipe(blur=BLUR, crop={}, pictures="*/00?.png")
    source = open_for(recipe, str(tmp_path))
    assert ids(source) == ["a/000002"]
    assert len(list_tasks(recipe, source)) == 2 if choose(recipe, source)[0][1] == "train" else 1


def test_split_folders_are_the_splits_of_clips(tmp_path):
    for split in ("train", "test"):
        write_clip(tmp_path / split / "a", range(10))
        write_video(tmp_path / split / "b.avi", 5, "FFV1")
    source = open_for(RECIPE, str(tmp_path))
    assert [(item.id, item.split, item.group) for item in source.items] == [
        (f"{split}/{name}", split, f"{split}/{clip}")
        for split in ("test", "train")
        for name, clip in (("a/000002", "a"), ("a/000007", "a"), ("b.avi/000002", "b.avi"))
    ]
    placed = defaultdict(set)
    for item, split in choose(RECIPE, source):
        placed[item.group].add(split)
    assert all(len(each) == 1 for each in placed.values())


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "FFV1"), ("a.MP4", "mp4v"), ("a.mkv", "FFV1")]
)
def test_windows_of_videos_are_exact_in_any_order(tmp_path, name, codec):
    frames = write_video(tmp_path / name, 23, codec)
    source = open_for(OVERLAPPING, str(tmp_path))
    assert ids(source) == [f"{name}/{middle:06d}" for middle in range(2, 21, 2)]
    for place in (0, 1, 2, 9, 3, 3, 8):
        item = pickle.loads(pickle.dumps(source.items[place]))
        sharp = item.load()
        expected = np.stack(frames[2 * place : 2 * place + 5])
        np.testing.assert_array_equal(sharp.frames, expected)
        np.testing.assert_array_equal(sharp.image, expected[2])
        assert sharp.sha256 == hashlib.sha256(expected.tobytes()).hexdigest()


def restamp(path: Path, stamps: list[int]) -> None:
    """Write other times, ms, into a Matroska file of one cluster at 1000 frames a second."""
    data = path.read_bytes()
    for number in range(len(stamps) - 1, 0, -1):
        old, new = (b"\x81" + value.to_bytes(2, "big") for value in (number, stamps[number]))
        assert data.count(old + b"\0") == 1
        data = data.replace(old + b"\0", new + b"\0")
    path.write_bytes(data)


def test_frames_of_a_video_are_where_its_time_stamps_are(tmp_path):
    path = tmp_path / "in" / "a.mkv"
    path.parent.mkdir()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 1000, (64, 48))
    for number in range(7):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    restamp(path, [0, 10, 20, 30, 60, 70, 80])  # two frames were dropped after the fourth
    blur = {"family": "frame_average", "frames": [7], "timing": "stamps", "exposure": 0.04}
    recipe = tiny_data.flow_recipe(blur=blur, crop={}, images={}, noise__sigma=0.0)
    (item,) = open_for(recipe, str(tmp_path / "in")).items
    sharp = item.load()
    np.testing.assert_allclose(sharp.times, [0, 0.01, 0.02, 0.03, 0.06, 0.07, 0.08])
    pair = make_pair(recipe, 0, item.id, "train", 0, sharp)
    # From 10 to 50 ms: 5 of the second frame, 10 of the third, 20 of the fourth, 5 of the fifth.
    expected = np.average(sharp.frames[1:5, 0, 0, 0], weights=[5, 10, 20, 5])
    assert abs(float(pair.blur[20, 20, 0]) - expected) <= 0.5
    assert json.loads(pair.row["parameters"])["exposure_s"] == pytest.approx(0.04)
    longer = tiny_data.flow_recipe(blur={**blur, "exposure": 0.2}, crop={})
    with pytest.raises(UserError, match=r"a\.mkv/000003: its frames do not cover"):
        make_pair(longer, 0, item.id, "train", 0, sharp)
    with pytest.raises(UserError, match="have no time stamps that rise"):
        make_pair(recipe, 0, item.id, "train", 0, replace(sharp, times=None))


def test_video_in_order_decodes_every_frame_once(tmp_path, monkeypatch):
    frames = write_video(tmp_path / "a.avi", 20, "FFV1")
    clip = Video(tmp_path / "a.avi")
    rewound = []
    monkeypatch.setattr(clip, "_rewind", lambda: rewound.append(1))
    for start, count in ((0, 5), (2, 5), (4, 3), (7, 4), (12, 8)):
        window = clip.window(start, count)
        np.testing.assert_array_equal(np.stack(window), np.stack(frames[start : start + count]))
    assert rewound == []


def test_windows_of_other_lengths_are_exact_too(tmp_path):
    frames = write_video(tmp_path / "a.avi", 20, "FFV1")
    clip = Video(tmp_path / "a.avi")
    for start, count in ((0, 12), (2, 3), (3, 6), (18, 5)):
        window = clip.window(start, count)
        np.testing.assert_array_equal(np.stack(window), np.stack(frames[start : start + count]))


def test_a_video_that_was_replaced_is_read_anew(tmp_path):
    path = tmp_path / "a.avi"
    write_video(path, 5, "FFV1")
    assert video.count_frames(path, "a.avi") == 5
    write_video(path, 7, "FFV1")
    assert video.count_frames(path, "a.avi") == 7


def test_a_long_video_takes_several_turns(tmp_path):
    frames = write_video(tmp_path / "a.avi", 20, "FFV1")
    clip = Video(tmp_path / "a.avi")
    turns = [clip.count(seconds=0) for _ in range(21)]
    assert turns == [None] * 20 + [20]
    turns = [clip.window(3, 4, seconds=0) for _ in range(7)]
    assert turns[:6] == [None] * 6
    np.testing.assert_array_equal(turns[6], frames[3:7])


def test_a_video_that_kills_its_reader_is_one_line(tmp_path, monkeypatch):
    write_video(tmp_path / "a.avi", 5, "FFV1")
    (item,) = open_for(RECIPE, str(tmp_path)).items
    monkeypatch.setattr(video, "_window", crash)
    with pytest.raises(BadImage, match=r"^a\.avi/000002: reading it crashed \(SIGABRT\)"):
        item.load()
    monkeypatch.setattr(video, "_count", crash)
    (item,) = open_for(RECIPE, str(tmp_path)).items
    with pytest.raises(BadImage, match=r"^a\.avi: reading it crashed \(SIGABRT\)"):
        item.load()


def test_a_pipe_is_no_video(tmp_path):
    os.mkfifo(tmp_path / "a.avi")
    (item,) = open_for(RECIPE, str(tmp_path)).items
    with pytest.raises(BadImage, match=r"a\.avi: is a pipe"):
        item.load()


def test_videos_that_cannot_be_used_fail_when_loaded(tmp_path, capfd):
    write_video(tmp_path / "cut.avi", 12, "FFV1")
    write_video(tmp_path / "short.avi", 3, "FFV1")
    (tmp_path / "text.mp4").write_text("no video at all")
    source = open_for(RECIPE, str(tmp_path))
    assert ids(source) == ["cut.avi/000002", "cut.avi/000007", "short.avi", "text.mp4"]
    write_video(tmp_path / "cut.avi", 8, "FFV1")
    messages = [
        "cut.avi ends before frame 10",
        "3 frames can be read, 5",
        r"no frame can be read: no decoder here for it \(how it is coded is not known\), or dam",
    ]
    for item, message in zip(source.items[1:], messages, strict=True):
        with pytest.raises(BadImage, match=f"^{item.id}: {message}"):
            item.load()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("changes", "spec", "message"),
    [
        ({}, "builtin:photos", "builtin:photos: has no clips of frames"),
        ({"labels": ["identity"]}, "{empty}", "averaged frames have no identities"),
        ({}, "{empty}", "no pictures here .* and no videos"),
    ],
)
def test_source_without_frames_is_one_line(tmp_path, changes, spec, message):
    recipe = tiny_data.flow_recipe(blur=BLUR, crop={}, **changes)
    with pytest.raises(UserError, match=message):
        open_for(recipe, spec.format(empty=tmp_path))


@pytest.mark.parametrize(
    ("suffix", "coding", "name"),
    [("mp4", b"av01", "AV1"), ("mov", b"apcn", "ProRes"), ("avi", b"hev1", "HEVC")],
)
def test_a_video_without_a_decoder_names_its_coding(tmp_path, monkeypatch, suffix, coding, name):
    path = tmp_path / f"a.{suffix}"
    write_video(path, 5, "mp4v")
    assert video.coding_of(path) == ""
    data = path.read_bytes().replace(b"mp4v", coding).replace(b"FMP4", coding)
    path.write_bytes(data)
    monkeypatch.setattr("blurbench.sources.frames.count_frames", lambda *_: 0)
    (item,) = open_for(RECIPE, str(tmp_path)).items
    with pytest.raises(BadImage, match=rf"no decoder here for it \({name}\).*ffmpeg -i IN"):
        item.load()


def test_linked_videos_are_read(tmp_path):
    write_video(tmp_path / "out" / "a.avi", 5, "FFV1")
    write_video(tmp_path / "in" / "b.avi", 5, "FFV1")
    (tmp_path / "in" / "a.avi").symlink_to(tmp_path / "out" / "a.avi")
    source = open_for(RECIPE, str(tmp_path / "in"))
    assert ids(source) == ["a.avi/000002", "b.avi/000002"]
    assert source.items[0].load().frames.shape == source.items[1].load().frames.shape


def test_set_of_averaged_frames(tmp_path):
    write_clip(tmp_path / "in" / "train" / "a", range(10))
    write_video(tmp_path / "in" / "test" / "b.avi", 10, "FFV1")
    summary = synthesize(RECIPE, open_for(RECIPE, str(tmp_path / "in")), tmp_path / "out")
    assert summary.failures == []
    assert summary.counts == {"train": 4, "test": 2}


def test_real_frames(shared):
    recipe = tiny_data.flow_recipe(blur=BLUR, crop={}, pictures="*/sharp/*")
    source = open_for(recipe, str(shared / "data" / "blurred_pairs" / "reds_320x180"))
    clips = {item.group for item in source.items}
    assert clips == {"test_000/sharp", "train_000/sharp"}
    assert len(source.items) == 4
    assert source.items[0].load().frames.shape == (5, 180, 320, 3)
