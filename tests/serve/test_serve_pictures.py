"""Frames out, pictures in."""

import io

import numpy as np
import pytest
from PIL import Image

from worldmodel.serve.pictures import PictureError, decode_picture, jpeg

MOST = 40_000_000


def encoded(size=(64, 48), form="PNG", mode="RGB", **options) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 128).save(out, form, **options)
    return out.getvalue()


def test_a_small_frame_keeps_its_colours():
    frame = np.zeros((96, 128, 3), np.uint8)
    frame[:, 64:] = (200, 30, 90)
    back = np.asarray(Image.open(io.BytesIO(jpeg(frame))))
    assert np.abs(back.astype(int) - frame).max() < 12


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_common_formats_become_rgb(form):
    picture = decode_picture(encoded(form=form), MOST)
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA"])
def test_odd_colour_modes_become_rgb(mode):
    assert decode_picture(encoded(mode=mode), MOST).shape == (48, 64, 3)


def test_a_large_picture_is_made_small_and_keeps_its_shape():
    assert decode_picture(encoded((3000, 1500), "JPEG"), MOST).shape == (512, 1024, 3)


def test_a_photograph_is_turned_upright():
    turned = Image.Exif()
    turned[0x0112] = 6
    data = encoded((64, 48), "JPEG", exif=turned)
    assert decode_picture(data, MOST).shape == (64, 48, 3)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a picture"),
        (b"<svg/>", "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "not a picture"),
        (encoded()[:60], "not a picture"),
        (encoded((8, 8)), "at least 16x16"),
        (encoded((7000, 6000), "PNG", "1"), "make it smaller"),
        (encoded((20000, 20000), "PNG", "1"), r"smaller|not a picture"),
    ],
    ids=["empty", "svg", "broken", "cut", "tiny", "bomb", "huge bomb"],
)
def test_what_is_no_picture_gets_one_sentence(data, says):
    with pytest.raises(PictureError, match=says):
        decode_picture(data, MOST)
