"""Kernels in files, in and out.

Every kernel read is float64 (H, W) with odd sides, of whole multiples of 2^-24 that sum to 1.
"""

import io
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from blurbench.blurs.base import KernelLayout
from blurbench.blurs.matlab import USER_BLOCK, choose, read_matlab
from blurbench.errors import UserError, reason
from blurbench.files import read_regular, replacing, sha256
from blurbench.images import check_header, read_bytes
from blurbench.images.header import opened
from blurbench.memory import budget, in_words
from blurbench_kernels import bank

MAX_SIDE = 1023  # px; a longer side is the number of kernels, taken for a side
TOO_LARGE = f"has a side over {MAX_SIDE} px, so it is no kernel"
LONGEST = 2**26  # bytes of a text: twice a kernel of MAX_SIDE with all digits of its numbers
PICTURES = (".png",)
TEXTS = (".txt", ".dlm")
FORMATS = ("npy", "npz", "mat", "umsn")


def read_kernels(
    path: Path | str,
    *,
    variable: str | None = None,
    layout: KernelLayout | None = None,
    transpose: bool = False,
) -> list[np.ndarray]:
    """The kernels of a .npy, .npz, .mat, .txt, .dlm or .png file, or of a folder of the last three.

    `variable` names an array of an .npz or .mat that holds several; `layout` says which axis counts
    (default: the last of a .mat, whose arrays are read as MATLAB shows them in every version, else
    the first); `transpose` swaps rows and columns. An even side gets a row or column of zeros at
    its end, so that the middle is where OpenCV has it. UserError names the file and the kernel that
    is not 2-D, not finite, negative in places or all zeros.
    """
    path = Path(path)
    if path.is_dir():
        named = [(str(file), _alone(file)) for file in kernel_files(path)]
    else:
        found = _read(path, variable)
        each = found if isinstance(found, list) else _slices(path, found, layout)
        named = [(f"{path}: kernel {n}", kernel) for n, kernel in enumerate(each)]
    if not named:
        raise UserError(f"{path}: holds no kernel; expected .png, .txt or .dlm files")
    return [settle(name, kernel.T if transpose else kernel) for name, kernel in named]


def _natural(path: Path) -> list[str | int]:
    """k2 before k10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def kernel_files(folder: Path) -> list[Path]:
    """The files of kernels in a folder, k2 before k10."""
    files = (path for path in folder.iterdir() if path.suffix.lower() in (*PICTURES, *TEXTS))
    return sorted((path for path in files if not path.name.startswith(".")), key=_natural)


def _alone(path: Path) -> np.ndarray:
    found = _read(path, None)
    assert isinstance(found, np.ndarray)
    return found


def _read(path: Path, variable: str | None) -> np.ndarray | list[np.ndarray]:
    """One array of a file, or the cells of a cell array."""
    reader = READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        problem = "no such file or folder" if reader else f"not one of {', '.join(READERS)}"
        raise UserError(f"{path}: {problem}")
    try:
        return reader(path, variable)
    except UserError:
        raise
    # Parsers of others, which raise what they like for a torn file.
    except Exception as error:
        raise UserError(f"{path}: not a readable {path.suffix} file ({reason(error)})") from None


def _slices(path: Path, array: np.ndarray, layout: KernelLayout | None) -> list[np.ndarray]:
    if array.ndim == 2:
        return [array]
    if array.ndim != 3:
        raise UserError(f"{path}: expected a kernel or an array of them, got shape {array.shape}")
    if layout is None:
        layout = "HWK" if path.suffix.lower() == ".mat" else "KHW"
        _refuse_slices(path, array.shape, layout)
    kernels = np.moveaxis(array, -1, 0) if layout == "HWK" else array
    if max(kernels.shape[1:]) > MAX_SIDE:
        other = "KHW" if layout == "HWK" else "HWK"
        height, width = kernels.shape[1:]
        mend = f'give layout = "{other}"'
        raise UserError(f"{path}: kernels of {height} x {width} with layout {layout}; {mend}")
    return list(kernels)


def _refuse_slices(path: Path, shape: tuple[int, ...], layout: KernelLayout) -> None:
    """Where only the other axis gives square kernels, these would be slices across them."""
    first, last = shape[1:], shape[:2]
    sides, others = (last, first) if layout == "HWK" else (first, last)
    if sides[0] != sides[1] and others[0] == others[1]:
        other: KernelLayout = "KHW" if layout == "HWK" else "HWK"
        count, size = (shape[0], others) if other == "KHW" else (shape[-1], others)
        told = f"layout {layout} makes kernels of {sides[0]} x {sides[1]} of it"
        mend = f'give layout = "{other}" for {count} of {size[0]} x {size[1]}, or this one'
        raise UserError(f"{path}: {told}; {mend}")


def settle(name: str, kernel: np.ndarray) -> np.ndarray:
    """A kernel checked, padded to odd sides, normalised and rounded to multiples of 2^-24."""
    kernel = np.asarray(kernel)
    if kernel.ndim != 2 or not kernel.size or kernel.dtype.kind not in "buif":
        raise UserError(f"{name}: expected numbers in rows and columns, got {_describe(kernel)}")
    if max(kernel.shape) > MAX_SIDE:
        raise UserError(f"{name}: {TOO_LARGE}")
    kernel = np.array(kernel, np.float64, order="C")  # MATLAB's are in columns
    total = _sum(kernel)
    problem = (
        ("holds NaN, infinity or too large numbers" if not math.isfinite(total) else "")
        or ("is negative in places" if kernel.min() < 0 else "")
        or ("is all zeros" if total <= 0 else "")
    )
    if problem:
        raise UserError(f"{name}: {problem}, so it is no kernel")
    kernel = np.pad(kernel / total, [(0, 1 - side % 2) for side in kernel.shape])
    snapped = _snap(kernel)
    snapped.flags.writeable = False  # kernels are kept for all pairs of a process
    return snapped


def _sum(kernel: np.ndarray) -> float:
    """Rounded once, whatever the order; NaN where there is none."""
    try:
        return math.fsum(kernel.flat)
    except (OverflowError, ValueError):
        return math.nan


def _describe(array: np.ndarray) -> str:
    return f"shape {array.shape}, {array.dtype.name if not array.dtype.names else 'a structure'}"


def _snap(kernel: np.ndarray) -> np.ndarray:
    """A kernel of sum 1 in multiples of 2^-24: rounded down, the rest to those cut most.

    bank.snap gives the rest to one tap, which falls below 0 in a flat kernel of over 5,800 taps.
    """
    units = np.floor(kernel * bank.GRID)
    rest = int(bank.GRID - units.sum())
    if rest:
        cut = (kernel * bank.GRID - units).reshape(-1)
        units.reshape(-1)[np.argsort(-cut, kind="stable")[:rest]] += 1
    out: np.ndarray = units / bank.GRID
    return out


def _numpy(path: Path, variable: str | None) -> np.ndarray:
    # Of an .npy only the header is read so; it may state more than the file takes on the disk.
    loaded = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        if loaded.ndim == 2 and max(loaded.shape) > MAX_SIDE:
            raise UserError(f"{path}: {TOO_LARGE}")
        _refuse_over(path, loaded.nbytes + 8 * loaded.size)  # as it is and as float64
        return np.array(loaded)
    with loaded:
        # Zeros pack a thousandfold.
        _refuse_over(path, sum(each.file_size for each in loaded.zip.infolist()))
        return np.asarray(loaded[choose(path, loaded.files, variable)])


def _refuse_over(path: Path, size: int) -> None:
    if size > budget():
        raise UserError(f"{path}: its arrays need {in_words(size)} of memory, which is not free")


def _text(path: Path, _: str | None) -> np.ndarray:
    return np.loadtxt(io.BytesIO(read_regular(path, most=LONGEST)), ndmin=2)


def _picture(path: Path, _: str | None) -> np.ndarray:
    data = read_bytes(path)
    check_header(data, str(path))
    with opened(data) as image:
        if max(image.size) > MAX_SIDE:
            raise UserError(f"{path}: {TOO_LARGE}")
        pixels = np.asarray(image)
        mode = image.mode
    if mode == "RGB" and (pixels == pixels[..., :1]).all():
        return pixels[..., 0]
    if mode not in ("1", "L", "I", "I;16", "I;16B"):
        raise UserError(f"{path}: expected a grey picture without alpha, not {mode}")
    return pixels


READERS: dict[str, Callable[[Path, str | None], np.ndarray | list[np.ndarray]]] = {
    ".npy": _numpy,
    ".npz": _numpy,
    ".mat": read_matlab,
    **dict.fromkeys(TEXTS, _text),
    **dict.fromkeys(PICTURES, _picture),
}


def stack(kernels: Sequence[np.ndarray], size: int | None = None) -> np.ndarray:
    """(H, W) kernels with odd sides, each in the middle of zeros: (K, size, size) float64.

    size: odd; None for the longest side. UserError where a kernel is larger.
    """
    longest = max(max(kernel.shape) for kernel in kernels)
    size = size or longest
    if size % 2 == 0 or size < longest:
        raise UserError(f"size {size}: must be odd and at least {longest}, the largest kernel's")
    stacked = np.zeros((len(kernels), size, size))
    for whole, kernel in zip(stacked, kernels, strict=True):
        top, left = ((size - side) // 2 for side in kernel.shape)
        whole[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return stacked


def write_kernels(path: Path | str, kernels: np.ndarray, format: str | None = None) -> None:
    """Write (K, S, S) kernels whole or not at all, as float64 array `kernels`.

    format: npy, npz (both (K, S, S)), mat (MATLAB 5, (S, S, K)) or umsn (the kernel.mat of UMSN:
    HDF5, (S, S, K) as MATLAB counts); None: by the suffix. Equal kernels make equal bytes.
    """
    path = Path(path)
    format = format or path.suffix.lower().removeprefix(".")
    suffix = ".mat" if format == "umsn" else f".{format}"
    if format not in FORMATS or path.suffix.lower() != suffix or path.is_dir():
        known = ".npy, .npz or .mat (also for umsn)"
        raise UserError(f"{path}: kernels are written to files that end in {known}")
    data = io.BytesIO()
    if format == "npy":
        np.save(data, kernels)
    elif format == "npz":
        np.savez_compressed(data, kernels=kernels)
    elif format == "mat":
        _save_matlab(data, kernels)
    else:
        _save_umsn(data, path, kernels)
    with replacing(path) as file:
        file.write(data.getbuffer())


def _save_matlab(data: io.BytesIO, kernels: np.ndarray) -> None:
    from scipy.io import savemat

    savemat(data, {"kernels": np.moveaxis(kernels, 0, -1)}, do_compression=True)
    data.seek(0)
    data.write(_matlab_title("5.0"))  # without the time of day that SciPy puts there


def _save_umsn(data: io.BytesIO, path: Path, kernels: np.ndarray) -> None:
    try:
        import h5py  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise UserError(f"{path}: needs h5py; run: pip install 'blurbench[formats]'") from None
    with h5py.File(data, "w", userblock_size=USER_BLOCK) as file:
        # Read by `np.transpose(file["kernels"], [0, 2, 1])` in UMSN's code.
        written = file.create_dataset(
            "kernels", data=kernels.transpose(0, 2, 1), compression="gzip", shuffle=True
        )
        written.attrs["MATLAB_class"] = np.bytes_("double")
    data.seek(0)
    data.write(_matlab_title("7.3") + bytes(8) + b"\x00\x02IM")


def _matlab_title(version: str) -> bytes:
    return f"MATLAB {version} MAT-file, written by blurbench".ljust(116).encode()


def digest(kernels: Sequence[np.ndarray]) -> str:
    """SHA-256 (hex) of kernels in this order: of the lines of their bank.digest."""
    return sha256("\n".join(bank.digest(kernel) for kernel in kernels).encode())
