import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from blurbench import images
from blurbench.images import BadImage, decode, decode_labels, encode, image_files


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return cv2.blur(noise, (5, 5))


def saved(image: np.ndarray, kind: str, mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_pictures_come_back_in_rgb(picture, kind):
    np.testing.assert_array_equal(decode(saved(picture, kind), "a"), picture)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_encode_keeps_every_pixel(picture, suffix):
    np.testing.assert_array_equal(decode(encode(picture, suffix), "a"), picture)
    labels = picture[..., 0] % 4
    assert (decode(encode(labels, suffix), "a") == labels[..., None]).all()


@pytest.fixture(params=["fpng", "OpenCV"])
def _writer(request, monkeypatch):
    """Both that write PNG files."""
    if request.param == "fpng":
        pytest.importorskip("fpng", reason="the extra blurbench[png] is not installed")
    else:
        monkeypatch.setattr(images, "_fast_png", lambda: None)


@pytest.mark.usefixtures("_writer")
@given(st.integers(0, 2**32 - 1))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_reader_gets_the_pixels_that_were_written(seed):
    random = np.random.default_rng(seed)
    height, width = (int(side) for side in random.integers(1, 90, 2))
    written = random.integers(0, 256, (height, width, 3), np.uint8)
    if seed % 2:  # runs and matches
        written = np.repeat(written, 5, axis=1)[:, ::-1]
    data = encode(written)
    np.testing.assert_array_equal(decode(data, "a"), written)
    with Image.open(io.BytesIO(data)) as pillow:
        assert pillow.mode == "RGB"
        np.testing.assert_array_equal(np.array(pillow), written)
    assert encode(written) == data


@pytest.mark.usefixtures("_writer")
def test_damage_of_a_written_file_is_seen(picture):
    data = bytearray(encode(picture))
    data[len(data) // 2] ^= 8
    with pytest.raises(BadImage, match="damaged"):
        decode(bytes(data), "a")


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "CMYK"])
def test_every_colour_mode_becomes_rgb(picture, mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert decode(saved(picture, kind, mode), "a").shape == picture.shape


def test_sixteen_bits_become_eight(picture):
    wide = cv2.imencode(".png", picture[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    np.testing.assert_array_equal(decode(wide, "a"), picture)


def test_exif_rotation_is_applied(picture):
    exif = Image.Exif()
    exif[0x112] = 6  # turn by 90 degrees clockwise
    turned = decode(saved(picture, "JPEG", exif=exif), "a")
    plain = decode(saved(picture, "JPEG"), "a")
    np.testing.assert_array_equal(turned, np.rot90(plain, -1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_truncated_file_is_named_in_one_line(picture, kind, capfd):
    data = saved(picture, kind)
    with pytest.raises(BadImage, match=r"^holiday\.jpg: [a-z ]+(\([^\n]+\))?(; [a-z ,]+)?$"):
        decode(data[: len(data) // 2], "holiday.jpg")
    told = capfd.readouterr().err
    assert "ERROR" not in told
    assert "libpng" not in told


def test_flipped_bit_in_a_png_is_found(picture, capfd):
    data = bytearray(saved(picture, "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(BadImage, match="damaged"):
        decode(bytes(data), "a.png")
    assert capfd.readouterr().err == ""  # libpng's line beside ours


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", png_header(0, 5)])
def test_what_is_no_picture_is_named(data):
    with pytest.raises(BadImage, match=r"a\.png: not a readable image"):
        decode(data, "a.png")


@pytest.mark.parametrize("size", [(60_000, 60_000), (13_400, 13_400)])
def test_bomb_is_refused_by_its_header(size):
    with pytest.raises(BadImage, match=r"a\.png: over 178 megapixels"):
        decode(png_header(*size), "a.png")


def test_own_limit_holds_where_pillow_has_none(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(BadImage, match="over 178 megapixels"):
        decode(png_header(60_000, 60_000), "a.png")


def test_large_picture_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.check_header(png_header(10_000, 10_000), "a.png")


def test_labels_are_indices_not_colours(picture):
    labels = picture[..., 0] % 19
    indexed = Image.fromarray(labels, "L")
    indexed.putpalette([255 - value // 3 for value in range(768)])
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG")
    np.testing.assert_array_equal(decode_labels(buffer.getvalue(), "a"), labels)


def test_colour_labels_are_refused(picture):
    with pytest.raises(BadImage, match=r"a\.png: labels must be a palette or grey image, not RGB"):
        decode_labels(saved(picture, "PNG"), "a.png")


def test_image_files_are_sorted_by_path_and_not_hidden(tmp_path):
    for name in ["b.JPG", "a/c.png", ".git/d.png", "a/.e.png", "a/notes.txt", "Z.ppm"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
    assert names == ["Z.ppm", "a/c.png", "b.JPG"]


def test_float_and_back(picture):
    values = images.to_float(picture)
    assert values.shape == (3, 40, 60)
    assert (values.dtype, values.max() <= 1) == (np.float32, True)
    np.testing.assert_array_equal(images.to_uint8(values), picture)


def test_to_uint8_clips_and_rounds():
    values = np.array([-1, 0.4 / 255, 0.6 / 255, 2], np.float32).reshape(1, 1, 4)
    assert images.to_uint8(values).ravel().tolist() == [0, 0, 1, 255]
