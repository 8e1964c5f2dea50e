"""Speed and memory of synthesis, as ratios measured in one run.

    python benchmarks/synthesis.py [--json FILE] [--repeats N] [--quick]

Kernels and pairs: CPU time of one thread, ours and the peer's in turns, medians. Workers: wall time
between the first quarter of the pictures and the last, so without the start of Dask. Ratios travel
between machines, times do not. `--quick` leaves out workers and memory, which write data sets.
"""

import os

os.environ["NUMBA_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from scipy.signal import fftconvolve
from skimage import data

from blurbench.datasets.format import pixel_hash
from blurbench.datasets.pair import MadePair, make_pair
from blurbench.engine import PICTURES
from blurbench.files import sha256
from blurbench.images import decode, encode, swap
from blurbench.memory import keep_freed
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import Sharp
from blurbench_kernels import bank, camera, convolution, layers, motion_flow, random

WIDTH, HEIGHT, BATCH = 640, 480, 64
DRAWS = 9
FEW, MANY = 24, 240  # pictures of the data sets whose memory is compared
CHILD = """
import sys
from pathlib import Path
from blurbench.recipes.recipe import load_recipe
from blurbench.datasets.make import synthesize
from blurbench.engine import Workers
from blurbench.sources.open import open_source
if __name__ == "__main__":
    source, out, workers, limit = sys.argv[1:]
    synthesize(load_recipe("sev-blurdata"), open_source(source), Path(out),
               workers=Workers(int(workers)), limit=int(limit), shard_size=8)
    # Not ru_maxrss: a child inherits its parent's, which hides its own.
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)
"""


@dataclass(frozen=True)
class Row:
    """One comparison: ours / theirs is the ratio, which should be at most (or least) the goal."""

    what: str
    ours: float
    peer: str
    theirs: float
    unit: str
    goal: str = ""

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs


def medians(functions: Mapping[str, Callable[..., object]], repeats: int) -> dict[str, float]:
    """CPU ms of each, taken in turns so that neighbours disturb all alike."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            began = time.process_time()
            function()
            times[name].append((time.process_time() - began) * 1e3)
    return {name: float(np.median(values)) for name, values in times.items()}


def photo(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return cv2.resize(data.astronaut(), (width, height), interpolation=cv2.INTER_AREA)


def motion(mean: float, width: int = WIDTH, height: int = HEIGHT) -> motion_flow.Motion:
    """A motion with every parameter in use, its flow `mean` px long on average."""
    center = (height / 2, width / 2)
    rest = 1e-3 * (WIDTH / width) ** 1.5, 0.01 * WIDTH / width
    plain = motion_flow.Motion(17.0, -10.5, 0.15, -0.1, *rest, center)
    factor = mean / float(np.hypot(*plain.flow(height, width)).mean())
    return motion_flow.Motion(17.0, -10.5, 0.15, -0.1, *rest, center, factor)


def severe_flow(mean: float) -> motion_flow.Flow:
    """Of 40 draws as sev-blurdata's, the one nearest to `mean`: more kernels than `motion`."""
    size, preset = (HEIGHT, WIDTH), motion_flow.PRESETS["strong"]
    drawn = (
        motion_flow.draw(random.stream("bench", n), preset, *size, (0.5, 1.0)) for n in range(40)
    )
    flows = (motion.flow(*size) for motion in drawn)
    return min(flows, key=lambda flow: abs(motion_flow.lengths(*flow)[0] - mean))


def blur_rows(repeats: int) -> Iterator[Row]:
    image, box = photo(), np.full((29, 29), 1 / 841)
    peer = "cv2.filter2D, dense 29x29, uint8"
    # Rounded, as synthesize hands them over: the rows of the whole pair hold the rounding.
    flows = {f"blur, mean {mean} px": motion(mean).rounded(HEIGHT, WIDTH)[0] for mean in (20, 31)}
    flows["blur, as sev-blurdata, 31 px"] = motion_flow.round_flow(*severe_flow(31))
    functions: dict[str, Callable[[], object]] = {peer: lambda: cv2.filter2D(image, -1, box)}
    for name, flow in flows.items():
        functions[name] = partial(motion_flow.blur, image, *flow)
    times = medians(functions, repeats)
    for name, goal in zip(flows, ("<= 0.2", "<= 0.4", "<= 0.4"), strict=True):
        yield Row(name, times[name], peer, times[peer], "ms", goal)


def uniform_rows(repeats: int) -> Iterator[Row]:
    levels = photo(175, 175)
    face = levels / 255
    kernel, box = bank.trajectory_kernel(random.stream("bench"), 29), np.full((29, 29), 1 / 841)
    grid = bank.snap(box)  # as kernels of recipes are
    peers: dict[str, Callable[[], object]] = {
        "cv2.filter2D, float64": lambda: cv2.filter2D(face, -1, box),
        "scipy.signal.fftconvolve": lambda: fftconvolve(face, box[..., None], "same", axes=(0, 1)),
    }
    ours: dict[str, Callable[[], object]] = {
        "convolve, trajectory 29x29, 175x175": lambda: convolution.convolve(face, kernel),
        "convolve, dense 29x29, 175x175": lambda: convolution.convolve(face, box),
        "convolve, 8 bits, trajectory": lambda: convolution.convolve(levels, kernel),
        "convolve, 8 bits, dense": lambda: convolution.convolve(levels, grid),
    }
    times = medians({**ours, **peers}, repeats)
    for name in ours:
        for peer in peers:
            goal = "<= 1.1" if "8 bits" in name and "cv2" in peer else ""
            yield Row(name, times[name], peer, times[peer], "ms", goal)


def pair_rows(repeats: int) -> Iterator[Row]:
    bgr = np.ascontiguousarray(photo()[..., ::-1])
    jpeg = bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
    for mean, name, goal in ((20, "lesssev-blurdata", ""), (31, "sev-blurdata", "<= 1.2")):
        recipe = load_recipe(name)

        def make(seed: int, recipe=recipe) -> MadePair:
            sharp = Sharp(decode(jpeg, "photo"), None, sha256(jpeg))
            return make_pair(recipe, seed, "photo", "train", 0, sharp)

        def off(seed: int, mean=mean) -> float:
            return abs(make(seed).row["severity_mean_px"] - mean)

        # Draws of one length differ by a fifth in the number of their kernels.
        seeds = sorted(range(40), key=off)[:DRAWS]
        made = [make(seed) for seed in seeds]
        length = float(np.mean([pair.row["severity_mean_px"] for pair in made]))
        ours, peer = f"whole pair, mean {length:.0f} px", "decode, encode"

        def whole(seeds: list[int] = seeds) -> None:
            for seed in seeds:
                write(make(seed))

        def codec(made: list[MadePair] = made) -> None:
            for pair in made:
                decode(jpeg, "photo")
                sha256(jpeg)
                write(pair, encoded=by_opencv)

        times = medians({ours: whole, peer: codec}, repeats)
        each = {name: time / DRAWS for name, time in times.items()}
        yield Row(ours, each[ours], f"{peer} by OpenCV, hash", each[peer], "ms", goal)


def by_opencv(image: np.ndarray) -> bytes:
    """A PNG file without the extra `png`."""
    return bytes(cv2.imencode(".png", swap(image))[1])


def write(pair: MadePair, encoded: Callable[[np.ndarray], bytes] = encode) -> None:
    """What becomes of a pair, but for the disk."""
    for image in pair.images.values():
        sha256(encoded(image))
        pixel_hash(image)


def family_rows(repeats: int) -> Iterator[Row]:
    """Layers and camera beside motion flow, 20 px in the mean: a picture, whatever its layers."""
    image = photo()
    flow = motion(20).rounded(HEIGHT, WIDTH)[0]
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[120:360, 200:440] = 1  # a fifth of the picture
    parts = layers.cut(image, labels, "edge")
    path = camera.sample_path(random.stream("bench"), translation=0.01, rotation=0.02)
    path = camera.scale_to(path, 20.0, HEIGHT, WIDTH, focal=WIDTH)
    poses = camera.homographies(path, HEIGHT, WIDTH, focal=WIDTH)
    peer = "motion_flow.blur, uint8"
    times = medians(
        {
            peer: lambda: motion_flow.blur(image, *flow),
            "layers, two": lambda: layers.blur(parts, [layers.along_flow(*flow)] * 2),
            f"camera, {len(poses)} poses": lambda: camera.blur(image, poses),
        },
        max(3, repeats // 3),
    )
    for name, goal in zip(list(times)[1:], ("<= 5", "<= 2.5"), strict=True):
        yield Row(f"{name}, mean 20 px", times[name], peer, times[peer], "ms", goal)


def peer_rows(repeats: int) -> Iterator[Row]:
    """Blurs of the extra `bench` that vary over the picture or not, beside ours of 31 px."""
    image, flow = photo(), motion_flow.round_flow(*severe_flow(31))
    ours = "blur, as sev-blurdata, 31 px"
    functions: dict[str, Callable[[], object]] = {ours: lambda: motion_flow.blur(image, *flow)}
    functions |= {name: partial(make, image) for name, make in varying_peers().items()}
    times = medians(functions, max(3, repeats // 3))
    for peer in list(functions)[1:]:
        yield Row(ours, times[ours], peer, times[peer], "ms")


def varying_peers() -> dict[str, Callable[[np.ndarray], object]]:
    """Those that are installed."""
    found: dict[str, Callable[[np.ndarray], object]] = {}
    try:
        import torch
        from deepinv.physics import TiledSpaceVaryingBlur
        from deepinv.physics.generator import MotionBlurGenerator, TiledBlurGenerator

        torch.set_num_threads(1)
        tiles = {"patch_size": (64, 64), "stride": (32, 32)}
        generator = TiledBlurGenerator(psf_generator=MotionBlurGenerator((31, 31)), **tiles)
        filters = generator.step(batch_size=1, img_size=(HEIGHT, WIDTH))["filters"]
        tiled = TiledSpaceVaryingBlur(**tiles)

        def by_tiles(image: np.ndarray) -> object:
            light = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
            return tiled(light, filters=filters)

        found["deepinv, tiles of 64, 31x31"] = by_tiles
    except ImportError as error:
        print(f"deepinv: {error}; pip install 'blurbench[bench]'", file=sys.stderr)
    try:
        from imagecorruptions.corruptions import motion_blur

        found["imagecorruptions, 41 px, uniform"] = lambda image: motion_blur(image, 5)
    except ImportError as error:
        print(f"imagecorruptions: {error}; pip install 'blurbench[bench]'", file=sys.stderr)
    return found


def kernel_rows(repeats: int) -> Iterator[Row]:
    try:
        import torch
        from deepinv.physics.generator import MotionBlurGenerator
    except ImportError:
        print("deepinv is not installed: pip install 'blurbench[bench]'", file=sys.stderr)
        return
    torch.set_num_threads(1)
    generator = MotionBlurGenerator((29, 29))
    peer = f"deepinv, batch {BATCH}"
    times = medians(
        {
            "ours": lambda: bank.draw("bench", count=BATCH, sizes=(29,), steps=500),
            peer: lambda: generator.step(batch_size=BATCH),
        },
        repeats,
    )
    rates = {name: BATCH / ms * 1e3 for name, ms in times.items()}
    yield Row("29x29 trajectory kernels, 500 steps", rates["ours"], peer, rates[peer], "/s", ">= 3")


def scaling_rows(repeats: int) -> Iterator[Row]:
    """Cost a megapixel against length and size: the ratio is 1 where it is linear."""
    image = photo()
    for mean in (10, 20, 40, 80):
        flow = motion(mean).flow(HEIGHT, WIDTH)
        lengths = {f"blur, {mean} px": partial(motion_flow.blur, image, *flow)}
        ms = medians(lengths, repeats)[f"blur, {mean} px"] / (WIDTH * HEIGHT / 1e6)
        if mean == 10:
            first = ms / mean
        yield Row(f"blur, {mean} px, 0.3 MP", ms, "linear from 10 px", first * mean, "ms/MP")
    for scale in (1, 1.8, 3.125, 6.25):
        width, height = int(WIDTH * scale), int(HEIGHT * scale)
        large, flow = photo(width, height), motion(20, width, height).flow(height, width)
        sizes = {"blur": partial(motion_flow.blur, large, *flow)}
        ms = medians(sizes, max(3, repeats // 3))["blur"] / (width * height / 1e6)
        if scale == 1:
            base = ms
        name = f"blur, 20 px, {width * height / 1e6:.1f} MP"
        yield Row(name, ms, "linear from 0.3 MP", base, "ms/MP")


def write_sources(folder: Path) -> None:
    scenes = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    folder.mkdir()
    for index in range(MANY):
        image = cv2.resize(np.roll(scenes[index % 4], index, axis=1), (WIDTH, HEIGHT))
        cv2.imwrite(str(folder / f"{index:04d}.jpg"), np.ascontiguousarray(image[..., ::-1]))


def synthesize(source: Path, out: Path, workers: int, limit: int) -> float:
    """Peak memory of a process that makes the data set `out`, MiB."""
    script = out.with_suffix(".py")
    script.write_text(CHILD)
    command = [sys.executable, str(script), str(source), str(out), str(workers), str(limit)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def rate(out: Path) -> float:
    """Pairs a second of wall time, by the times of the files; a quarter warms up."""
    times = sorted(path.stat().st_mtime for path in out.glob("*/sharp/*.png"))
    start = len(times) // 4
    return (len(times) - 1 - start) / (times[-1] - times[start])


def set_rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sources(folder / "photos")
        few = synthesize(folder / "photos", folder / "few", 1, FEW)
        many = synthesize(folder / "photos", folder / "one", 1, MANY)
        yield Row(f"peak memory, {MANY} images", many, f"{FEW} images", few, "MiB", "<= 1.1")
        synthesize(folder / "photos", folder / "two", 2, MANY)
        rates = rate(folder / "two"), rate(folder / "one")
        yield Row("pairs, 2 workers", rates[0], "1 worker", rates[1], "/s", ">= 1.6")


def rows(repeats: int, quick: bool) -> Iterator[Row]:
    parts = (blur_rows, uniform_rows, family_rows, peer_rows, pair_rows, kernel_rows, scaling_rows)
    for part in parts:
        yield from part(repeats)
    if not quick:
        yield from set_rows()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures there, not on stdout")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="neither workers nor memory")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    keep_freed(*PICTURES)  # as synthesize does
    print(f"{'what':37} {'ours':>9}  {'peer':33} {'theirs':>9} {'':6} {'ratio':>6}  goal")
    found = []
    for row in rows(options.repeats, options.quick):
        figures = f"{row.ours:9.2f}  {row.peer:33} {row.theirs:9.2f} {row.unit:6} {row.ratio:6.2f}"
        print(f"{row.what:37} {figures}  {row.goal}", flush=True)
        found.append({**asdict(row), "ratio": row.ratio})
    text = json.dumps(found, indent=2)
    if options.json:
        options.json.write_text(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
