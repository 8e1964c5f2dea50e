"""Arrays of MATLAB files, read in a child process: SciPy and HDF5 crash on some damaged ones."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from blurbench.errors import UserError
from blurbench.guarded import guarded

HDF5 = b"\x89HDF\r\n\x1a\n"
# What MATLAB expects before the HDF5 part of its version 7.3 files.
USER_BLOCK = 512


def read_matlab(path: Path, variable: str | None) -> np.ndarray | list[np.ndarray]:
    """An array of a .mat file of any version, or the cells of a cell array, as MATLAB shows them.

    UserError for a variable that is not there, for one of several that is not named, and where
    reading it crashes.
    """
    with path.open("rb") as file:
        start = file.read(USER_BLOCK + len(HDF5))
    if not (start.startswith(HDF5) or start[USER_BLOCK:] == HDF5):
        return guarded(_version_5, path, variable, name=str(path))
    try:
        import h5py  # type: ignore[import-untyped, unused-ignore]  # noqa: F401
    except ImportError:
        mend = "run: pip install 'blurbench[formats]'"
        raise UserError(f"{path}: a MATLAB file of version 7.3 needs h5py; {mend}") from None
    return guarded(_version_7_3, path, variable, name=str(path))


def choose(path: Path, names: Iterable[str], variable: str | None) -> str:
    """The named variable of a file, or its only one; UserError where there is none such."""
    known = sorted(names)
    if variable is None and len(known) == 1:
        return known[0]
    if variable not in known:
        problem = "which variable?" if variable is None else f"no variable {variable!r};"
        raise UserError(f"{path}: {problem} it holds {', '.join(known) or 'none'}")
    return variable


def _version_5(path: Path, variable: str | None) -> np.ndarray | list[np.ndarray]:
    from scipy.io import loadmat

    contents = {name: value for name, value in loadmat(path).items() if name[:2] != "__"}
    value = contents[choose(path, contents, variable)]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [np.asarray(cell) for cell in value.ravel(order="F")]
    return np.asarray(value)


def _version_7_3(path: Path, variable: str | None) -> np.ndarray | list[np.ndarray]:
    import h5py

    with h5py.File(path, "r") as file:
        # Links and external storage would read other files.
        names = [
            name
            for name in file
            if isinstance(file.get(name, getlink=True), h5py.HardLink)
            and isinstance(file[name], h5py.Dataset)
            and not _elsewhere(file[name])
        ]
        data = file[choose(path, names, variable)]
        # MATLAB counts the first axis fastest, HDF5 the last: the same array, its axes reversed.
        if h5py.check_ref_dtype(data.dtype) is None:
            return np.asarray(data[()]).T
        cells = [file[cell] for cell in data[()].ravel()]
        if any(_elsewhere(cell) for cell in cells):
            raise UserError(f"{path}: its kernels are stored in other files")
        return [np.asarray(cell[()]).T for cell in cells]


def _elsewhere(data: Any) -> bool:
    """Whether an HDF5 data set is a view of other files."""
    return bool(data.external or data.is_virtual)
