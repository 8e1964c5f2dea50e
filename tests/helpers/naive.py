"""Slow, obviously right versions of the fast functions."""

import math

import numpy as np


def psnr(restored, sharp):
    """10 log10(255^2 / MSE), at most 100 dB."""
    error = np.mean((restored.astype(float) - sharp.astype(float)) ** 2)
    return 100.0 if error == 0 else min(100.0, 10 * math.log10(255**2 / error))


def ssim(restored, sharp):
    """Wang et al. (2004), equations 13 to 16: one 11x11 window at a time, one channel at a time."""
    weights = np.array(
        [[math.exp(-(i * i + j * j) / 4.5) for j in range(-5, 6)] for i in range(-5, 6)]
    )
    weights /= weights.sum()
    height, width, channels = sharp.shape
    values = []
    for top in range(height - 10):
        for left in range(width - 10):
            for channel in range(channels):
                x = restored[top : top + 11, left : left + 11, channel].astype(float)
                y = sharp[top : top + 11, left : left + 11, channel].astype(float)
                mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
                variance_x = (weights * (x - mean_x) ** 2).sum()
                variance_y = (weights * (y - mean_y) ** 2).sum()
                covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
                values.append(
                    (2 * mean_x * mean_y + 2.55**2)
                    * (2 * covariance + 7.65**2)
                    / ((mean_x**2 + mean_y**2 + 2.55**2) * (variance_x + variance_y + 7.65**2))
                )
    return np.mean(values)


def volume_ssim(restored, sharp):
    """As `ssim`, with an 11x11x11 window over rows, columns and channels; borders repeated."""
    offsets = range(-5, 6)
    weights = np.array(
        [
            [[math.exp(-(i * i + j * j + k * k) / 4.5) for k in offsets] for j in offsets]
            for i in offsets
        ]
    )
    weights /= weights.sum()
    x, y = (np.pad(image.astype(float), 5, mode="edge") for image in (restored, sharp))
    values = []
    for place in np.ndindex(sharp.shape):
        around = tuple(slice(at, at + 11) for at in place)
        mean_x, mean_y = (weights * x[around]).sum(), (weights * y[around]).sum()
        variance_x = (weights * (x[around] - mean_x) ** 2).sum()
        variance_y = (weights * (y[around] - mean_y) ** 2).sum()
        covariance = (weights * (x[around] - mean_x) * (y[around] - mean_y)).sum()
        values.append(
            (2 * mean_x * mean_y + 2.55**2)
            * (2 * covariance + 7.65**2)
            / ((mean_x**2 + mean_y**2 + 2.55**2) * (variance_x + variance_y + 7.65**2))
        )
    return np.mean(values)


def compat_flow(height, width, tx, ty, tx_acc, ty_acc, tz, rot_z, center):
    """The motion-flow generator's field, angle by angle as it is written there."""
    u, v = np.zeros((height, width)), np.zeros((height, width))
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            rho = math.hypot(x - center[1], y - center[0])
            alpha = math.atan2((1 + height - y) - center[0], x - center[1])
            turn, zoom = math.tan(rot_z) * rho, tz * rho**1.5
            u[y - 1, x - 1] = (
                tx * (1 - tx_acc / 2)
                + x * (tx_acc * tx / width)
                + math.sin(alpha - math.pi / 2) * turn
                + math.sin(alpha) * zoom
            )
            v[y - 1, x - 1] = (
                ty * (1 - ty_acc / 2)
                + (height + 1 - y) * (ty_acc * ty / height)
                + math.cos(alpha - math.pi / 2) * turn
                + math.cos(alpha) * zoom
            )
    return u, v


def round_half_away(value):
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def line_kernel(u, v):
    """fspecial("motion") with the generator's wrong sign in the end caps, by degrees; (K, K)."""
    eps = 2.2204e-16
    length = math.hypot(u, v)
    theta = math.degrees(math.atan(u / (-v if v else 1e-16)))
    phi = math.radians(theta + 180 if theta < 0 else theta)
    half, c, s = (length - 1) / 2, math.cos(phi), math.sin(phi)
    sign = (c > 0) - (c < 0)
    rows = math.floor(abs(half * c + sign - length * eps))
    columns = math.floor(abs(half * s + 1 - length * eps))
    reach = max(rows, columns)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for k in range(-rows, rows + 1):
        for m in range(-columns, columns + 1):
            distance = m * c + k * s
            if abs(distance) <= 1 and math.hypot(k, m) >= half:
                beyond = half - abs((k + distance * s) / c)
                distance = math.hypot(distance, beyond)
            kernel[k + reach, m + reach] = max(0, 1 + eps - abs(distance))
    return kernel / kernel.sum()


def motion_blur(image, u, v):
    """(H, W) float64 blurred by the line kernel of each pixel; the edge repeats."""
    height, width = image.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            kernel = line_kernel(round_half_away(u[y, x]), round_half_away(v[y, x]))
            reach = len(kernel) // 2
            for k in range(-reach, reach + 1):
                for m in range(-reach, reach + 1):
                    row, column = np.clip(y + k, 0, height - 1), np.clip(x + m, 0, width - 1)
                    out[y, x] += kernel[k + reach, m + reach] * image[row, column]
    return out


def convolve(image, kernel, border):
    """True convolution of (H, W), tap by tap."""
    (height, width), (rows, columns) = image.shape, kernel.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            for i in range(rows):
                for j in range(columns):
                    row, column = y - i + rows // 2, x - j + columns // 2
                    inside = 0 <= row < height and 0 <= column < width
                    if inside or border == "replicate":
                        row, column = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
                        out[y, x] += kernel[i, j] * image[row, column]
    return out


def walk(angle, anxiety, pull, impulse, shaken, shakes, impulses, max_length):
    """Boracchi and Foi's particle, in complex numbers as their code has it."""
    length = max_length / len(shaken)
    velocity = np.exp(1j * angle) * (anxiety if anxiety > 0 else length)
    path = [0j]
    for t in range(len(shaken)):
        shake = 2 * velocity * np.exp(1j * shakes[t]) if shaken[t] else 0
        push = impulse * complex(*impulses[t]) - pull * path[t]
        velocity = velocity + shake + anxiety * push * length
        velocity = velocity / abs(velocity) * length
        path.append(path[t] + velocity)
    return np.array(path)


def psf(path, size, exposure):
    """(size, size): each sample's part of the exposure on its four pixels; sums to the exposure."""
    out = np.zeros((size, size))
    for t, point in enumerate(path):
        share = min(1.0, max(0.0, exposure * len(path) - t))
        for row in range(size):
            for column in range(size):
                near_row = max(0.0, 1 - abs(point.imag - 1 - row))
                near_column = max(0.0, 1 - abs(point.real - 1 - column))
                out[row, column] += share * near_row * near_column
    return out / len(path)


def extent(path):
    return max(abs(a - b) for a in path for b in path)


def disk(radius, size):
    """(size, size): the part of each pixel inside a circle about the middle one, point by point."""
    out, points = np.zeros((size, size)), (np.arange(100) + 0.5) / 100 - 0.5
    for row in range(size):
        for column in range(size):
            y, x = row - size // 2 + points[:, None], column - size // 2 + points
            out[row, column] = (y**2 + x**2 <= radius**2).mean()
    return out


def mirrored(place, length):
    """The pixel that a place beyond the border shows: mirrored about the edge pixels."""
    while not 0 <= place < length:
        place = -place if place < 0 else 2 * (length - 1) - place
        place = 0 if length == 1 else place
    return place


def window(image, y, x, rows, columns, place):
    """The (rows, columns) pixels about (y, x) of an (H, W); place finds those off the border."""
    ys = [place(y + i - rows // 2, image.shape[0]) for i in range(rows)]
    xs = [place(x + j - columns // 2, image.shape[1]) for j in range(columns)]
    return np.array([[int(image[i, j]) for j in xs] for i in ys])


def bilateral(image, diameter, sigma_color, sigma_space):
    """Tomasi and Manduchi's mean of a disk of pixels of (H, W, 3), weight by weight."""
    out, reach = np.zeros(image.shape), diameter // 2
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            total = 0.0
            for i in range(-reach, reach + 1):
                for j in range(-reach, reach + 1):
                    if i * i + j * j > reach * reach:
                        continue
                    row, column = mirrored(y + i, image.shape[0]), mirrored(x + j, image.shape[1])
                    pixel = image[row, column].astype(float)
                    colour = abs(pixel - image[y, x]).sum()
                    weight = math.exp(-(i * i + j * j) / (2 * sigma_space**2))
                    weight *= math.exp(-(colour**2) / (2 * sigma_color**2))
                    out[y, x] += weight * pixel
                    total += weight
            out[y, x] /= total
    return out


def area_weights(small, large):
    """(small, large): the part of each small pixel that each large one fills; rows sum to 1."""
    scale = large / small
    out = np.zeros((small, large))
    for i in range(small):
        for j in range(large):
            out[i, j] = max(0.0, min((i + 1) * scale, j + 1) - max(i * scale, j)) / scale
    return out


def linear_weights(large, small):
    """(large, small): bilinear interpolation between pixel centres; the edge repeats."""
    out = np.zeros((large, small))
    for i in range(large):
        place = (i + 0.5) * small / large - 0.5
        low = math.floor(place)
        out[i, min(max(low, 0), small - 1)] += 1 - (place - low)
        out[i, min(max(low + 1, 0), small - 1)] += place - low
    return out


def camera_blur(image, homographies):
    """(H, W): the mean over poses of bilinear samples, one matrix product a pixel and pose."""
    height, width = image.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            for homography in homographies:
                column, row, depth = homography @ np.array([x, y, 1.0])
                column = min(max(column / depth, 0), width - 1)
                row = min(max(row / depth, 0), height - 1)
                for j in (math.floor(row), math.floor(row) + 1):
                    for i in (math.floor(column), math.floor(column) + 1):
                        share = (1 - abs(row - j)) * (1 - abs(column - i))
                        out[y, x] += share * image[min(j, height - 1), min(i, width - 1)]
    return out / len(homographies)


def camera_tracks(homographies, height, width):
    """(H, W, poses) complex: where each pose sees each pixel."""
    y, x = np.mgrid[:height, :width]
    points = np.stack([x, y, np.ones_like(x)], axis=-1).astype(float)
    seen = [points @ homography.T for homography in homographies]
    return np.stack([(p[..., 0] + 1j * p[..., 1]) / p[..., 2] for p in seen], axis=-1)


def response(value, coefficients):
    """c0 + c1 x + c2 x^2 + ..., power by power, clipped."""
    total = sum(coefficient * value**k for k, coefficient in enumerate(coefficients))
    return min(1.0, max(0.0, total))


def boost_highlights(linear, threshold, gain):
    out = linear.copy()
    for y in range(linear.shape[0]):
        for x in range(linear.shape[1]):
            for c in range(linear.shape[2]):
                if linear[y, x, c] >= threshold:
                    out[y, x, c] += gain
    return out


def hottest_window(heat, size, stride):
    """(left, top) of the window with the largest mean, the first of equals; all one by one."""
    height, width = heat.shape
    best, found = -math.inf, (0, 0)
    for top in [t for t in range(height - size + 1) if t % stride == 0 or t == height - size]:
        for left in [x for x in range(width - size + 1) if x % stride == 0 or x == width - size]:
            mean = math.fsum(heat[top : top + size, left : left + size].flat) / size**2
            if mean > best:
                best, found = mean, (left, top)
    return found


def mine_and_refine(image, judge, refine, size, stride, most):
    """Algorithm 1 of Lin et al. (2019) on (C, H, W); judge gives a chance and a heat map."""
    chance, heat = judge(image)
    kept = []
    while len(kept) < most:
        left, top = hottest_window(heat, size, stride)
        tried = image.copy()
        patch = image[:, top : top + size, left : left + size]
        tried[:, top : top + size, left : left + size] = refine(patch)
        tried_chance, heat = judge(tried)
        if tried_chance <= chance:
            break
        image, chance = tried, tried_chance
        kept.append((left, top))
    return image, kept


def seen_at(time, places, spans):
    """The place of a list that is seen at a time in [0, 1), one span after the other."""
    passed = 0.0
    for place, span in zip(places, spans, strict=True):
        passed += span
        if time < passed:
            return place
    return places[-1]


def layered_blur(layers, ways, moments):
    """(H, W, C): the mean of composited moments, pixel by pixel; layers of (light, cover), and
    ways of pixel -> ((row, column) places, spans); back to front, the edge repeats."""
    height, width, channels = layers[0][0].shape
    out = np.zeros((height, width, channels))
    for y in range(height):
        for x in range(width):
            for moment in range(moments):
                seen = np.zeros(channels)
                for (light, cover), way in zip(layers, ways, strict=True):
                    down, right = seen_at((moment + 0.5) / moments, *way(y, x))
                    row, column = np.clip(y + down, 0, height - 1), np.clip(x + right, 0, width - 1)
                    seen = light[row, column] + (1 - cover[row, column]) * seen
                out[y, x] += seen / moments
    return out


def shown_shares(labels, count):
    """(count, H, W): the share of each label in the 3 x 3 px around, weighted 1 2 1 both ways."""
    height, width = labels.shape
    out = np.zeros((count, height, width))
    for y in range(height):
        for x in range(width):
            for i, down in zip((-1, 0, 1), (1, 2, 1), strict=True):
                for j, right in zip((-1, 0, 1), (1, 2, 1), strict=True):
                    row, column = min(max(y + i, 0), height - 1), min(max(x + j, 0), width - 1)
                    out[labels[row, column], y, x] += down * right / 16
    return out


def shifted(image, rows, columns):
    """(H, W) moved down and right, bilinearly; the edge repeats."""
    out = np.zeros(image.shape)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            top, left = math.floor(y - rows), math.floor(x - columns)
            for i in (top, top + 1):
                for j in (left, left + 1):
                    share = (1 - abs(y - rows - i)) * (1 - abs(x - columns - j))
                    row, column = np.clip(i, 0, len(image) - 1), np.clip(j, 0, image.shape[1] - 1)
                    out[y, x] += share * image[row, column]
    return out


def nearest_outside(hole):
    """(H, W) squared distance, px, of each pixel from the nearest one outside the hole."""
    outside = np.argwhere(~hole)
    places = np.indices(hole.shape).reshape(2, -1).T
    squares = [((outside - place) ** 2).sum(axis=1).min() for place in places]
    return np.array(squares).reshape(hole.shape)
