"""Objects of the pictures of a source: COCO's instances, or masks in a folder beside them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NotRequired

from typing_extensions import TypedDict

from blurbench.errors import UserError
from blurbench.recipes.recipe import ObjectRules
from blurbench.schemas import parse_as
from blurbench.sources.items import SPLITS, FileItem, PictureItem
from blurbench.sources.labels.files import KnownLabels, LabelFiles, ShownLabels, match
from blurbench.sources.labels.mask_files import MASK_FOLDERS, masks_among, read_mask_files
from blurbench.sources.labels.objects import ListedObjects, Outline, outline_of
from blurbench.words import counted

LISTS = (".", "annotations", *SPLITS)  # where lists lie
LOOKED_FOR = (
    "COCO's instances*.json here or in annotations/, "
    + ", ".join(f"{masks}/ beside {images}/" for images, masks in MASK_FOLDERS)
    + ", parsed faces"
)
MOST_PIXELS = 2**28  # masks are drawn in the size that their list states
MEND = "wanted: COCO's instances"


class _Image(TypedDict):
    id: int | str
    file_name: str
    height: int
    width: int


class _Category(TypedDict):
    id: int | str
    name: str


class _Annotation(TypedDict):
    id: NotRequired[int | str]
    image_id: int | str
    category_id: NotRequired[int | str]
    iscrowd: NotRequired[int]
    segmentation: NotRequired[Any]


class _InstancesFile(TypedDict):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: NotRequired[list[_Category]]


@dataclass
class _Listed:
    """What lists say, and what of it is no object."""

    rules: ObjectRules
    outlines: dict[str, list[Outline]] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    numbers: set[tuple[str, int | str]] = field(default_factory=set)
    unclear: dict[str, str] = field(default_factory=dict)
    lost: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    aside: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, held: _InstancesFile, ids: Sequence[str]) -> None:
        """The objects of one list."""
        images = _images(name, held)
        matches = match((each["file_name"] for each in images.values()), ids)
        self.unclear |= {id: f"in {name}, {why}" for id, why in matches.unclear.items()}
        names = {each["id"]: each["name"] for each in held.get("categories", [])}
        seen: set[tuple[str, int | str]] = set()
        for at, each in enumerate(held["annotations"]):
            number = each.get("id", f"the {at + 1}th")
            image = images.get(each["image_id"])
            if image is None:
                self.lost["of pictures that their list does not name"].append(f"{name}: {number}")
                continue
            id = matches.ids.get(image["file_name"])
            if id is None:  # lists of 100,000 pictures may come with a few of them
                continue
            told = f"{name}: {number} of {image['file_name']}"
            if (id, number) in seen:
                self.lost["whose number another one of the same picture has"].append(told)
                continue
            seen.add((id, number))
            self._add(id, image, each, told, str(names.get(each.get("category_id", ""), "")))
        self.numbers |= seen

    def _add(
        self, id: str, image: _Image, annotation: _Annotation, told: str, category: str
    ) -> None:
        size = image["height"], image["width"]
        if "id" in annotation and (id, annotation["id"]) in self.numbers:
            return  # another list has the same one
        if annotation.get("iscrowd") and not self.rules.crowds:
            self.aside["of a crowd"].append(told)
        elif category in self.rules.background:
            self.aside["of classes that are background"].append(told)
        elif self.sizes.setdefault(id, size) != size:
            self.lost["whose list has the picture in another size"].append(told)
        elif outline := outline_of(annotation.get("segmentation"), size):
            self.outlines[id].append(outline)
        else:
            self.lost["with a broken outline"].append(told)

    def tell(self, id: str, lists: str) -> KnownLabels:
        """The objects of a picture."""
        if not self.outlines.get(id):
            return KnownLabels(problem=f"no object ({self.unclear.get(id, lists)})")
        return KnownLabels(objects=ListedObjects(self.sizes[id], tuple(self.outlines[id])))


def read_objects(
    files: LabelFiles, pictures: Sequence[PictureItem], rules: ObjectRules, spec: str
) -> ShownLabels:
    """The objects of every picture; of none where the source has parsed faces alone.

    UserError names a broken list, one of other pictures, and what was looked for in vain.
    """
    if lists := lists_among(files.names):
        return _by_lists(files, lists, pictures, rules)
    if masks := masks_among(files.names):
        return read_mask_files(files, masks, pictures)
    if not any(isinstance(each, FileItem) and each.layout for each in pictures):
        raise UserError(f"{spec}: no objects here; looked for {LOOKED_FOR}")
    return ShownLabels({}, {})


def lists_among(names: Sequence[str]) -> list[str]:
    """The names of COCO's lists of objects."""
    return [name for name in names if str(PurePosixPath(name).parent) in LISTS and _is_list(name)]


def _is_list(name: str) -> bool:
    file = PurePosixPath(name).name.lower()
    # As COCO names it, and as Roboflow exports it.
    return file.endswith(".json") and ("instances" in file or file.endswith(".coco.json"))


def _by_lists(
    files: LabelFiles, lists: Sequence[str], pictures: Sequence[PictureItem], rules: ObjectRules
) -> ShownLabels:
    listed, ids = _Listed(rules), [each.id for each in pictures]
    for name in lists:
        listed.add(name, parse_as(_InstancesFile, files.read(name), name, MEND), ids)
    joined = " or ".join(lists)
    if not (listed.outlines or listed.lost or listed.aside or listed.unclear):
        raise UserError(f"{joined}: names no object of these pictures (here is {ids[0]})")
    words = {"objects": f"{_count(listed.outlines)} ({', '.join(lists)})"}
    if listed.lost:
        words["objects_lost"] = _told(listed.lost, "left out")
    if listed.aside:
        words["objects_aside"] = _told(listed.aside, "not cut out, as the recipe has it")
    return ShownLabels({id: listed.tell(id, f"looked into {joined}") for id in ids}, words)


def _count(objects: Mapping[str, Sequence[object]]) -> str:
    number = sum(map(len, objects.values()))
    return f"{counted(number, 'object')} in {counted(len(objects), 'picture')}"


def _told(kinds: Mapping[str, Sequence[str]], end: str) -> str:
    return "; ".join(
        f"{counted(len(each), 'object')} {kind}, {end} (first: {each[0]})"
        for kind, each in kinds.items()
    )


def _images(name: str, held: _InstancesFile) -> dict[int | str, _Image]:
    """By id; file names as paths below the root, where the list lies in a split's folder."""
    folder = str(PurePosixPath(name).parent)
    below = f"{folder}/" if folder in SPLITS else ""
    found: dict[int | str, _Image] = {}
    for image in held["images"]:
        image = {**image, "file_name": below + image["file_name"].removeprefix(below)}
        size = image["height"], image["width"]
        if min(size) < 1 or size[0] * size[1] > MOST_PIXELS:
            told = f"{image['file_name']} cannot be {size[1]}x{size[0]} px"
            raise UserError(f"{name}: {told}; {MEND}")
        if found.setdefault(image["id"], image)["file_name"] != image["file_name"]:
            one = found[image["id"]]["file_name"]
            raise UserError(
                f"{name}: image {image['id']} is {one} and {image['file_name']}; "
                "give each its own id"
            )
    return found
