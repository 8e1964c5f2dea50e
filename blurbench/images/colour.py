"""Colour profiles: which are other than sRGB, and pictures converted from them.

Relative colorimetric: a colour that both spaces have stays the colour it was, where perceptual
tables move all of them, as the maker of each profile likes. No black point compensation.
"""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
# Of the sRGB profiles of HP, Canon, Nikon, Facebook (c2) and lcms none is further off.
SAME = 2  # grey levels
STEPS = np.arange(0, 256, 17, dtype=np.uint8)


def state_of_profile(profile: bytes, mode: str) -> str:
    """Empty for sRGB's; else "profile", or "bad-profile" for one that fits no such picture."""
    try:
        return _state(profile, channels(mode))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError):
        return "bad-profile"


def channels(mode: str) -> str:
    """The mode of Pillow that a picture of this mode has once it is decoded."""
    if mode in ("CMYK", "LAB"):
        return mode
    return "L" if mode[0] in "L1IF" else "RGB"


def to_srgb(image: Image.Image, profile: bytes) -> np.ndarray:
    """(H, W, 3) uint8 sRGB of a picture in the colours of its profile."""
    converted = ImageCms.applyTransform(image, _transform(profile, image.mode))
    assert converted is not None
    return np.array(converted)


@lru_cache(maxsize=32)  # a folder has few; building one takes milliseconds
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(source, srgb, mode, "RGB", renderingIntent=INTENT)


@lru_cache(maxsize=32)
def _state(profile: bytes, mode: str) -> str:
    transform = _transform(profile, mode)
    if mode not in ("RGB", "L"):
        return "profile"
    if mode == "L":
        shown = np.stack([STEPS] * 3, axis=-1)[None]
        given = Image.fromarray(STEPS[None])
    else:
        shown = np.stack(np.meshgrid(STEPS, STEPS, STEPS), axis=-1).reshape(len(STEPS), -1, 3)
        given = Image.fromarray(shown)
    converted = np.asarray(ImageCms.applyTransform(given, transform), np.int16)
    return "profile" if np.abs(converted - shown).max() > SAME else ""
