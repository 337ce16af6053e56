"""Hold the drawing primitives: outlines, masks, textures, and the sheet they are painted on.

Coordinates are pixels of the finished picture, x to the right and y downwards. Everything is drawn larger by SCALE
and reduced at the end, because Pillow's polygons and lines have no smooth edges of their own.
"""

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 480, 640
SCALE = 3
BACKDROP = (252, 252, 252)
BLACK = (0, 0, 0)
WHITE = (255, 255, 255)

CURVE_STEPS = 24

Point = tuple[float, float]
Outline = list[Point]
Colour = tuple[int, int, int]
Mask = NDArray[np.float32]  # one value a pixel of the enlarged picture: 0 outside a shape, 1 inside
Texture = NDArray[np.float32]  # one value a pixel of the enlarged picture: a factor on the brightness, about 1


def trace(path: str) -> Outline:
    """Turn an SVG path (absolute M, L, Q and C only) into a polyline."""
    points: Outline = []
    for command, arguments in re.findall(r"([MLQC])([^MLQC]*)", path):
        numbers = [float(number) for number in arguments.split()]
        corners = list(zip(numbers[::2], numbers[1::2], strict=True))
        degree = {"M": 1, "L": 1, "Q": 2, "C": 3}[command]
        for first in range(0, len(corners), degree):
            stretch = corners[first : first + degree]
            points += stretch if degree == 1 else _bezier([points[-1], *stretch])
    return points


def _bezier(controls: Sequence[Point]) -> Outline:
    """Sample a Bezier curve of any degree, without its first point."""
    degree = len(controls) - 1
    points: Outline = []
    for step in range(1, CURVE_STEPS + 1):
        t = step / CURVE_STEPS
        weights = [math.comb(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree + 1)]
        x = sum(weight * control[0] for weight, control in zip(weights, controls, strict=True))
        y = sum(weight * control[1] for weight, control in zip(weights, controls, strict=True))
        points.append((x, y))
    return points


def arc(centre: Point, radii: Point, start: float = 0, end: float = 360) -> Outline:
    """Sample an elliptic arc; angles in degrees, clockwise from three o'clock."""
    angles = np.radians(np.linspace(start, end, max(2, int(abs(end - start) / 3) + 1)))
    return [(centre[0] + radii[0] * math.cos(a), centre[1] + radii[1] * math.sin(a)) for a in angles]


def rounded_box(left: float, top: float, right: float, bottom: float, radius: float) -> Outline:
    """Outline a rectangle with rounded corners."""
    r = (radius, radius)
    return [
        *arc((left + radius, top + radius), r, 180, 270),
        *arc((right - radius, top + radius), r, 270, 360),
        *arc((right - radius, bottom - radius), r, 0, 90),
        *arc((left + radius, bottom - radius), r, 90, 180),
    ]


def moved(points: Outline, dx: float = 0, dy: float = 0) -> Outline:
    """Shift an outline."""
    return [(x + dx, y + dy) for x, y in points]


def reflected(points: Outline) -> Outline:
    """Mirror an outline left to right about the middle of the picture."""
    return [(WIDTH - x, y) for x, y in points]


def symmetric(left_half: Outline) -> Outline:
    """Complete a left half, drawn from the middle to the middle, into a closed outline."""
    return left_half + reflected(left_half)[::-1]


def filled(*outlines: Outline) -> Mask:
    """Mask the inside of one or more outlines."""
    image, pen = _blank()
    for outline in outlines:
        pen.polygon(_enlarged(outline), fill=255)
    return _mask(image)


def stroked(points: Outline, width: float) -> Mask:
    """Mask a line of a given width with round ends."""
    image, pen = _blank()
    enlarged = _enlarged(points)
    pen.line(enlarged, fill=255, width=max(1, round(width * SCALE)), joint="curve")
    radius = width * SCALE / 2
    for x, y in (enlarged[0], enlarged[-1]):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return _mask(image)


def dashed(points: Outline, width: float, dash: float, gap: float) -> Mask:
    """Mask a broken line, such as a row of stitches."""
    image, pen = _blank()
    along = np.array(_enlarged(points))
    lengths = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(along, axis=0).T))))
    for start in np.arange(0, lengths[-1], (dash + gap) * SCALE):
        ends = [start, min(start + dash * SCALE, lengths[-1])]
        xs, ys = np.interp(ends, lengths, along[:, 0]), np.interp(ends, lengths, along[:, 1])
        pen.line([(xs[0], ys[0]), (xs[1], ys[1])], fill=255, width=max(1, round(width * SCALE)))
    return _mask(image)


def blurred(mask: Mask, radius: float) -> Mask:
    """Soften a mask."""
    image = Image.fromarray(np.rint(mask * 255).astype(np.uint8))
    return _mask(image.filter(ImageFilter.GaussianBlur(radius * SCALE)))


def _blank() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Make an empty mask image and a pen for it."""
    image = Image.new("L", (WIDTH * SCALE, HEIGHT * SCALE))
    return image, ImageDraw.Draw(image)


def _enlarged(points: Outline) -> Outline:
    """Convert points of the finished picture to points of the enlarged one."""
    return [(x * SCALE, y * SCALE) for x, y in points]


def _mask(image: Image.Image) -> Mask:
    """Read a grey image as a mask."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def mottled(cell: float, strength: float) -> Texture:
    """Make uneven brightness with spots about `cell` pixels wide."""
    # The seed is fixed so that every run writes the same bytes.
    spots = np.random.default_rng(1).random((round(HEIGHT / cell), round(WIDTH / cell)), dtype=np.float32)
    size = (WIDTH * SCALE, HEIGHT * SCALE)
    smooth = np.asarray(Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    return np.float32(1) + np.float32(2 * strength) * (smooth - np.float32(0.5))


def ribbed(pitch: float, angle: float, strength: float) -> Texture:
    """Make parallel ribs `pitch` pixels apart; at angle 0 they stand upright."""
    turn, frequency = math.radians(angle), math.tau / (pitch * SCALE)
    x = np.arange(WIDTH * SCALE, dtype=np.float32) * np.float32(frequency * math.cos(turn))
    y = np.arange(HEIGHT * SCALE, dtype=np.float32) * np.float32(frequency * math.sin(turn))
    phase = x + y[:, np.newaxis]
    return np.float32(1) + np.float32(strength) * np.sin(phase)


class Sheet:
    """Hold one picture while it is painted; the light comes from the upper left."""

    def __init__(self) -> None:
        """Start with an empty backdrop."""
        self._pixels = np.full((HEIGHT * SCALE, WIDTH * SCALE, 3), BACKDROP, dtype=np.float32)

    def paint(
        self,
        shape: Mask,
        colour: Colour,
        *,
        bulge: float = 10,
        relief: float = 0.35,
        edge: float = 0.35,
        texture: Texture | None = None,
    ) -> None:
        """Fill a shape as if it bulged towards the camera."""
        # `bulge` is how far from its rim the shape is still curved, `relief` how much its lit and its unlit side
        # differ (below zero: a hollow), `edge` how dark the rim gets all round.
        height = blurred(shape, bulge)
        # A blurred mask is a height map: its slope towards the light brightens, and it is low near the rim.
        reach = max(1, round(bulge * SCALE / 2))
        slope = np.roll(height, (-reach, -reach), axis=(0, 1)) - np.roll(height, (reach, reach), axis=(0, 1))
        light = 1 + np.float32(relief / 2) * slope - np.float32(edge) * (1 - height)
        if texture is not None:
            light = light * texture
        self._blend(shape, colour, light)

    def tint(
        self, shape: Mask, colour: Colour, *, soft: float = 0, opacity: float = 1, within: Mask | None = None
    ) -> None:
        """Lay a flat colour over a shape, with soft edges and clipped to another shape where wanted."""
        cover = blurred(shape, soft) if soft else shape
        if within is not None:
            cover = cover * within
        self._blend(cover * np.float32(opacity), colour)

    def crease(self, path: str, within: Mask, *, width: float = 6, opacity: float = 0.22) -> None:
        """Draw a soft fold: a shadow with a lit ridge beside it."""
        points = trace(path)
        ridge = moved(points, width, width * 0.3)
        self.tint(stroked(ridge, width * 0.8), WHITE, soft=width * 0.6, opacity=opacity * 0.7, within=within)
        self.tint(stroked(points, width * 0.8), BLACK, soft=width * 0.6, opacity=opacity, within=within)

    def seam(self, points: Outline, within: Mask, *, thread: Colour | None = None) -> None:
        """Draw a seam: a thin dark line, with a row of stitches on it where a thread is named."""
        self.tint(stroked(points, 2.6), BLACK, soft=0.8, opacity=0.3, within=within)
        if thread is not None:
            self.stitches(moved(points, 2.4, 1.2), thread, within)

    def stitches(self, points: Outline, thread: Colour, within: Mask | None = None) -> None:
        """Draw a row of stitches."""
        self.tint(dashed(points, 1.3, 4, 2.2), thread, opacity=0.85, within=within)

    def metal(self, shape: Mask, colour: Colour = (196, 198, 202)) -> None:
        """Fill a small metal part, with the short shadow that lifts it off what lies below."""
        self.cast_shadow(shape, drop=2, soft=2, opacity=0.4)
        self.paint(shape, colour, bulge=2.5, relief=0.9, edge=0.5)

    def cast_shadow(self, shape: Mask, *, drop: float = 5, soft: float = 9, opacity: float = 0.22) -> None:
        """Darken what lies below and to the right of a shape that is painted next."""
        shift = round(drop * SCALE)
        self.tint(np.roll(shape, (shift, shift // 2), axis=(0, 1)), BLACK, soft=soft, opacity=opacity)

    def finished(self) -> Image.Image:
        """Reduce the sheet to the size of the picture."""
        pixels = np.rint(np.clip(self._pixels, 0, 255)).astype(np.uint8)
        return Image.fromarray(pixels).reduce(SCALE)

    def _blend(self, cover: Mask, colour: Colour, light: Texture | None = None) -> None:
        """Mix a colour into the sheet, as much of it at each pixel as the cover says."""
        rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
        if not rows.size:
            return
        # Most parts are small: leaving the rest of the sheet alone halves the drawing time.
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        paint = np.asarray(colour, dtype=np.float32)
        if light is not None:
            paint = light[box][:, :, np.newaxis] * paint
        self._pixels[box] += cover[box][:, :, np.newaxis] * (paint - self._pixels[box])
