"""Who a procedural face is, and what one picture of it shows: drawn from named random streams."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# sRGB, light to dark.
SKIN_TONES = np.array(
    [
        (250, 219, 196),
        (240, 200, 170),
        (226, 180, 143),
        (205, 152, 112),
        (173, 118, 80),
        (134, 87, 58),
        (96, 61, 42),
    ],
    np.float32,
) / np.float32(255)
# The first four go with any skin, the others with the lighter half.
HAIR_COLOURS = np.array(
    [
        (28, 24, 24),
        (48, 34, 28),
        (74, 50, 36),
        (128, 124, 122),
        (110, 72, 42),
        (146, 74, 38),
        (190, 148, 92),
        (222, 192, 140),
    ],
    np.float32,
) / np.float32(255)
# The first two go with any skin, too.
IRIS_COLOURS = (
    (0.25, 0.14, 0.07),
    (0.36, 0.21, 0.10),
    (0.30, 0.34, 0.20),
    (0.27, 0.42, 0.55),
    (0.40, 0.47, 0.50),
)


@dataclass(frozen=True)
class Hair:
    """A hair style, in head coordinates."""

    volume: float  # how far it stands off the head
    end: float  # y where the sides stop
    line: float  # y of the hair line over the forehead
    curl: float = 0.0  # 0 strands, 1 curls
    slant: float = 0.0  # of the hair line, away from a parting
    bun: bool = False


HAIR_STYLES = (
    Hair(volume=0.05, end=-0.12, line=-0.92),
    Hair(volume=0.12, end=-0.08, line=-0.84),
    Hair(volume=0.18, end=-0.02, line=-0.80, slant=0.22),
    Hair(volume=0.06, end=-0.10, line=-1.08),
    Hair(volume=0.08, end=-0.05, line=-0.90, bun=True),
    Hair(volume=0.20, end=0.95, line=-0.46),
    Hair(volume=0.20, end=0.85, line=-0.82, slant=0.25),
    Hair(volume=0.18, end=2.60, line=-0.84, slant=0.18),
    Hair(volume=0.22, end=2.60, line=-0.50),
    Hair(volume=0.30, end=0.60, line=-0.76, curl=1.0),
    Hair(volume=0.45, end=0.25, line=-0.84, curl=1.0),
    Hair(volume=0.14, end=-0.05, line=-0.84, curl=1.0),
)


@dataclass(frozen=True)
class FaceIdentity:
    """What stays the same in every picture of one face; lengths in head units (`brush.Canvas`)."""

    skin: np.ndarray
    hair_colour: np.ndarray
    hair: Hair
    parting: float  # x
    iris: tuple[float, float, float]
    height: float  # of the upper and the lower half of the head
    jaw: float  # how much the face narrows towards the chin
    eyes: tuple[float, float, float]  # distance from the middle, half width, slant
    brows: tuple[float, float]  # thickness, arch
    nose: tuple[float, float]  # half width at the nostrils, y of its base
    mouth: tuple[float, float, float]  # half width, fullness, y
    lip_red: float
    freckles: float
    stubble: float


@dataclass(frozen=True)
class FacePicture:
    """What changes from one picture of a face to the next."""

    scale: float  # px a head unit
    centre: tuple[float, float]  # px right and down of the middle
    roll: float  # tan of half the angle
    turn: np.ndarray  # right and down, head units in the middle of the face
    light: tuple[float, float, float]  # direction: right, down, towards the viewer
    ambient: float  # share of the light that comes from everywhere
    warmth: float
    smile: float  # how far the corners of the mouth go up, head units
    open: float  # of the mouth, head units
    lids: float  # 1: eyes open as usual
    gaze: tuple[float, float]
    backdrop: np.ndarray  # two colours
    cloth: np.ndarray
    pattern: int


def draw_identity(stream: np.random.Generator) -> FaceIdentity:
    """One identity; hair and eyes that fit the skin."""
    between = _between(stream)
    tone = stream.random() * (len(SKIN_TONES) - 1)
    base = int(tone)
    skin = SKIN_TONES[base] + np.float32(tone - base) * (SKIN_TONES[base + 1] - SKIN_TONES[base])
    colours = len(HAIR_COLOURS) if tone < 3 else 4
    return FaceIdentity(
        skin=skin,
        hair_colour=HAIR_COLOURS[stream.integers(colours)] * np.float32(between(0.85, 1.15)),
        hair=HAIR_STYLES[stream.integers(len(HAIR_STYLES))],
        parting=between(-0.5, 0.5),
        iris=IRIS_COLOURS[stream.integers(5 if tone < 3 else 2)],
        height=between(1.24, 1.36),
        jaw=between(0.02, 0.22),
        eyes=(between(0.40, 0.46), between(0.175, 0.215), between(-0.02, 0.10)),
        brows=(between(0.04, 0.085), between(0.02, 0.11)),
        nose=(between(0.19, 0.27), between(0.36, 0.46)),
        mouth=(between(0.32, 0.42), between(0.07, 0.13), between(0.70, 0.78)),
        lip_red=between(0.15, 0.75),
        # Cut at 0: five faces of eight have no freckles, two of three no stubble.
        freckles=max(between(-1.0, 0.6), 0.0),
        stubble=max(between(-1.2, 0.6), 0.0),
    )


def draw_picture(stream: np.random.Generator) -> FacePicture:
    """One picture: pose, light, expression, clothes and backdrop."""
    between = _between(stream)
    return FacePicture(
        scale=between(64, 74),
        centre=(between(-8, 8), between(0, 12)),
        roll=between(-0.09, 0.09),
        turn=np.array([between(-0.22, 0.22), between(-0.10, 0.10)], np.float32),
        light=(between(-0.6, 0.6), between(-0.5, 0.0), 0.8),
        ambient=between(0.40, 0.62),
        warmth=between(-0.05, 0.06),
        smile=between(-0.03, 0.13),
        open=max(between(-0.10, 0.12), 0.0),
        lids=between(0.75, 1.1),
        gaze=(between(-0.3, 0.3), between(-0.15, 0.15)),
        backdrop=muted(stream, 2, 0.35),
        cloth=muted(stream, 2, 0.7),
        pattern=int(stream.integers(4)),
    )


def _between(stream: np.random.Generator) -> Callable[[float, float], float]:
    return lambda low, high: low + (high - low) * stream.random()


def muted(stream: np.random.Generator, count: int, strength: float) -> np.ndarray:
    """(count, 3) colours that keep `strength` of their saturation."""
    grey = 0.12 + 0.7 * stream.random((count, 1), np.float32)
    return grey + strength * (stream.random((count, 3), np.float32) - np.float32(0.5)) * 0.7
