"""What a procedural face is made of, from the backdrop to the fringe, in the order of painting.

The numbers are head units and shares of the light, set by eye.
"""

import numpy as np

from blurbench.sources.faces.brush import Canvas, Colour, Texture, blob, box, ellipse, lens
from blurbench.sources.faces.parameters import FaceIdentity, FacePicture, muted
from blurbench.sources.labels.masks import BACKGROUND, HAIR, PARTS, SKIN


def backdrop(canvas: Canvas, how: FacePicture, noise: Texture) -> None:
    """A wall or a garden out of focus: two colours, clouds, a few soft boxes and discs."""
    mix = noise.clouds(3) * 0.7 + (canvas.y + 2) * 0.1
    canvas.image += how.backdrop[0] + mix[..., None] * (how.backdrop[1] - how.backdrop[0])
    for _ in range(9):
        x, y, width, height, soft, kind = noise.stream.random(6)
        colour = muted(noise.stream, 1, 0.5)[0]
        right, down = canvas.x - 4 * float(x) + 2, canvas.y - 4 * float(y) + 2
        radii = (0.1 + 0.5 * float(width), 0.15 + 0.9 * float(height))
        shape = box(right, down, radii) if kind < 0.6 else ellipse(right, down, (radii[0],) * 2)
        canvas.paint(canvas.cover(shape, 1 + 9 * float(soft)) * 0.55, colour)
    canvas.shade((noise.clouds(40) - 0.5) * 0.14 + (noise.clouds(110) - 0.5) * 0.10)


def neck_and_cloth(canvas: Canvas, who: FaceIdentity, how: FacePicture, noise: Texture) -> None:
    """Neck, ears and shoulders: skin and cloth in the picture, background in the labels."""
    x, y = canvas.x, canvas.y
    width = 0.50 + 0.35 * np.maximum(y - 1.35, 0)
    neck = np.minimum(width - np.abs(x), y - 0.5)
    side = x / (0.62 + np.abs(y - 1.4) * 0.1)
    shadow = 0.62 + 0.20 * np.clip((y - who.height - 0.05) * 3, 0, 1) - 0.22 * side * side
    colour = who.skin * (shadow + 0.2 * how.light[0] * side)[..., None]
    canvas.paint(canvas.cover(neck), colour, BACKGROUND)
    for sign in (-1, 1):
        right = sign * x - 0.99 - sign * float(how.turn[0]) * 0.15
        ear = ellipse(right, y + 0.02 + 0.3 * right, (0.13, 0.27))
        tone = 0.78 - 0.5 * blob(right - 0.01, y + 0.02, (0.09, 0.20))
        canvas.paint(canvas.cover(ear), who.skin * tone[..., None], BACKGROUND)
    collar = np.maximum(1.62 - 0.315 * np.maximum(np.abs(x) - 0.55, 0), 1.4)
    cloth = y - collar - np.maximum(0.55 - np.abs(x), 0) * 0.7
    weave = np.round(_weave(canvas, how.pattern, noise) * 3) / 3
    colour = how.cloth[0] + weave[..., None] * (how.cloth[1] - how.cloth[0])
    folds = 0.55 + 0.5 * noise.clouds(7) + 0.15 * noise.clouds(100)
    canvas.paint(canvas.cover(cloth), colour * folds[..., None], BACKGROUND)
    canvas.shade(-0.5 * canvas.cover(0.04 - np.abs(cloth), 3))


def _weave(canvas: Canvas, pattern: int, noise: Texture) -> np.ndarray:
    """(H, W) in [0, 1]: 0 mottled, 1 upright stripes, 2 lying stripes, 3 checks."""
    if pattern == 0:
        return noise.clouds(60)
    if pattern == 1:
        return noise.strands(canvas.x * 14)
    if pattern == 2:
        return noise.strands(canvas.y * 12)
    out: np.ndarray = (noise.strands(canvas.x * 9) + noise.strands(canvas.y * 9)) / 2
    return out


def _outline(canvas: Canvas, who: FaceIdentity) -> np.ndarray:
    """About the distance inside the face, from the top of the skull to the chin."""
    y = canvas.y / who.height
    below = np.maximum(canvas.y, 0)
    x = canvas.x * (1 + who.jaw * below * below)
    a, b = x * x, y * y
    out: np.ndarray = 1 - np.sqrt(np.maximum(a + b - 0.45 * a * b, 0))
    return out


def head(canvas: Canvas, who: FaceIdentity, how: FacePicture, noise: Texture) -> None:
    """The face: skin lit as an egg, with sockets, cheeks, pores, freckles, stubble."""
    u, v = canvas.u, canvas.v
    inside = _outline(canvas, who)
    across, down = canvas.x * 0.92, canvas.y / who.height * 0.9
    out = np.sqrt(np.maximum(1 - across * across - down * down, 0))
    lit = np.maximum(across * how.light[0] + down * how.light[1] + out * how.light[2], 0)
    light = how.ambient + (1.08 - how.ambient) * lit * 1.15
    colour = who.skin * light[..., None]
    red = 0.10 * blob(np.abs(u) - 0.55, v - 0.38, (0.42, 0.34))
    colour = colour * (1 + red[..., None] * np.array([0.5, -0.9, -0.8], np.float32))
    cover = canvas.cover(inside)
    canvas.paint(cover, colour, SKIN)
    form = 0.10 * blob(u, v + 0.75, (0.75, 0.4)) + 0.07 * blob(u, v - 1.12, (0.28, 0.18))
    for side in (-1, 1):
        form -= 0.20 * blob(u - side * who.eyes[0] * 0.95, v + 0.10, (0.34, 0.24))
        form += 0.09 * blob(u - side * 0.58, v - 0.30, (0.30, 0.22))
        form -= 0.10 * blob(u - side * (0.34 + 0.12 * v), v - 0.50, (0.10, 0.30))
    pores = (noise.clouds(128) - 0.5) * 0.07 + (noise.grain() - 0.5) * 0.04
    mottle = (noise.clouds(24) - 0.5) * 0.07
    spots = np.maximum(noise.clouds(64) - 0.80, 0) * blob(u, v - 0.2, (0.85, 0.55))
    beard = blob(u, v - 0.95, (0.95, 0.62)) * who.stubble * (0.5 + 0.9 * noise.clouds(120))
    beard = np.minimum(beard * 1.4, 0.75) * np.clip((np.abs(u) + np.abs(v - 0.75)) * 4 - 1, 0, 1)
    canvas.shade(cover * (form + pores + mottle - who.freckles * 3.5 * spots))
    canvas.paint(cover * beard * 0.8, who.hair_colour * 0.8)


def nose(canvas: Canvas, who: FaceIdentity, how: FacePicture) -> None:
    """Ridge, wings, nostrils and the shadow on the side away from the light."""
    width, base = who.nose
    canvas = canvas.window(0, 0.15, 0.62)
    u, v = canvas.u, canvas.v
    t = np.clip((v + 0.25) / (base + 0.25), 0, 1)
    half = 0.075 + (width - 0.075) * t * t
    region = np.minimum(np.minimum(half - np.abs(u), v + 0.25), base + 0.06 - v)
    side = 1.0 if how.light[0] > 0 else -1.0
    strength = 0.12 + 0.25 * abs(how.light[0])
    form = 0.16 * blob(u, v - base * 0.35, (0.07, 0.55))
    form += 0.16 * blob(u, v - base + 0.10, (0.11, 0.10))
    form -= strength * blob(u + side * half * 0.8, v - base * 0.5, (0.13, 0.55))
    form -= 0.25 * blob(u, v - base - 0.07, (width * 1.1, 0.09))
    for sign in (-1, 1):
        wing = ellipse(u - sign * width * 0.72, v - base + 0.06, (width * 0.38, 0.105))
        form -= 0.30 * np.clip(1 - np.abs(wing) * 28, 0, 1) * (sign * u > width * 0.70)
    canvas.shade(form)
    dark = who.skin * np.array([0.30, 0.18, 0.16], np.float32)
    for sign in (-1, 1):
        tilt = v - base - 0.01 + 0.25 * (sign * u - width * 0.45)
        hole = ellipse(u - sign * width * 0.45, tilt, (width * 0.26, 0.032))
        canvas.paint(canvas.cover(hole, 1.6) * 0.85, dark)
    canvas.labels[region > 0] = PARTS


def mouth(canvas: Canvas, who: FaceIdentity, how: FacePicture, noise: Texture) -> None:
    """Lips between curves of the distance from the middle; teeth show where the mouth is open."""
    width, full, height = who.mouth
    canvas = canvas.window(0, height, 0.62)
    width = width * (1 + 0.9 * max(how.smile, 0))
    u = canvas.u / width
    arch = np.maximum(1 - u * u, 0)
    line = canvas.v - height + how.smile * (u * u - 0.4)
    bow = np.maximum(1 - np.abs(np.abs(u) - 0.25) * 2.2, 0)
    top = -(full * 0.75) * arch - full * 0.28 * bow * arch - how.open * 0.45 * arch
    inner_top, inner_bottom = -how.open * 0.45 * arch, how.open * 0.9 * arch
    bottom = inner_bottom + full * 1.15 * arch * (0.55 + 0.45 * arch)
    whole = lens(u, line, top, bottom)
    lip = who.skin * np.array([0.92, 0.62, 0.60], np.float32)
    lip = lip + np.float32(who.lip_red * 0.6) * (np.array([0.72, 0.20, 0.24], np.float32) - lip)
    creases = (noise.strands(u * 16) - 0.5) * 0.22
    shine = blob(u - how.light[0] * 0.3, line - inner_bottom - full * 0.55, (0.5, 0.045))
    form = np.clip(line * 100, -0.16, 0.04) + creases + 0.40 * shine
    light = how.ambient + 0.42
    canvas.paint(canvas.cover(whole, 1.5), lip * (light * (1 + form))[..., None], PARTS)
    gap = lens(u, line, inner_top, inner_bottom)
    canvas.paint(canvas.cover(gap, 1.2) * (how.open > 0.01), (0.20, 0.05, 0.05))
    teeth = np.minimum(gap - 0.006, inner_top + how.open * 0.95 - line)
    slots = np.abs(u * 5 - np.floor(u * 5) - 0.5)
    white = (0.88 - 0.22 * np.maximum(slots * 8 - 3.2, 0)) * (1 - 0.35 * u * u)
    enamel = white[..., None] * np.array([1.0, 0.97, 0.90], np.float32)
    canvas.paint(canvas.cover(teeth, 1.2) * (how.open > 0.035), enamel)
    closed = 0.012 - np.abs(line) + 0.012 * arch
    canvas.paint(canvas.cover(closed, 1.5) * (arch > 0) * (how.open <= 0.035) * 0.75, lip * 0.32)
    canvas.shade(-0.22 * blob(u, line - bottom - 0.06, (0.75, 0.07)))


def eye(canvas: Canvas, who: FaceIdentity, how: FacePicture, side: int, noise: Texture) -> None:
    """White, iris, pupil and highlight behind two lids; lashes and the crease above."""
    place, width, slant = who.eyes
    canvas = canvas.window(side * place, -0.12, 0.34)
    x = (canvas.u - side * place) / width
    y = canvas.v + 0.12 + slant * side * x * width * 2
    arch = np.maximum(1 - x * x, 0)
    upper = -0.105 * how.lids * arch * (1 + 0.15 * x * side)
    lower = 0.062 * arch * (1 - 2 * max(how.smile, 0))
    hole = lens(x, y, upper, lower)
    cover = canvas.cover(hole, 1.3)
    white = np.array([0.93, 0.91, 0.90], np.float32) * (how.ambient + 0.46)
    shadow = 1 - 0.30 * np.clip(1 - (y - upper) * 18, 0, 1) - 0.25 * x * x
    canvas.paint(cover, white * shadow[..., None], PARTS)
    ix, iy = (x - how.gaze[0]) * width, y + 0.02 - how.gaze[1] * 0.1
    ring = ellipse(ix, iy, (0.092, 0.092))
    rays = 0.65 + 0.9 * noise.strands(ix / (np.abs(iy) + 0.02) * 3)
    tone = 1.3 * rays * np.clip(ring * 26, 0.30, 1) * shadow
    iris = np.array(who.iris, np.float32) * tone[..., None]
    canvas.paint(canvas.cover(ring, 1.5) * cover, iris)
    canvas.paint(canvas.cover(ellipse(ix, iy, (0.040, 0.040)), 1.5) * cover, (0.02, 0.02, 0.02))
    glint = ellipse(ix - how.light[0] * 0.05, iy + 0.035, (0.022, 0.020))
    canvas.paint(canvas.cover(glint, 1.3) * cover, (1.0, 1.0, 1.0))
    lash = 0.018 + 0.010 * x * side - np.abs(y - upper + 0.006)
    dark = who.hair_colour * 0.25
    inside = (arch > 0).astype(np.float32)
    canvas.paint(canvas.cover(lash, 1.4) * inside * 0.9, dark)
    canvas.paint(canvas.cover(0.006 - np.abs(y - lower), 1.6) * inside * 0.35, dark)
    crease = 0.008 - np.abs(y - upper * 1.25 + 0.055)
    canvas.shade(-0.30 * canvas.cover(crease, 2.5) * inside)


def brow(canvas: Canvas, who: FaceIdentity, side: int, noise: Texture) -> None:
    """A tapered arch of short slanted hairs."""
    thick, arch = who.brows
    canvas = canvas.window(side * who.eyes[0], -0.45, 0.36)
    x = (canvas.u * side - who.eyes[0]) / (who.eyes[1] * 1.35)
    curve = -0.40 - arch * (1 - x * x * 0.8) - 0.03 * x
    y = canvas.v - curve
    half = thick * np.clip(1.15 - 0.55 * x, 0.25, 1.2) * np.maximum(1 - x * x * x * x, 0) * 0.75
    hairs = noise.strands((canvas.u * side + y * (0.6 + 0.5 * x)) * 46)
    body = half * (0.75 + 0.5 * hairs) - np.abs(y)
    colour = who.hair_colour * 0.7 + who.skin * 0.06
    cover = canvas.cover(np.where(np.abs(x) < 1, body, -1), 2.0)
    canvas.paint(cover * (0.55 + 0.4 * hairs), colour)
    canvas.labels[cover > 0.5] = PARTS


def hair_texture(canvas: Canvas, who: FaceIdentity, noise: Texture) -> np.ndarray:
    """(H, W) in [0, 1]: strands that fan out from the parting, or curls."""
    x, y = canvas.x, canvas.y
    fan = np.clip(y + 1.5, 0, 1.2) + 0.45
    wave = (noise.clouds(5) - 0.5) * 0.10
    across = (x - who.parting * np.clip(-y - 0.4, 0, 0.6)) / fan + wave
    fine = noise.strands(across * 75) * 0.5 + noise.strands(across * 24) * 0.5
    wobble, sway = noise.clouds(26) * 5, noise.clouds(26) * 5
    curls = noise.strands(x * 13 + wobble) + noise.strands(y * 13 + sway)
    curls = 1 - np.abs(curls - 1)
    out: np.ndarray = fine + who.hair.curl * (curls - fine)
    return out


def _hair_outside(canvas: Canvas, who: FaceIdentity, texture: np.ndarray) -> np.ndarray:
    """About the distance inside the outer edge of the hair."""
    hair = who.hair
    x, y = canvas.x, np.minimum(canvas.y + 0.10, 0)
    radii = (1.02 + hair.volume, who.height + hair.volume)
    rough = (texture - 0.5) * (0.05 + 0.12 * hair.curl)
    end = hair.end + (texture - 0.5) * 0.22 - canvas.y - 0.12 * x * x
    outside = ellipse(x, y, radii) + rough
    if hair.bun:
        bun = ellipse(canvas.x - 0.2 * who.parting, canvas.y + who.height + 0.25, (0.42, 0.36))
        outside = np.maximum(outside, bun + rough)
    out: np.ndarray = np.minimum(outside, end)
    return out


def _hair_colour(canvas: Canvas, who: FaceIdentity, light: float, texture: np.ndarray) -> Colour:
    """Strands between light and shadow, and a band of gloss around the crown."""
    gloss = np.clip(1 - np.abs(canvas.y + 1.02 + 0.25 * canvas.x * canvas.x) * 4, 0, 1)
    tone = (0.45 + 0.85 * texture) * light + 0.55 * gloss * texture * texture
    out: Colour = who.hair_colour * tone[..., None] + 0.05 * (gloss * texture)[..., None]
    return out


def hair_behind(canvas: Canvas, who: FaceIdentity, texture: np.ndarray) -> None:
    """What long hair and a bun show behind the neck and the head."""
    cover = canvas.cover(_hair_outside(canvas, who, texture))
    canvas.paint(cover, _hair_colour(canvas, who, 0.55, texture), HAIR)


def hair_in_front(
    canvas: Canvas, who: FaceIdentity, how: FacePicture, texture: np.ndarray, noise: Texture
) -> None:
    """Hair over forehead, temples and ears: outside an opening for the face."""
    hair = who.hair
    x = canvas.x - 0.5 * float(how.turn[0])
    tilt = hair.slant * np.abs(x - who.parting)
    centre = 0.35
    up = np.minimum(canvas.y - centre - tilt, 0)
    tips = (texture - 0.5) * 0.16 + (noise.clouds(14) - 0.5) * 0.10
    opening = ellipse(x, up, (0.90, centre - hair.line)) + tips
    inside = np.minimum(_hair_outside(canvas, who, texture), -opening)
    canvas.shade(-0.35 * canvas.cover(inside + 0.05, 8) * (canvas.labels != BACKGROUND))
    light = how.ambient + 0.45 + 0.35 * how.light[0] * np.clip(canvas.x, -1, 1)
    canvas.paint(canvas.cover(inside, 1.3), _hair_colour(canvas, who, light, texture), HAIR)


def develop(canvas: Canvas, how: FacePicture, noise: Texture) -> np.ndarray:
    """Colour of the light, a little sensor grain, 8 bits."""
    tint = np.array([1 + how.warmth, 1.0, 1 - how.warmth], np.float32)
    image = canvas.image * tint + (noise.grain()[..., None] - 0.5) * np.float32(0.016)
    return np.floor(np.clip(image, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
