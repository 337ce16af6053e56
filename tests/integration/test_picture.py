"""The picture for the desk: what it shows, when it comes, and what it must not carry."""

import base64
import io
import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from handler import picture as picture_module
from handler.errors import PhotoError
from handler.picture import PictureResult, can_be_copied
from handler.pipeline import Predicted, Row, events_of, infer, predict
from handler.request import EncodedPhoto, Request, parse
from tests.support.drawn_photos import encoded, heic, sixteen_bit, striped, turned_by_exif
from tests.support.handler_steps import CONTRACT, LIMITS, FakeRuntime, answered, prepared
from tests.support.odd_jpegs import segment
from tests.support.photo_metadata import SECRET, with_secrets

QUARTERS = {(1, 1): (200, 30, 30), (3, 1): (30, 200, 30), (1, 3): (30, 30, 200), (3, 3): (240, 240, 240)}
LARGE = (1700, 2000)  # pixels; a larger JPEG than the client copies


def answer(photo: bytes, **options: Any) -> Predicted:
    request = Request(**{"purpose": "predict", "picture": "always", **options}, photos=(EncodedPhoto(None, photo),))
    (result,) = answered(request)
    assert isinstance(result, Predicted), result
    return result


def answer_or_refusal(photo: bytes) -> int:
    request = Request(purpose="predict", picture="always", photos=(EncodedPhoto(None, photo),))
    (result,) = answered(request)
    return 200 if isinstance(result, Predicted) else result.status


def picture(photo: bytes) -> dict[str, Any]:
    """Return the picture of a photo with its JPEGs decoded from base64."""
    fields = answer(photo).prediction["picture"]
    return {name: base64.b64decode(value) if isinstance(value, str) else value for name, value in fields.items()}


def shown(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    assert (image.format, image.mode) == ("JPEG", "RGB")
    return image


def copy_of(photo: bytes) -> Image.Image:
    return shown(picture(photo)["jpeg"])


def assert_upright(image: Image.Image, tolerance: int = 24) -> None:
    width, height = image.size
    for (across, down), colour in QUARTERS.items():
        pixel = _pixel(image, width * across // 4, height * down // 4)
        assert np.abs(np.subtract(pixel, colour)).max() <= tolerance, (across, down, pixel)


class TestWhatIsShown:
    @pytest.mark.parametrize("file_format", ["PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIC"])
    def test_every_other_format_becomes_an_upright_jpeg(self, file_format: str) -> None:
        photo = striped()
        fields = picture(heic(photo) if file_format == "HEIC" else encoded(photo, file_format))
        assert fields.keys() == {"thumbnail", "jpeg", "orientation"}
        assert fields["orientation"] == 1
        for name in ("thumbnail", "jpeg"):
            assert shown(fields[name]).size == (120, 160)  # never enlarged
            assert_upright(shown(fields[name]))

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "MPO"])
    def test_copy_and_thumbnail_have_their_size(self, file_format: str) -> None:
        fields = picture(encoded(striped((1500, 2000)), file_format))
        for name, size in (("jpeg", (960, 1280)), ("thumbnail", (192, 256))):
            assert shown(fields[name]).size == size
            assert_upright(shown(fields[name]))

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
    @pytest.mark.parametrize("size", [(1601, 1280), (2559, 16), (16, 5000)])
    def test_odd_sizes_fit(self, size: tuple[int, int], file_format: str) -> None:
        image = copy_of(encoded(Image.new("RGB", size), file_format))
        assert max(image.size) == 1280
        assert min(image.size) >= 1

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_picture_is_upright_and_names_the_orientation(self, file_format: str, orientation: int) -> None:
        undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how to lay the picture down, as Pillow counts transposes
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright = striped(LARGE)
        lying = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
        fields = picture(encoded(lying, file_format, exif=exif))
        assert fields["orientation"] == orientation
        assert shown(fields["jpeg"]).size == (1088, 1280)
        assert_upright(shown(fields["jpeg"]))
        assert_upright(shown(fields["thumbnail"]))

    @pytest.mark.parametrize("kind", ["rgba", "la", "palette", "colour key"])
    def test_alpha_is_laid_over_white(self, kind: str) -> None:
        if kind == "palette":
            image = Image.new("P", (40, 40), 0)
            image.putpalette([0, 0, 0, 255, 0, 0])
            photo = encoded(image, "GIF", transparency=0)
        elif kind == "colour key":
            photo = encoded(Image.new("RGB", (40, 40), (0, 0, 0)), "PNG", transparency=(0, 0, 0))
        else:
            photo = encoded(Image.new(kind.upper(), (40, 40), 0), "PNG")
        assert min(_pixel(copy_of(photo), 20, 20)) >= 250

    def test_transparent_edges_do_not_bleed(self) -> None:
        image = Image.new("RGBA", (2600, 2600), (0, 0, 0, 0))  # black where nothing is visible
        image.paste((255, 0, 0, 255), (0, 0, 1301, 2600))
        row = np.asarray(copy_of(encoded(image, "PNG")))[600, 700:].astype(int)
        assert row.min() >= 245

    def test_sixteen_bits_are_scaled_not_clipped(self) -> None:
        image, expected = copy_of(sixteen_bit(striped())), striped().convert("L")
        for across, down in QUARTERS:
            place = image.width * across // 4, image.height * down // 4
            assert abs(_pixel(image, *place)[0] - _pixel(expected.convert("RGB"), *place)[0]) <= 16, (across, down)

    @pytest.mark.parametrize("mode", ["1", "L", "CMYK", "P"])
    def test_other_modes_are_shown(self, mode: str) -> None:
        image = copy_of(encoded(striped().convert(mode), "TIFF"))
        assert _pixel(image, 90, 120)[1] >= 215

    def test_cmyk_jpegs_are_drawn_for_browsers_that_do_not_show_them(self) -> None:
        assert_upright(copy_of(encoded(striped().convert("CMYK"), quality=95)), tolerance=40)

    @pytest.mark.parametrize("file_format", ["GIF", "WEBP", "TIFF"])
    def test_first_frame_of_an_animation(self, file_format: str) -> None:
        frames = [Image.new("RGB", (30, 30), colour) for colour in ((255, 0, 0), (0, 0, 255))]
        photo = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
        assert _pixel(copy_of(photo), 15, 15)[0] > 200

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
    def test_fine_detail_stays_sharp(self, file_format: str) -> None:
        """Lines of 8 pixels that become lines of 3 keep most of their contrast."""
        lines = np.repeat(np.tile([0, 255], 240).astype(np.uint8), 8)
        photo = encoded(Image.fromarray(np.tile(lines, (2880, 1))).convert("RGB"), file_format)
        image = copy_of(photo)
        assert image.size == (1280, 960)
        assert np.asarray(image.convert("L"))[400, 100:-100].std() > 100


class TestColours:
    @staticmethod
    def swapped() -> bytes:
        """Return a profile in which the red channel shines green and the green one red."""
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
        return swapped.replace("sRGB".encode("utf-16-be"), "sGRB".encode("utf-16-be"))

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_profiles_are_applied_and_dropped(self, file_format: str) -> None:
        red = Image.new("RGB", (1700, 64), (255, 0, 0))  # too long for the client to copy
        fields = picture(encoded(red, file_format, icc_profile=self.swapped(), quality=95))
        for name in ("thumbnail", "jpeg"):
            image = shown(fields[name])
            assert "icc_profile" not in image.info
            red_part, green_part, _ = _pixel(image, 32, 4)
            assert green_part > 245
            assert red_part < 10

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    @pytest.mark.parametrize("profile", [b"no profile at all", swapped()], ids=["broken", "of RGB"])
    def test_a_wrong_profile_costs_no_picture(self, mode: str, profile: bytes) -> None:
        assert picture(encoded(striped().convert(mode), icc_profile=profile))["thumbnail"]


class TestPrivacy:
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "HEIC", "TIFF", "GIF"])
    def test_nothing_of_the_originals_metadata_survives(self, file_format: str) -> None:
        photo = with_secrets(file_format, LARGE)
        assert SECRET in photo
        fields = picture(photo)
        for name in ("thumbnail", "jpeg"):
            assert SECRET not in fields[name]
            # JFIF, tables and the frame; no APP1 (EXIF, XMP), APP2 (profile), comment or any other.
            assert set(_segments(fields[name])) <= {0xE0, 0xDB, 0xC0, 0xC4}
            assert fields[name].endswith(b"\xff\xd9")
            assert shown(fields[name]).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


class TestPhotosThatTheClientCopies:
    @pytest.mark.parametrize("mode", ["L", "RGB"])
    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("size", [(16, 16), (1600, 1200), (1200, 1600)])
    def test_a_small_jpeg_comes_without_jpeg(self, size: tuple[int, int], progressive: bool, mode: str) -> None:
        photo = encoded(striped(size).convert(mode), progressive=progressive)
        fields = picture(photo)
        assert fields.keys() == {"thumbnail", "orientation"}
        thumbnail = shown(fields["thumbnail"])
        assert max(thumbnail.size) == min(256, max(size))

    def test_its_thumbnail_is_upright(self) -> None:
        fields = picture(turned_by_exif(striped((480, 640))))
        assert (set(fields), fields["orientation"]) == ({"thumbnail", "orientation"}, 6)
        assert shown(fields["thumbnail"]).size == (192, 256)
        assert_upright(shown(fields["thumbnail"]))

    def test_larger_ones_are_drawn(self) -> None:
        assert not can_be_copied(encoded(striped((1601, 100))))
        assert not can_be_copied(encoded(striped((100, 1601))))

    def test_only_colours_that_every_decoder_reads_alike_are_copied(self) -> None:
        jpeg = encoded(striped())
        adobe = [segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform])) for transform in (0, 1)]
        jfif_ends = jpeg.index(b"\xff\xdb")
        unnamed = jpeg[:2] + jpeg[jfif_ends:]
        assert can_be_copied(unnamed), "its components are numbered 1, 2, 3"
        assert not can_be_copied(unnamed[:2] + adobe[0] + unnamed[2:]), "RGB"
        assert can_be_copied(unnamed[:2] + adobe[1] + unnamed[2:])
        assert not can_be_copied(jpeg[:jfif_ends] + adobe[0] + jpeg[jfif_ends:]), "two segments that disagree"
        lettered = _renamed(unnamed, b"RGB")
        assert not can_be_copied(lettered)
        assert not can_be_copied(encoded(striped().convert("CMYK")))

    def test_an_extended_jpeg_is_drawn(self) -> None:
        assert not can_be_copied(encoded(striped()).replace(b"\xff\xc0\x00\x11", b"\xff\xc1\x00\x11"))


class TestWhenItComes:
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
    def test_review_brings_it_to_those_that_a_person_sees(self, file_format: str) -> None:
        red, grey = (encoded(Image.new("RGB", (64, 64), colour), file_format) for colour in ("red", "gray"))
        accepted, review = answer(red, picture="review"), answer(grey, picture="review")
        assert (accepted.prediction["decision"], review.prediction["decision"]) == ("accept", "review")
        assert ("picture" in accepted.prediction, "picture" in review.prediction) == (False, True)
        assert (accepted.picture, review.picture) == (None, PictureResult.MADE)
        assert "picture" in answer(red, picture="always").prediction
        assert "picture" not in answer(grey, picture=None).prediction

    @pytest.mark.parametrize(
        ("headers", "wish"),
        [
            ({}, None),
            ({"X-Picture": "review"}, "review"),
            ({"x-picture": "always"}, "always"),
            ({"X-PICTURE": " Always "}, "always"),
            ({"X-Picture": "1"}, "review"),
        ],
    )
    def test_the_header(self, headers: dict[str, str], wish: str | None) -> None:
        assert parse({"body": b"x"}, headers, 16).picture == wish

    def test_each_photo_of_a_form_has_its_own(self) -> None:
        photos = (EncodedPhoto("a", encoded(striped(LARGE))), EncodedPhoto("b", b"no photo"))
        with_picture, refused = answered(Request("predict", photos, picture="always"))
        assert isinstance(with_picture, Predicted)
        assert "picture" in with_picture.prediction
        assert isinstance(refused, PhotoError)

    @pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIC"])
    def test_the_prediction_is_the_same_with_and_without(self, file_format: str) -> None:
        drawn = striped((1700, 2000)).rotate(7)
        photo = heic(drawn) if file_format == "HEIC" else encoded(drawn, file_format)
        plain = answer(photo, picture=None, wants_fingerprint=True).prediction
        with_picture = answer(photo, wants_fingerprint=True).prediction
        assert with_picture.pop("picture")
        assert with_picture == plain


class TestFaults:
    @pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
    def test_a_picture_that_fails_costs_no_prediction(
        self, file_format: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_image: Image.Image) -> bytes:
            raise MemoryError

        monkeypatch.setattr(picture_module, "_encode", fail)
        result = answer(encoded(striped(), file_format))
        assert result.prediction["predicted_class"]
        assert "picture" not in result.prediction
        assert "picture" in caplog.text
        request = Request("predict", (EncodedPhoto(None, b""),))
        assert events_of(Row(request, [result])) == [result.prediction, PictureResult.FAILED]

    def test_a_photo_that_does_not_get_its_turn_again_is_predicted_without(self) -> None:
        request = Request("predict", (EncodedPhoto(None, encoded(striped(LARGE))),), picture="always")
        (inferred,) = infer(prepared(request), FakeRuntime())
        result = predict(inferred, CONTRACT, LIMITS, deadline=-math.inf)
        assert isinstance(result, Predicted)
        assert result.picture is PictureResult.FAILED
        assert "picture" not in result.prediction


def _pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return tuple(int(part) for part in pixel)


def _segments(jpeg: bytes) -> Iterator[int]:
    """Yield the markers of a JPEG up to its pixels."""
    position = 2
    while jpeg[position + 1] != 0xDA:
        yield jpeg[position + 1]
        position += 2 + struct.unpack(">H", jpeg[position + 2 : position + 4])[0]


def _renamed(jpeg: bytes, names: bytes) -> bytes:
    """Give the components of a JPEG other identifiers, in the frame and in its one scan."""
    changed = bytearray(jpeg)
    frame, scan = jpeg.index(b"\xff\xc0") + 10, jpeg.index(b"\xff\xda") + 5
    for number, name in enumerate(names):
        changed[frame + 3 * number] = changed[scan + 2 * number] = name
    return bytes(changed)
