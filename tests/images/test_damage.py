"""Damaged files are named, and nothing but UserError comes of any bytes."""

import zlib
from contextlib import suppress

import numpy as np
import odd_pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blurbench.errors import UserError
from blurbench.images import BadImage, decode, decode_labels, decode_told
from blurbench.images.damage import jpeg_damage, why_unreadable

# Smooth, with texture: like a photograph to an encoder.
NOISE = np.random.default_rng(0).integers(0, 60, (160, 200, 3), dtype=np.uint8)
PHOTO = (NOISE + np.linspace(0, 190, 200, dtype=np.uint8)[None, :, None]).astype(np.uint8)
SMALL = PHOTO[:20, :24]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_whole_jpegs_have_no_damage(mode: str, options: dict) -> None:
    assert jpeg_damage(odd_pictures.saved(PHOTO, "JPEG", mode, **options)) == ""


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_zeroed_sector_is_a_named_failure_and_no_noise(options: dict, capfd) -> None:
    whole = odd_pictures.saved(PHOTO, "JPEG", quality=90, **options)
    told = [
        line_of(odd_pictures.zeroed(whole, 512, at), "a.jpg") for at in np.linspace(0.1, 0.9, 9)
    ]
    assert sum(map(bool, told)) >= 7
    start = "a.jpg: damaged data (Corrupt JPEG data: "
    assert all(line.startswith(start) for line in told if line)
    assert capfd.readouterr().err == ""


def line_of(data: bytes, name: str) -> str:
    try:
        decode(data, name)
    except BadImage as error:
        return str(error)
    return ""


def test_bytes_too_many_are_told() -> None:
    whole = odd_pictures.saved(PHOTO, "JPEG")
    with pytest.raises(BadImage, match="25 extraneous bytes before marker"):
        decode(whole[:-2] + b"\x55" * 26 + whole[-2:], "a.jpg")


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "tiff_lzw"])
def test_damaged_strips_of_tiff_are_a_named_failure(compression: str) -> None:
    whole = odd_pictures.saved(PHOTO, "TIFF", compression=compression)
    np.testing.assert_array_equal(decode(whole, "a"), PHOTO)
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes(16) + whole[middle + 16 :]
    assert line_of(damaged, "a.tif").startswith("a.tif: damaged data (")


def test_a_header_that_claims_more_than_the_data_hold_is_told_at_once() -> None:
    whole = odd_pictures.saved(np.zeros((4000, 4000, 3), np.uint8), "PNG")
    assert decode(whole, "a").shape == (4000, 4000, 3)  # packed 1,023-fold or so
    small = bytearray(odd_pictures.saved(SMALL, "PNG"))
    small[16:20] = (7_000_000).to_bytes(4, "big")
    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    with pytest.raises(BadImage, match=r"damaged data \(less data than its header claims\)"):
        decode(bytes(small), "a.png")


def test_a_part_of_a_png_that_is_longer_than_the_file_takes_no_memory() -> None:
    data = bytearray(odd_pictures.saved(SMALL, "PNG"))
    data[33] = 0xA7  # the length of its pixels: 2.8 GB
    with pytest.raises(BadImage, match=r"damaged data \(a part longer than the file\)"):
        decode(bytes(data), "a.png")


def test_the_reason_is_told_by_a_child() -> None:
    cut = odd_pictures.saved(PHOTO, "TIFF")[:2000]
    assert "truncated" in why_unreadable(cut, "a.tif")
    whole = odd_pictures.saved(PHOTO, "PNG")
    assert why_unreadable(whole, "a.png") == "of a kind that OpenCV does not read; save it as PNG"


SEEDS = {
    "png": odd_pictures.saved(SMALL, "PNG"),
    "palette": odd_pictures.saved(SMALL, "PNG", "P", icc_profile=odd_pictures.srgb_profile()),
    "jpeg": odd_pictures.saved(SMALL, "JPEG"),
    "tiff": odd_pictures.saved(SMALL, "TIFF"),
    "lzw": odd_pictures.saved(SMALL, "TIFF", compression="tiff_lzw"),
    "webp": odd_pictures.saved(SMALL, "WEBP", lossless=True),
    "bmp": odd_pictures.saved(SMALL, "BMP"),
    "ppm": odd_pictures.saved(SMALL, "PPM"),
}


@pytest.mark.parametrize("kind", SEEDS)
def test_flipped_bytes_give_a_picture_or_one_line(kind: str) -> None:
    seed = SEEDS[kind]
    place = st.integers(0, len(seed) - 1) | st.integers(0, 63)

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=4))
    def flipped(changes: list[tuple[int, int]]) -> None:
        data = bytearray(seed)
        for at, value in changes:
            data[at] = value
        for read in (decode_told, decode_labels):
            with suppress(UserError):
                read(bytes(data), "a.png")

    flipped()
