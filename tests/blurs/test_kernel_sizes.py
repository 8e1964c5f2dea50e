"""Files of kernels that would take memory or time: refused before anything is done with them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from blurbench.blurs import kernel_files
from blurbench.blurs.kernel_files import read_kernels
from blurbench.errors import UserError


def complaint(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_kernels(path)
    assert path.name in str(error.value)
    return str(error.value)


def test_a_bomb_of_zeros_is_not_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", kernels=np.zeros((1000, 31, 31)))
    monkeypatch.setattr(kernel_files, "budget", lambda: 10**6)
    assert "its arrays need 7.7 MB of memory" in complaint(tmp_path / "a.npz")
    np.save(tmp_path / "a.npy", np.zeros((1000, 31, 31), np.uint8))
    assert "its arrays need 8.6 MB of memory" in complaint(tmp_path / "a.npy")


def test_a_side_is_looked_at_before_anything_is_done_with_its_numbers(tmp_path, monkeypatch):
    wide = np.ones((3, 1025), np.uint8)
    np.save(tmp_path / "a.npy", wide)
    np.savez(tmp_path / "a.npz", wide)
    cv2.imwrite(str(tmp_path / "a.png"), wide)
    np.savetxt(tmp_path / "a.txt", wide)
    monkeypatch.setattr(kernel_files, "_sum", None)
    monkeypatch.setattr(np, "array", None)  # a copy
    for name in ("a.npy", "a.npz", "a.png", "a.txt"):
        assert "has a side over 1023 px, so it is no kernel" in complaint(tmp_path / name)


def test_a_text_longer_than_any_kernel_is_not_parsed(tmp_path, monkeypatch):
    np.savetxt(tmp_path / "a.txt", np.eye(3))
    monkeypatch.setattr(kernel_files, "LONGEST", (tmp_path / "a.txt").stat().st_size - 1)
    assert "more than the" in complaint(tmp_path / "a.txt")
