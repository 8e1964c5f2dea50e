"""Kernels from the user's own file."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import PrivateAttr

from blurbench.blurs.base import Blurred, Family, KernelLayout, Order, Scene
from blurbench.blurs.uniform import one_kernel
from blurbench.errors import UserError
from blurbench.files import inside


class Bank(Family):
    """Kernels from the user's own file (kernel_files.py)."""

    KERNELS: ClassVar = "one"

    family: Literal["bank"]
    # .npy, .npz, .mat, .png, .txt, .dlm, or a folder of the last three; beside the recipe or below.
    file: str
    variable: str | None = None  # its name inside an .npz or .mat that holds several
    # Convolution turns the kernel by 180 degrees, correlation (Levin et al., OpenCV) does not.
    apply: Literal["convolution", "correlation"]
    # Which axis counts; None: the last of a .mat, else the first.
    layout: KernelLayout | None = None
    transpose: bool  # rows and columns are swapped in the file
    order: Order = "random"
    sha256: str | None = None  # of the kernels; filled in when the recipe is read
    # Where this machine has the file, which decides no pixel.
    _path: Path | None = PrivateAttr(None)

    @property
    def path(self) -> Path | None:
        """Where the file was found; None before."""
        return self._path

    def shared(self) -> int:
        """How many kernels its file holds."""
        return len(load_bank(self))

    def located(self, folder: Path | None) -> "Bank":
        """These settings with their file found, read and identified."""
        if folder is None:
            raise UserError("file: needs the folder that the recipe lies in")
        try:
            return locate(self, folder)
        except UserError as error:
            raise UserError(f"file: {error}") from None

    def found_at(self, path: Path, sha256: str) -> "Bank":
        """These settings once their file is found and read."""
        found = self.model_copy(update={"sha256": sha256})
        found._path = path
        return found

    def blur(self, scene: Scene) -> Blurred:
        """Convolve or correlate with one of its kernels."""
        kernels = load_bank(self)
        index = scene.pick(self.order, len(kernels))
        return one_kernel(self.family, kernels[index], scene, {"index": index}, apply=self.apply)


def locate(settings: Bank, folder: Path) -> Bank:
    """A recipe's bank with its file found in `folder`, the recipe's, read and identified.

    UserError where the file, or one of a folder of files, lies elsewhere, cannot be read or is not
    the one the recipe names.
    """
    from blurbench.blurs.kernel_files import digest, kernel_files  # Numba, not needed before

    path = inside(folder, settings.file).resolve()
    for file in kernel_files(path) if path.is_dir() else ():
        inside(folder, str(file.relative_to(folder.resolve())))
    found = settings.found_at(path, digest(_read_bank(settings, path)))
    if settings.sha256 not in (None, found.sha256):
        raise _changed(path, settings.sha256, found.sha256)
    return found


def load_bank(settings: Bank) -> Sequence[np.ndarray]:
    """The kernels of a bank, read once a process; UserError where they changed since `locate`."""
    if settings.path is None:
        raise UserError(f"{settings.file}: kernels lie beside a recipe's file; load it from there")
    return _load(settings, settings.path)


@cache  # all of them: a mixture picks one for each pair
def _load(settings: Bank, path: Path) -> Sequence[np.ndarray]:
    from blurbench.blurs.kernel_files import digest

    kernels = _read_bank(settings, path)
    if digest(kernels) != settings.sha256:
        raise _changed(path, settings.sha256, digest(kernels))
    return kernels


def _read_bank(settings: Bank, path: Path) -> list[np.ndarray]:
    from blurbench.blurs.kernel_files import read_kernels

    return read_kernels(
        path,
        variable=settings.variable,
        layout=settings.layout,
        transpose=settings.transpose,
    )


def _changed(path: Path, old: str | None, new: str | None) -> UserError:
    return UserError(f"{path}: other kernels ({new:.12}) than the recipe's sha256 ({old:.12})")
