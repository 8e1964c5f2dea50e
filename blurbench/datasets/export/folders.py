"""BasicSR's folders: SPLIT/lq and SPLIT/gt with equal names, and a list of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blurbench.datasets.export.job import ExportJob, ExportRun, ExportShard
from blurbench.datasets.export.options import write_options
from blurbench.datasets.export.read import ExportPair, ExportPicture, by_split, read_checked
from blurbench.files import sha256, sync, write_bytes, write_text

FOLDER_OF = {"blur": "lq", "sharp": "gt", "mask": "mask"}
SHARD_PAIRS = 64


def write(job: ExportJob, pairs: list[ExportPair], run: ExportRun) -> None:
    """The pictures, meta_info_SPLIT.txt and options to paste."""
    run.ensure(job, list(_cut(pairs)), _write, _problem)
    for split, of_split in by_split(pairs).items():
        meta_info = f"meta_info_{split}.txt"
        lines = (f"{_name(pair, 'sharp')} ({pair.height},{pair.width},3)\n" for pair in of_split)
        write_text(job.out / meta_info, "".join(lines))
        roots = {
            "dataroot_gt": f"{split}/gt",
            "dataroot_lq": f"{split}/lq",
            "meta_info_file": meta_info,
        }
        write_options(job.out, of_split, roots, backend="disk")


def _cut(pairs: list[ExportPair]) -> Iterator[ExportShard]:
    for split, of_split in by_split(pairs).items():
        for start in range(0, len(of_split), SHARD_PAIRS):
            yield ExportShard(split, of_split[start : start + SHARD_PAIRS])


def _files(out: Path, shard: ExportShard) -> Iterator[tuple[Path, ExportPicture]]:
    for pair in shard.pairs:
        for kind, picture in pair.pictures.items():
            yield out / shard.name / FOLDER_OF[kind] / _name(pair, kind), picture


def _name(pair: ExportPair, kind: str) -> str:
    # BasicSR asks lq for the name it found in gt, and decodes by content.
    return pair.id + pair.pictures["mask" if kind == "mask" else "sharp"].suffix


def _write(job: ExportJob, shard: ExportShard) -> None:
    # Copies: a hard link would be the same file, so that whoever edits the export in place edits
    # the data set, whose hashes then fail; and no link crosses disks.
    files = list(_files(job.out, shard))
    for path, picture in files:
        write_bytes(path, read_checked(picture), durable=False)
    with ThreadPoolExecutor(8) as pool:  # one after the other takes 3.6 ms a picture
        list(pool.map(sync, {each for path, _ in files for each in (path, path.parent)}))


def _problem(out: Path, shard: ExportShard) -> str | None:
    for path, picture in _files(out, shard):
        try:
            same = sha256(path.read_bytes()) == picture.sha256
        except OSError as error:
            return f"{path}: cannot be read ({error.strerror})"
        if not same:
            return f"{path}: is not the picture of the data set"
    return None
