"""Whose face is in a picture: by CelebA's list, or by the folder it lies in."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from blurbench.errors import UserError
from blurbench.files import decode_text
from blurbench.sources.items import PictureItem
from blurbench.sources.labels.files import KnownLabels, LabelFiles, match

IDENTITY_FILE = "identity_CelebA.txt"


def read_identities(
    files: LabelFiles, pictures: Sequence[PictureItem], spec: str
) -> dict[str, KnownLabels]:
    """The identity of every picture, by its id; it decides the split.

    UserError where nothing tells one, and names a line of the list that cannot be understood.
    """
    lists = [name for name in files.names if PurePosixPath(name).name == IDENTITY_FILE]
    if lists:
        return _by_lists(files, lists, pictures)
    told = {picture.id: _by_folder(picture) for picture in pictures}
    if all(each.problem for each in told.values()):
        raise UserError(
            f"{spec}: no identities here; looked for {IDENTITY_FILE} and for one folder each"
        )
    return told


def _by_lists(
    files: LabelFiles, names: Sequence[str], pictures: Sequence[PictureItem]
) -> dict[str, KnownLabels]:
    identity_of: dict[str, str] = {}
    for name in names:
        _add_list(identity_of, files, name)
    matches = match(identity_of, [picture.id for picture in pictures])
    lists = " or ".join(names)
    if identity_of and not (matches.ids or matches.unclear):
        first = f"it has {next(iter(identity_of))}, here is {pictures[0].id}"
        raise UserError(f"{lists}: names none of these pictures ({first})")
    found = {id: identity_of[file] for file, id in matches.ids.items()}
    return {
        picture.id: _tell(found.get(picture.id), matches.unclear.get(picture.id, f"not in {lists}"))
        for picture in pictures
    }


def _add_list(identity_of: dict[str, str], files: LabelFiles, name: str) -> None:
    text = decode_text(files.read(name), name)
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if len(words := line.split()) != 2:
            raise UserError(f"{name}: line {number}: needs a file name and an identity")
        if identity_of.setdefault(words[0], words[1]) != words[1]:
            raise UserError(f"{name}: line {number}: {words[0]} has another identity above")


def _by_folder(picture: PictureItem) -> KnownLabels:
    folder = PurePosixPath(picture.id.removeprefix(f"{picture.split}/")).parent
    return _tell(str(folder) if folder.parts else None, "lies in no folder of an identity")


def _tell(identity: str | None, otherwise: str) -> KnownLabels:
    if identity is None:
        return KnownLabels(problem=f"no identity: {otherwise}")
    return KnownLabels({"identity": identity}, group=identity)
