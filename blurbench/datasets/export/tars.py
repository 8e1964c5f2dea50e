"""WebDataset: tar files with all files of a pair side by side, in an order fit for reading."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from blurbench.datasets.export.job import ExportJob, ExportRun, ExportShard
from blurbench.datasets.export.read import ExportPair, by_split, read_checked
from blurbench.datasets.format import DATASET, document
from blurbench.files import replacing, sha256, write_json

TAR_BYTES = 10**9


def write(job: ExportJob, pairs: list[ExportPair], run: ExportRun) -> None:
    """SPLIT-000000.tar and following in the folder of the job, and a copy of dataset.json."""
    run.ensure(job, _cut(pairs, run.shard_pairs), _write, _problem)
    # The pictures of an index are in the tars; where they lay on this machine is nobody's business.
    write_json(job.out / DATASET, document(run.description.model_copy(update={"root": None})))


def _cut(pairs: list[ExportPair], most: int) -> list[ExportShard]:
    shards = []
    for split, of_split in by_split(pairs).items():
        # Readers shuffle within a buffer: in the order of ids it would hold replicas of one source.
        mixed = sorted(of_split, key=lambda pair: sha256(pair.id.encode()))
        for number, some in enumerate(_fill(mixed, most)):
            shards.append(ExportShard(f"{split}-{number:06d}.tar", some))
    return shards


def _fill(pairs: list[ExportPair], most: int) -> Iterator[list[ExportPair]]:
    some: list[ExportPair] = []
    size = 0
    for pair in pairs:
        # Pixels bound the size of a lossless file, and unlike it are the same for PNG and WebP.
        pixels = pair.height * pair.width * 3 * len(pair.pictures)
        if some and (len(some) == most or size + pixels > TAR_BYTES):
            yield some
            some, size = [], 0
        some.append(pair)
        size += pixels
    if some:
        yield some


def _write(job: ExportJob, shard: ExportShard) -> None:
    with replacing(job.out / shard.name) as file, _open(file) as tar:
        for pair in shard.pairs:
            for kind, picture in pair.pictures.items():
                _add(tar, f"{pair.id}.{kind}{picture.suffix}", read_checked(picture))
            _add(tar, f"{pair.id}.json", _json(pair))


def _open(file: BinaryIO) -> tarfile.TarFile:
    # The plain old format: its headers hold nothing but what is said here.
    return tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # time, user and group are 0
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _json(pair: ExportPair) -> bytes:
    return json.dumps(pair.row, ensure_ascii=False, allow_nan=False).encode()


def _problem(out: Path, shard: ExportShard) -> str | None:
    path = out / shard.name
    try:
        with tarfile.open(path, "r:") as tar:
            there = [(member.name, _hash(tar, member)) for member in tar]
    except (OSError, tarfile.TarError) as error:
        return f"{path}: cannot be read ({error})"
    wanted = [member for pair in shard.pairs for member in _members(pair)]
    return None if there == wanted else f"{path}: does not hold what the data set does"


def _hash(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    return sha256(file.read()) if file else ""


def _members(pair: ExportPair) -> Iterator[tuple[str, str]]:
    for kind, picture in pair.pictures.items():
        yield f"{pair.id}.{kind}{picture.suffix}", picture.sha256
    yield f"{pair.id}.json", sha256(_json(pair))
