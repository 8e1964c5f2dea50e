"""What a file says of itself is told, and what does not fit is refused before it is decoded."""

import struct

import numpy as np
import odd_pictures
import pytest

from blurbench import memory
from blurbench.images import BadImage, Decoding, decode, decode_told
from blurbench.images.header import TOLD, Peculiarities, check_header

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
WIDE = odd_pictures.profile(odd_pictures.P3)
PNG = odd_pictures.saved(PICTURE, "PNG")
DEEP = PICTURE.astype(np.uint16) * 257

ODD = {
    "alpha.png": (odd_pictures.saved(PICTURE, "PNG", "RGBA"), ["alpha"]),
    "alpha.tif": (odd_pictures.saved(PICTURE, "TIFF", "RGBA"), ["alpha"]),
    "grey alpha.png": (odd_pictures.saved(PICTURE, "PNG", "LA"), ["alpha"]),
    "palette.png": (odd_pictures.saved(PICTURE, "PNG", "P", transparency=3), ["alpha"]),
    "deep.png": (odd_pictures.deep(DEEP), ["depth"]),
    "deep.tif": (odd_pictures.deep(DEEP, ".tif"), ["depth"]),
    "deep.ppm": (odd_pictures.deep(DEEP, ".ppm"), ["depth"]),
    "deep.pgm": (odd_pictures.deep(DEEP[..., :1], ".pgm"), ["depth"]),
    "apng.png": (odd_pictures.frames(PICTURE, "PNG"), ["frames"]),
    "animated.webp": (odd_pictures.frames(PICTURE, "WEBP"), ["frames"]),
    "pages.tif": (odd_pictures.frames(PICTURE, "TIFF"), ["frames"]),
    "two.jpg": (odd_pictures.frames(PICTURE, "MPO"), ["frames"]),
    "animated.gif": (odd_pictures.frames(PICTURE, "GIF"), ["frames"]),
    "linear.png": (odd_pictures.with_chunk(PNG, b"gAMA", struct.pack(">I", 100_000)), ["gamma"]),
    "p3.png": (
        odd_pictures.with_chunk(
            PNG,
            b"cHRM",
            struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000),
        ),
        ["gamma"],
    ),
    "profile.png": (
        odd_pictures.saved(
            PICTURE, "PNG", "RGBA", icc_profile=odd_pictures.profile(odd_pictures.P3)
        ),
        ["alpha", "profile"],
    ),
    "broken.png": (odd_pictures.saved(PICTURE, "PNG", icc_profile=b"no profile"), ["bad-profile"]),
    # Its profile is of three colours, the picture is grey.
    "grey.png": (
        odd_pictures.saved(PICTURE, "PNG", "L", icc_profile=odd_pictures.srgb_profile()),
        ["bad-profile"],
    ),
}
ORDINARY = {
    "plain.png": PNG,
    "plain.jpg": odd_pictures.saved(PICTURE, "JPEG"),
    "plain.webp": odd_pictures.saved(PICTURE, "WEBP"),
    "plain.tif": odd_pictures.saved(PICTURE, "TIFF"),
    "srgb.png": odd_pictures.saved(PICTURE, "PNG", icc_profile=odd_pictures.srgb_profile()),
    "gamma of sRGB.png": odd_pictures.with_chunk(PNG, b"gAMA", struct.pack(">I", 45455)),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_more_than_three_channels_of_eight_bits_is_told(name: str) -> None:
    data, told = ODD[name]
    assert decode_told(data, name).told == tuple(told)
    assert set(told) <= set(TOLD)


@pytest.mark.parametrize("name", ORDINARY)
def test_of_ordinary_pictures_there_is_nothing_to_tell(name: str) -> None:
    assert check_header(ORDINARY[name], name).told == ()


def test_sixteen_bits_are_kept_where_they_are_asked_for() -> None:
    values = np.random.default_rng(1).integers(0, 65536, (24, 32, 3), dtype=np.uint16)
    for suffix in (".png", ".tif", ".ppm"):
        data = odd_pictures.deep(values, suffix)
        kept = decode_told(data, "a", Decoding(depth=16))
        assert kept.told == ()
        np.testing.assert_array_equal(kept.image, values)
        np.testing.assert_allclose(decode(data, "a"), values >> 8, atol=1)  # TIFF's are rounded
    assert decode_told(PNG, "a", Decoding(depth=16)).image.dtype == np.uint8


def test_a_picture_that_does_not_fit_is_refused_before_it_is_decoded(monkeypatch) -> None:
    monkeypatch.setattr(memory, "budget", lambda: 10**8)
    white = np.full((3000, 3000, 3), 255, np.uint8)
    data = odd_pictures.saved(white, "PNG")
    told = r"a\.png: 3000x3000 px need 0\.1 GB of memory, 0\.1 GB are free; make it smaller"
    with pytest.raises(BadImage, match=told):
        decode(data, "a.png")
    decode_told(data, "a.png", Decoding(bytes_per_pixel=5))


@pytest.mark.parametrize(
    "data", [b"", b"P6 0 0 255\n", odd_pictures.saved(PICTURE, "BMP")[:18] + bytes(8)]
)
def test_pictures_without_pixels_are_one_line(data: bytes) -> None:
    with pytest.raises(BadImage, match=r"^a\.png: not a readable image[^\n]*$"):
        decode(data, "a.png")


def test_one_pixel_is_a_picture() -> None:
    assert decode(odd_pictures.saved(PICTURE[:1, :1], "PNG"), "a").shape == (1, 1, 3)


def test_peculiarities_are_counted_and_the_first_is_named() -> None:
    seen = Peculiarities()
    seen.add("b.png", ["depth", "alpha"])
    seen.add("a.png", ["alpha", "of a newer version"])
    seen.add("c.png", [])
    assert seen.lines() == [
        "2 pictures with an alpha channel, which is left out (first: b.png)",
        "1 picture with 16 bits, cut to 8 (first: b.png)",
    ]
