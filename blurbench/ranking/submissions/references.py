"""Files that rows refer to: what they hash to, and where they are had from."""

import errno
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from blurbench.errors import UserError
from blurbench.files import CannotWrite, inside, open_regular, sha256, writing
from blurbench.images import IMAGE_SUFFIXES, image_files
from blurbench.ranking.submissions.entry import Reference
from blurbench.weights.fetch import UNREADABLE, by_http, filled

LARGEST = 2**28  # bytes of one picture in an archive: 9,000 x 9,000 px without compression
MOST = 2**35  # of all of them
CHUNK = 2**20
# Two members of one name, one below another, a name too long: the archive's faults, not the disk's.
OF_NAMES = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}


class Absent(UserError):
    """What a row refers to is not here: that is no fault of the row."""


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of a folder: of its pictures, by name, and theirs."""
    if not path.is_dir():
        return file_hash(path)
    names = sorted(each.relative_to(path).as_posix() for each in image_files(path))
    if not names:
        raise UserError(f"{path}: holds no pictures; name a folder of restored ones, or a .zip")
    lines = (f"{name} {file_hash(inside(path, name))}\n" for name in names)
    return sha256("".join(lines).encode())


def file_hash(path: Path) -> str:
    """SHA-256 of a file; UserError where there is none."""
    total = hashlib.sha256()
    try:
        with open_regular(path) as file:
            while chunk := file.read(CHUNK):
                total.update(chunk)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    return total.hexdigest()


def by_content(paths: Sequence[Path]) -> dict[str, Path]:
    """Files and folders of the user's own by their SHA-256."""
    return {content_hash(path): path for path in paths}


def had(
    reference: Reference, folder: Path, own: Mapping[str, Path], fetch: bool, work: Path
) -> Path:
    """Where the files lie now; `folder` is that of the row.

    `Absent` where they are not here; UserError where they are others than the row says, or lie
    outside of its folder.
    """
    if reference.sha256 in own:
        return own[reference.sha256]
    if not reference.place:
        mend = f"give what has SHA-256 {reference.sha256[:12]} as --file"
        raise Absent(f"its author keeps the files; {mend}")
    if reference.is_url:
        if not fetch:
            raise Absent(f"{reference.place} is not fetched without --fetch")
        path = _fetched(reference, folder.name, work)
    else:
        path = inside(folder, reference.place)
        if not path.exists():
            raise Absent(f"{path}: is not there")
    if (found := content_hash(path)) != reference.sha256:
        raise UserError(
            f"{reference.place}: has SHA-256 {found}, and entry.json says {reference.sha256};"
            " put the right file there, or add the row again"
        )
    return path


def _fetched(reference: Reference, name: str, work: Path) -> Path:
    """The file behind an address; what a network refuses is no fault of the row."""
    try:
        return by_http(name, reference.place, work / "download")
    except UserError as error:
        raise Absent(str(error)) from None


def pictures_in(path: Path, work: Path) -> Path:
    """A folder of pictures: as it is, or those of a .zip, unpacked below `work`."""
    if path.is_dir():
        return path
    try:
        with zipfile.ZipFile(path) as archive:
            unpack(archive, work / "restored")
    except (*UNREADABLE, OSError) as error:
        if isinstance(error, CannotWrite) and error.errno not in OF_NAMES:
            raise
        raise UserError(f"{path.name}: no readable .zip of pictures ({error})") from None
    return work / "restored"


def unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    """The pictures of an archive; UserError for a name that leads out, and for too many bytes."""
    with writing(folder):
        folder.mkdir()
    pictures = [
        each
        for each in archive.infolist()
        if not each.is_dir() and PurePosixPath(each.filename).suffix.lower() in IMAGE_SUFFIXES
    ]
    if sum(each.file_size for each in pictures) > MOST:
        raise UserError(f"{archive.filename}: unpacks to more than {MOST >> 30} GiB")
    for each in pictures:
        target = inside(folder, each.filename)
        if each.file_size > LARGEST:
            raise UserError(f"{each.filename}: is larger than {LARGEST >> 20} MiB")
        # zipfile reads no more than the archive's own list says, which was summed above.
        with archive.open(each) as source, filled(target, "xb") as write:
            while chunk := source.read(CHUNK):
                write(chunk)
