"""Captions, shot types, identities, objects and depth put on the pictures of a source."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from blurbench.errors import UserError
from blurbench.files import sha256
from blurbench.recipes.recipe import CaptionRules, ObjectRules, Recipe
from blurbench.sources.items import PictureItem, SourceItem
from blurbench.sources.labels import captions as caption_files
from blurbench.sources.labels.captions import read_captions
from blurbench.sources.labels.files import KnownLabels, LabelFiles
from blurbench.sources.labels.identities import read_identities
from blurbench.sources.labels.instances import read_objects
from blurbench.sources.labels.mask_files import read_depth_files
from blurbench.sources.labels.objects import JoinedObjects, identity_of
from blurbench.sources.labels.shots import read_shots


@dataclass(frozen=True)
class WantedLabels:
    """What a recipe needs to know of each picture."""

    masks: bool = False  # of face classes
    shots: bool = False
    identities: bool = False
    captions: CaptionRules | None = None
    objects: ObjectRules | None = None  # where there are none, face classes serve
    joined: bool = False  # whether all objects are one
    depth: bool = False

    @classmethod
    def by(cls, recipe: Recipe) -> "WantedLabels":
        """The labels that a recipe names."""
        labels, objects = recipe.labels, "objects" in recipe.looks_for
        return cls(
            recipe.masks and not objects,
            "shot_type" in labels,
            "identity" in labels,
            recipe.captions,
            (recipe.objects or ObjectRules()) if objects else None,
            not recipe.cuts,
            "depth" in recipe.looks_for,
        )

    @property
    def names(self) -> list[str]:
        """In words, those without which there is no data set."""
        captions = self.captions is not None and self.captions.required
        kinds = {
            "face labels": self.masks,
            "objects": self.objects is not None,
            "depth maps": self.depth,
            "shot types": self.shots,
            "identities": self.identities,
            "captions": captions,
        }
        return [name for name, needed in kinds.items() if needed]


def label(
    spec: str, pictures: Sequence[PictureItem], files: LabelFiles, wanted: WantedLabels
) -> tuple[list[PictureItem], dict[str, str]]:
    """The pictures with what is known of them, and words on where that is from.

    A picture that lacks something fails when it is loaded. UserError where all of them do.
    """
    told: list[dict[str, KnownLabels]] = []
    words: dict[str, str] = {}
    if wanted.shots:
        told.append(read_shots(files, pictures, spec))
        words["clips"] = str(len({each.group for each in told[-1].values()}))
    if wanted.identities:
        told.append(read_identities(files, pictures, spec))
        words["identities"] = str(len({each.group for each in told[-1].values()} - {None}))
    if wanted.objects:
        objects = read_objects(files, pictures, wanted.objects, spec)
        words |= objects.words
        told += [_joined(objects.told) if wanted.joined else objects.told] if objects.told else []
    if wanted.depth:
        depths = read_depth_files(files, pictures, spec)
        words |= depths.words
        told.append(depths.told)
    if wanted.captions:
        captions = read_captions(files, [each.id for each in pictures], wanted.captions.count)
        strange = "; ".join(captions.strange)
        if not captions.files and wanted.captions.required:
            looked = strange or f"looked for {caption_files.LOOKED_FOR}"
            raise UserError(f"{spec}: no captions of these pictures here; {looked}")
        words["caption_files"] = ", ".join(captions.files) or "none"
        if captions.files:
            told.append(captions.told)
            words["captioned"] = str(sum(not each.problem for each in captions.told.values()))
        elif strange:
            words["captions_unread"] = f"made without captions: {strange}"
        if captions.lost:
            words["captions_lost"] = "; ".join(captions.lost)
    labelled = [_labelled(each, [known[each.id] for known in told]) for each in pictures]
    if told:
        more = identity_of([each.objects for each in labelled])
        more += "\0".join(each.depth.name for each in labelled if each.depth).encode()
        words |= labels_hash(labelled, more)
    return labelled, words


def _joined(told: dict[str, KnownLabels]) -> dict[str, KnownLabels]:
    return {
        id: replace(each, objects=JoinedObjects(each.objects)) if each.objects else each
        for id, each in told.items()
    }


def labels_hash(items: Sequence[SourceItem], more: bytes = b"") -> dict[str, str]:
    """Words on the labels of a source: other labels of the same pictures make another data set."""
    text = json.dumps([each.labels for each in items], sort_keys=True)
    return {"labels_sha256": sha256(text.encode() + more)}


def _labelled(picture: PictureItem, told: Sequence[KnownLabels]) -> PictureItem:
    for each in told:
        picture = replace(
            picture,
            labels={**picture.labels, **each.labels},
            # A list is about the single picture, so it knows better than the folder.
            split=each.split or picture.split,
            group=each.group or picture.group,
            problem=picture.problem or each.problem,
            objects=each.objects or picture.objects,
            depth=each.depth or picture.depth,
        )
    return picture
