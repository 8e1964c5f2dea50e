import json
import math
import pickle
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import loadmat, savemat

from blurbench.blurs import kernel_files, matlab
from blurbench.blurs.bank import Bank, load_bank
from blurbench.blurs.kernel_files import read_kernels, stack, write_kernels
from blurbench.datasets.pair import make_pair
from blurbench.errors import UserError
from blurbench.recipes.recipe import Recipe, load_recipe, parse_recipe
from blurbench.sources.open import Sharp
from blurbench_kernels import bank, convolution

# No symmetry: any turn, flip or swap of it is another kernel.
ARROW = np.array([[1, 2, 3], [0, 4, 0], [0, 0, 6]]) / 16
BANK = {"family": "bank", "file": "kernels", "apply": "convolution", "transpose": False}
PROSE = dict.fromkeys(("title", "source", "citation", "licence", "provenance"), "")
SHIFT = 6  # px: the blurred pictures of Levin et al. are moved by up to 5


def bank_recipe(folder: Path, **blur) -> Recipe:
    document = {"name": "own", **PROSE, "blur": {**BANK, **blur}}
    return parse_recipe(document, "own.toml", folder)


def kernels(count: int = 3, size: int = 5) -> np.ndarray:
    made = np.random.default_rng(count).random((count, size, size))
    return np.stack([kernel_files.settle("made", kernel) for kernel in made])


def complaint(path: Path, **settings) -> str:
    with pytest.raises(UserError) as error:
        read_kernels(path, **settings)
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.npy", None), ("a.npz", None), ("a.mat", None), ("a.mat", "umsn"), ("A.MAT", "mat")],
)
def test_kernels_come_back_as_they_were_written(tmp_path, name, format):
    write_kernels(tmp_path / name, kernels(), format)
    first = (tmp_path / name).read_bytes()
    np.testing.assert_array_equal(read_kernels(tmp_path / name), kernels())
    write_kernels(tmp_path / name, kernels(), format)
    assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_matlab_shows_each_kernel_as_it_is(tmp_path):
    write_kernels(tmp_path / "a.mat", np.stack([ARROW, ARROW.T]))
    np.testing.assert_array_equal(loadmat(tmp_path / "a.mat")["kernels"][:, :, 0], ARROW)


def test_the_code_of_umsn_reads_its_layout(tmp_path):
    h5py = pytest.importorskip("h5py")
    write_kernels(tmp_path / "kernel.mat", np.stack([ARROW, ARROW.T]), "umsn")
    with h5py.File(tmp_path / "kernel.mat", "r") as file:
        read = np.transpose(np.array(file["kernels"]), [0, 2, 1])
    np.testing.assert_array_equal(read, [ARROW, ARROW.T])


def test_cells_of_different_sizes_in_both_versions_of_matlab_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    wide = np.ones((3, 5))
    cells = np.empty((1, 2), object)
    cells[0] = [ARROW, wide]
    savemat(tmp_path / "five.mat", {"cells": cells})
    with h5py.File(tmp_path / "seven.mat", "w", userblock_size=512) as file:
        # As MATLAB writes: axes reversed, cells as references.
        file["#refs#/a"], file["#refs#/b"] = ARROW.T, wide.T
        file["cells"] = np.array([[file["#refs#/a"].ref], [file["#refs#/b"].ref]], h5py.ref_dtype)
    for name in ("five.mat", "seven.mat"):
        first, second = read_kernels(tmp_path / name)
        np.testing.assert_array_equal(first, ARROW)
        assert second.shape == (3, 5)
        np.testing.assert_array_equal(read_kernels(tmp_path / name, transpose=True)[0], ARROW.T)


def test_links_to_other_files_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    write_kernels(tmp_path / "secret.mat", kernels(), "umsn")
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file["kernels"] = h5py.ExternalLink("secret.mat", "kernels")
    assert "holds none" in complaint(tmp_path / "a.mat")
    (tmp_path / "secret.bin").write_bytes(ARROW.tobytes())
    with h5py.File(tmp_path / "b.mat", "w") as file:
        outside = [(str(tmp_path / "secret.bin"), 0, ARROW.nbytes)]
        file.create_dataset("#refs#/a", ARROW.shape, float, external=outside)
        file["kernels"] = np.array([[file["#refs#/a"].ref]], h5py.ref_dtype)
        file.create_dataset("plain", ARROW.shape, float, external=outside)
    assert "stored in other files" in complaint(tmp_path / "b.mat", variable="kernels")
    assert "no variable 'plain'" in complaint(tmp_path / "b.mat", variable="plain")


def test_without_h5py_the_mend_is_told(tmp_path, monkeypatch):
    (tmp_path / "a.mat").write_bytes(matlab.HDF5)
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install 'blurbench[formats]'" in complaint(tmp_path / "a.mat")
    with pytest.raises(UserError, match="formats"):
        write_kernels(tmp_path / "b.mat", kernels(), "umsn")


def test_damaged_matlab_files_kill_nothing(tmp_path):
    savemat(tmp_path / "a.mat", {"kernels": ARROW})
    whole = (tmp_path / "a.mat").read_bytes()
    for seed in range(30, 60):  # SciPy 1.17 crashes on number 36
        random = np.random.default_rng(seed)
        data = bytearray(whole)
        for _ in range(random.integers(1, 4)):
            data[random.integers(124, len(data))] = random.integers(256)
        (tmp_path / "a.mat").write_bytes(data)
        try:
            read_kernels(tmp_path / "a.mat")
        except UserError as error:
            assert str(error).startswith(str(tmp_path))  # noqa: PT017


def test_a_folder_is_read_in_natural_order(tmp_path):
    for number in (10, 2, 1):
        np.savetxt(tmp_path / f"k{number}.txt", np.eye(3) + number * ARROW)
    cv2.imwrite(str(tmp_path / "k3.png"), (160 * ARROW).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "k4.png"), (6553 * ARROW * 1.6).astype(np.uint16))
    (tmp_path / "k5.dlm").write_text("1\t0\t0\n0\t1\t0\n0\t0\t1\n")
    (tmp_path / "notes.md").write_text("no kernel")
    found = read_kernels(tmp_path)
    for number, kernel in zip((1, 2), found, strict=False):
        expected = kernel_files.settle("", np.eye(3) + number * ARROW)
        np.testing.assert_array_equal(kernel, expected)
    np.testing.assert_allclose(found[2:4], [ARROW, ARROW], atol=1e-4)
    np.testing.assert_allclose(found[4], np.eye(3) / 3, atol=1e-7)
    np.testing.assert_array_equal(found[5], kernel_files.settle("", np.eye(3) + 10 * ARROW))
    assert len(found) == 6


def test_the_layout_says_which_axis_counts(tmp_path):
    # 3 kernels of 3 x 3: the shape alone tells nothing.
    np.save(tmp_path / "a.npy", np.moveaxis(kernels(3, 3), 0, -1))
    read = read_kernels(tmp_path / "a.npy", layout="HWK")
    np.testing.assert_array_equal(read, kernels(3, 3))
    assert not np.array_equal(read_kernels(tmp_path / "a.npy"), kernels(3, 3))
    np.save(tmp_path / "b.npy", np.ones((3, 3, 2000)))
    assert 'layout = "HWK"' in complaint(tmp_path / "b.npy")


@pytest.mark.parametrize("shape", [(4, 4), (3, 4), (2, 5)])
def test_even_sides_are_padded_to_where_opencv_has_their_middle(tmp_path, shape):
    kernel = np.random.default_rng(0).random(shape)
    np.save(tmp_path / "a.npy", kernel)
    (odd,) = read_kernels(tmp_path / "a.npy")
    assert odd.shape == tuple(side + 1 - side % 2 for side in shape)
    image = np.random.default_rng(1).random((20, 24))
    expected = cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(convolution.correlate(image, odd), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[1.0, np.nan, 1.0]]), "kernel 0: holds NaN"),
        (np.array([[1.0, -0.1, 1.0]]), "kernel 0: is negative"),
        (np.stack([ARROW, 0 * ARROW]), "kernel 1: is all zeros"),
        (np.ones(3), "shape (3,)"),
        (np.ones((1, 2, 3, 4)), "shape (1, 2, 3, 4)"),
        (np.ones((0, 3)), "shape (0, 3)"),
        (ARROW * 1j, "complex128"),
        (np.full((3, 3), 1e308), "too large"),
        (np.ones((1, 1025)), "over 1023 px"),
    ],
)
def test_what_is_no_kernel_is_told_by_its_place(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array)
    assert words in complaint(tmp_path / "a.npy")


def test_files_that_cannot_be_read_are_told_in_one_line(tmp_path):
    for name in ("a.npy", "a.npz", "a.mat", "a.txt", "a.png"):
        (tmp_path / name).write_bytes(b"\x93NUMPY nothing\nof\nthe kind")
        complaint(tmp_path / name)
    np.save(tmp_path / "o.npy", np.array([ARROW, None], object), allow_pickle=True)
    assert "Python objects" in complaint(tmp_path / "o.npy")
    cv2.imwrite(str(tmp_path / "c.png"), np.arange(27, dtype=np.uint8).reshape(3, 3, 3))
    assert "grey picture" in complaint(tmp_path / "c.png")
    np.savez(tmp_path / "two.npz", a=ARROW, b=ARROW.T)
    assert "which variable? it holds a, b" in complaint(tmp_path / "two.npz")
    assert "no variable 'c'; it holds a, b" in complaint(tmp_path / "two.npz", variable="c")
    np.testing.assert_array_equal(read_kernels(tmp_path / "two.npz", variable="b")[0], ARROW.T)
    savemat(tmp_path / "s.mat", {"s": {"kernel": ARROW}})
    complaint(tmp_path / "s.mat")
    complaint(tmp_path / "none.npy")
    complaint(tmp_path / "a.pickle")
    (tmp_path / "empty").mkdir()
    assert "no kernel" in complaint(tmp_path / "empty")
    with pytest.raises(UserError, match=r"end in \.npy, \.npz or \.mat"):
        write_kernels(tmp_path / "a.npy", kernels(), "umsn")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(UserError, match=r"folder\.npy: kernels are written to files"):
        write_kernels(tmp_path / "folder.npy", kernels())


@given(arrays.arrays(np.float64, (4, 7), elements=st.floats(0, 1e300, allow_subnormal=False)))
def test_kernels_sum_to_one_in_multiples_that_settling_keeps(kernel):
    if not kernel.any() or not math.isfinite(kernel.sum()):
        return
    settled = kernel_files.settle("", kernel.T)
    assert settled.min() >= 0
    assert settled.sum() == 1
    assert np.array_equal(settled * bank.GRID, np.rint(settled * bank.GRID))
    np.testing.assert_array_equal(kernel_files.settle("", settled), settled)
    np.testing.assert_allclose(settled[:, :4], kernel.T / kernel.sum(), atol=1 / bank.GRID)


def test_flat_kernels_stay_flat():
    flat = kernel_files.settle("", np.ones((151, 151)))
    assert flat.max() - flat.min() <= 1 / bank.GRID


def test_stacking_keeps_the_middle():
    stacked = stack([np.ones((1, 3)) / 3, ARROW], 5)
    np.testing.assert_array_equal(stacked[0, 2], [0, 1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_array_equal(stacked[1, 1:4, 1:4], ARROW)
    assert stack([ARROW]).shape == (1, 3, 3)
    for size in (1, 4):
        with pytest.raises(UserError, match="odd and at least 3"):
            stack([ARROW], size)


def test_a_recipe_finds_its_bank_and_says_which_kernels_it_read(tmp_path):
    (tmp_path / "kernels").mkdir()
    write_kernels(tmp_path / "kernels" / "k.npy", kernels())
    recipe = bank_recipe(tmp_path, file="kernels/k.npy")
    assert recipe.blur.sha256 == kernel_files.digest(kernels())
    assert str(tmp_path) not in json.dumps(recipe.model_dump(mode="json"))
    again = pickle.loads(pickle.dumps(recipe))
    np.testing.assert_array_equal(load_bank(again.blur), kernels())
    # A copy elsewhere makes the same pixels; other kernels of the same name do not.
    shutil.copytree(tmp_path / "kernels", tmp_path / "b" / "kernels")
    assert bank_recipe(tmp_path / "b", file="kernels/k.npy").pixels() == recipe.pixels()
    write_kernels(tmp_path / "kernels" / "k.npy", kernels(4))
    assert bank_recipe(tmp_path, file="kernels/k.npy").pixels() != recipe.pixels()
    with pytest.raises(UserError, match=r"k\.npy: other kernels"):
        bank_recipe(tmp_path, file="kernels/k.npy", sha256=recipe.blur.sha256)


def test_kernels_that_change_before_a_worker_reads_them_are_refused(tmp_path):
    write_kernels(tmp_path / "k.npy", kernels())
    recipe = bank_recipe(tmp_path, file="k.npy")
    write_kernels(tmp_path / "k.npy", kernels(4))
    with pytest.raises(UserError, match=r"k\.npy: other kernels"):
        load_bank(recipe.blur)


def test_banks_of_a_mixture_are_found_and_recipes_can_be_files(tmp_path):
    write_kernels(tmp_path / "k.npy", kernels())
    (tmp_path / "own.toml").write_text(
        'name = "own"\ntitle = ""\nsource = ""\ncitation = ""\nlicence = ""\nprovenance = ""\n'
        '[blur]\nfamily = "mixture"\norder = "replica"\n'
        '[[blur.parts]]\nfamily = "motion_flow"\npreset = "mild"\n'
        '[[blur.parts]]\nfamily = "bank"\nfile = "k.npy"\napply = "convolution"\n'
        "transpose = false\n"
    )
    recipe = load_recipe(tmp_path / "own.toml")
    assert recipe.blur.parts[1].sha256 == kernel_files.digest(kernels())
    sharp = Sharp(tiny_data.picture(0), None, "0" * 64)
    pair = make_pair(recipe, 0, "a.png", "train", 1, sharp)
    assert json.loads(pair.row["parameters"])["index"] in range(3)


def test_a_bank_outside_the_folder_of_its_recipe_is_refused(tmp_path):
    (tmp_path / "recipes").mkdir()
    write_kernels(tmp_path / "k.npy", kernels())
    (tmp_path / "recipes" / "link.npy").symlink_to(tmp_path / "k.npy")
    for name in ("../k.npy", str(tmp_path / "k.npy"), "link.npy"):
        with pytest.raises(UserError, match="leads out of this folder"):
            bank_recipe(tmp_path / "recipes", file=name)
    with pytest.raises(UserError, match=r"own\.toml: blur\.file: needs the folder"):
        parse_recipe({"name": "own", **PROSE, "blur": BANK}, "own.toml")
    with pytest.raises(UserError, match="lie beside"):
        load_bank(Bank(**BANK))


def test_a_link_in_a_bank_of_files_must_not_lead_out_of_the_folder_of_its_recipe(tmp_path):
    bank = tmp_path / "recipes" / "kernels"
    bank.mkdir(parents=True)
    np.savetxt(bank / "k1.txt", ARROW)
    np.savetxt(bank.parent / "near.txt", ARROW)
    np.savetxt(tmp_path / "far.txt", ARROW)
    (bank / "k2.txt").symlink_to(bank.parent / "near.txt")
    (tmp_path / "link").symlink_to(bank.parent)
    for folder in (bank.parent, tmp_path / "link"):
        assert len(load_bank(bank_recipe(folder).blur)) == 2
    (bank / "k3.txt").symlink_to(tmp_path / "far.txt")
    for folder in (bank.parent, tmp_path / "link"):
        with pytest.raises(UserError, match=r"'kernels/k3\.txt' leads out of this folder"):
            bank_recipe(folder)


def test_what_is_wrong_with_a_bank_names_the_recipe_and_its_field(tmp_path):
    np.save(tmp_path / "k.npy", -ARROW)
    for name in ("../k.npy", "none.npy", "k.npy"):
        with pytest.raises(UserError, match=rf"^own\.toml: blur\.file: .*{name}") as error:
            bank_recipe(tmp_path, file=name)
        assert "\n" not in str(error.value)
    line = {"family": "line", "length": [3.0, 9.0]}
    blur = {"family": "mixture", "parts": [line, {**BANK, "file": "none.npy"}]}
    with pytest.raises(UserError, match=r"^own\.toml: blur\.parts\.1\.file: .*none\.npy: no such"):
        parse_recipe({"name": "own", **PROSE, "blur": blur}, "own.toml", tmp_path)


def test_every_bank_of_a_mixture_is_read_once(tmp_path, monkeypatch):
    for n in range(6):
        write_kernels(tmp_path / f"{n}.npy", kernels(n + 1))
    blur = {"family": "mixture", "parts": [{**BANK, "file": f"{n}.npy"} for n in range(6)]}
    recipe = parse_recipe({"name": "own", **PROSE, "blur": blur}, "own.toml", tmp_path)
    read, seen = kernel_files.read_kernels, []
    monkeypatch.setattr(
        kernel_files, "read_kernels", lambda path, **how: seen.append(path) or read(path, **how)
    )
    for _ in range(3):
        assert [len(load_bank(part)) for part in recipe.blur.parts] == [*range(1, 7)]
    assert len(seen) == 6


def best_shift_psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """PSNR (dB) of 8-bit pictures at the shift of up to SHIFT px that suits best."""
    inside = reference[SHIFT:-SHIFT, SHIFT:-SHIFT].astype(float)
    height, width = inside.shape
    errors = [
        np.mean((image[y : y + height, x : x + width] - inside) ** 2)
        for y in range(2 * SHIFT + 1)
        for x in range(2 * SHIFT + 1)
    ]
    return 10 * math.log10(255**2 / min(errors))


@pytest.mark.parametrize("number", [1, 2])
def test_the_kernels_of_levin_et_al_correlate(shared, tmp_path, number):
    """Their blurred photographs are those that apply = "correlation" makes of the sharp ones."""
    shutil.copytree(shared / "data" / "kernels" / "levin09", tmp_path / "kernels")
    pairs = shared / "data" / "blurred_pairs" / "levin09" / "mat"
    for index in range(4):
        contents = loadmat(pairs / f"im{number:02d}_ker{index + 1:02d}.mat")
        picture = np.repeat(np.rint(contents["x"] * 255).astype(np.uint8)[..., None], 3, axis=2)
        reference = np.clip(contents["y"] * 255, 0, 255)
        scores = {}
        for apply in ("correlation", "convolution"):
            recipe = bank_recipe(tmp_path, apply=apply, order="replica")
            pair = make_pair(recipe, 0, "x", "train", index, Sharp(picture, None, "0" * 64))
            scores[apply] = best_shift_psnr(pair.blur[..., 0], reference)
        assert scores["correlation"] >= 38, (index, scores)
        assert scores["convolution"] < scores["correlation"] - 2, (index, scores)


def test_kernels_of_other_projects_are_read(shared):
    folder = shared / "data" / "kernels"
    sizes = {
        name: sorted({kernel.shape[0] for kernel in read_kernels(folder / name)})
        for name in ("kernels_12.mat", "shen_kernel_27_1.mat", "k_large_1.png", "fdn_dlm")
    }
    assert sizes == {
        "kernels_12.mat": [25],
        "shen_kernel_27_1.mat": [27],
        "k_large_1.png": [67],
        "fdn_dlm": [27],
    }
    assert len(read_kernels(folder / "kernels_12.mat")) == 12
    assert len(read_kernels(folder / "shrinkage_fields_dlm")) == 10
    assert len(read_kernels(folder / "estimated_from_real_png")) == 10
    assert len(read_kernels(folder / "estimated_kohler_png")) == 3
    # The text files of Levin's kernels need no transposition to be those of the .mat pairs.
    for index, kernel in enumerate(read_kernels(folder / "levin09"), start=1):
        pair = folder.parent / "blurred_pairs" / "levin09" / "mat" / f"im01_ker0{index}.mat"
        np.testing.assert_allclose(read_kernels(pair, variable="f")[0], kernel, atol=1e-7)
