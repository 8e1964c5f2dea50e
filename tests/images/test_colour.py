"""Pictures in wide colour spaces become what the formulas of colour science say."""

import io

import numpy as np
import odd_pictures
import pytest
from odd_pictures import ADOBE, P3, SWAPPED, profile
from PIL import Image

from blurbench.images import Decoding, decode, decode_told
from blurbench.images.colour import state_of_profile

SRGB = Decoding(colour="srgb")
# Colours that sRGB has too, so that nothing is clipped.
PICTURE = np.random.default_rng(0).integers(90, 170, (24, 32, 3), dtype=np.uint8)
REC709 = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))


def expected(image: np.ndarray, primaries, gamma: float = 2.2) -> np.ndarray:
    """By CIE XYZ: gamma, matrix of the primaries, matrix of sRGB, curve of sRGB (IEC 61966-2-1)."""
    light = (image / 255) ** (round(gamma * 256) / 256)
    matrix = np.linalg.solve(odd_pictures.to_d50(REC709), odd_pictures.to_d50(primaries))
    linear = np.clip(light @ matrix.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return encoded * 255


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("primaries", [P3, ADOBE, SWAPPED], ids=["P3", "Adobe RGB", "swapped"])
def test_colours_are_those_of_the_formulas(primaries, kind: str) -> None:
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(kind, {})
    data = odd_pictures.saved(PICTURE, kind, icc_profile=profile(primaries), **options)
    stored = decode_told(data, "a")
    assert stored.told == ("profile",)
    converted = decode_told(data, "a", SRGB)
    assert converted.told == ("converted",)
    np.testing.assert_allclose(converted.image, expected(stored.image, primaries), atol=1.01)
    assert np.abs(converted.image.astype(int) - stored.image).max() > 10


def test_what_srgb_does_not_have_is_clipped() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    data = odd_pictures.saved(red, "PNG", icc_profile=profile(P3))
    np.testing.assert_allclose(decode_told(data, "a", SRGB).image, expected(red, P3), atol=1.01)


def test_pictures_in_srgb_are_left_alone() -> None:
    data = odd_pictures.saved(PICTURE, "PNG", icc_profile=odd_pictures.srgb_profile())
    read = decode_told(data, "a", SRGB)
    assert read.told == ()
    np.testing.assert_array_equal(read.image, PICTURE)


def test_a_picture_turned_by_exif_is_converted_too() -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    options = {"icc_profile": profile(ADOBE), "exif": exif}
    data = odd_pictures.saved(PICTURE, "JPEG", **options)
    assert decode_told(data, "a", SRGB).image.shape == (32, 24, 3)
    inks = odd_pictures.saved(PICTURE, "JPEG", "CMYK", **options)
    assert decode(inks, "a").shape == (32, 24, 3)


def test_pictures_that_are_not_rgb_are_converted_from_what_the_file_holds() -> None:
    lab = Image.fromarray(PICTURE).convert("LAB")
    stored = io.BytesIO()
    lab.save(stored, "TIFF", icc_profile=lab.info["icc_profile"])
    read = decode_told(stored.getvalue(), "a", SRGB)
    assert read.told == ("converted",)
    np.testing.assert_allclose(read.image, PICTURE, atol=4)  # 8 bits of L*a*b*


def test_a_profile_that_is_none_converts_nothing() -> None:
    data = odd_pictures.saved(PICTURE, "PNG", icc_profile=profile(P3)[:200])
    read = decode_told(data, "a", SRGB)
    assert read.told == ("bad-profile",)
    np.testing.assert_array_equal(read.image, PICTURE)


def test_sixteen_bits_with_a_profile_are_converted_as_eight() -> None:
    deep = io.BytesIO()
    grey = Image.fromarray(np.full((8, 8), 40_000, np.uint16))
    grey.save(deep, "PNG", icc_profile=profile(P3))
    assert decode_told(deep.getvalue(), "a", SRGB).told == ("depth", "bad-profile")


def test_profiles_of_srgb_are_told_from_others() -> None:
    srgb = profile(REC709, 2.2)
    assert state_of_profile(odd_pictures.srgb_profile(), "RGB") == ""
    # A plain gamma of 2.2 is up to 6 levels from sRGB's curve in the dark.
    assert state_of_profile(srgb, "RGB") == "profile"
    assert state_of_profile(srgb, "CMYK") == "bad-profile"
    assert state_of_profile(b"", "RGB") == "bad-profile"
