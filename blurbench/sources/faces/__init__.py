"""`builtin:procedural-faces`: drawn, synthetic faces with exact labels, for demos and tests."""

import numpy as np

from blurbench.sources.faces import features
from blurbench.sources.faces.brush import Canvas, Texture
from blurbench.sources.faces.parameters import draw_identity, draw_picture
from blurbench.sources.items import BuiltinItem
from blurbench.sources.labels.attach import WantedLabels
from blurbench_kernels import random

KIND = "synthetic faces drawn by blurbench (no photographs, no persons)"
HAS = frozenset({"face labels", "objects", "identities"})

SIZE = 256
SPLIT_OF: dict[str, str] = {
    f"face/{index:04d}": "train" if index < 160 else "val" if index < 180 else "test"
    for index in range(200)
}
PICTURES = 10  # of each face, where identities are wanted: a probe and nine others


def items(wanted: WantedLabels) -> list[BuiltinItem]:
    """Every face once; or ten pictures of each, such as "face/0007/03", where identities count."""
    masked = wanted.masks or wanted.objects is not None
    if not wanted.identities:
        return [BuiltinItem(id, split, load, masked) for id, split in sorted(SPLIT_OF.items())]
    return [
        BuiltinItem(f"{id}/{n:02d}", split, load, masked, group=id, labels={"identity": id})
        for id, split in sorted(SPLIT_OF.items())
        for n in range(PICTURES)
    ]


def load(id: str) -> tuple[np.ndarray, np.ndarray]:
    """(256, 256, 3) uint8 RGB and (256, 256) uint8 labels 0..3 of a face such as "face/0007".

    "face/0007/03" is another picture of the same face, and "face/0007/00" the same picture.
    """
    return draw(*map(int, id.split("/")[1:]))


def draw(identity: int, picture: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Picture number `picture` of face number `identity`: the same pair as `load`."""
    # Streams apart: a further number drawn for a picture changes no face.
    who = draw_identity(random.stream("procedural-faces", "identity", identity))
    how = draw_picture(random.stream("procedural-faces", "picture", identity, picture))
    noise = Texture(random.stream("procedural-faces", "texture", identity, picture), SIZE)
    canvas = Canvas(SIZE, how.scale, how.centre, how.roll, how.turn)
    # From back to front, as a painter: what comes later covers what came before, labels too.
    features.backdrop(canvas, how, noise)
    # One texture behind and in front: both are the same hair.
    texture = features.hair_texture(canvas, who, noise)
    features.hair_behind(canvas, who, texture)
    features.neck_and_cloth(canvas, who, how, noise)
    features.head(canvas, who, how, noise)
    features.nose(canvas, who, how)
    features.mouth(canvas, who, how, noise)
    for side in (-1, 1):
        features.eye(canvas, who, how, side, noise)
        features.brow(canvas, who, side, noise)
    features.hair_in_front(canvas, who, how, texture, noise)
    return features.develop(canvas, how, noise), canvas.labels
