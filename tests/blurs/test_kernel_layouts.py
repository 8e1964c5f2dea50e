"""Which axis of a stack counts its kernels."""

import numpy as np
import pytest
from scipy.io import savemat

from blurbench.blurs.kernel_files import read_kernels
from blurbench.errors import UserError


@pytest.mark.parametrize(
    ("suffix", "axis", "mend"),
    [(".npy", 2, 'give layout = "HWK" for 9 of 19 x 19'), (".mat", 0, 'give layout = "KHW"')],
)
def test_slices_across_kernels_are_refused_with_the_layout(tmp_path, suffix, axis, mend):
    stacked = np.moveaxis(np.random.default_rng(0).random((9, 19, 19)), 0, axis)
    path = tmp_path / f"k{suffix}"
    if suffix == ".npy":
        np.save(path, stacked)
    else:
        savemat(path, {"kernels": stacked})
    with pytest.raises(UserError) as refused:
        read_kernels(path)
    assert mend in str(refused.value)
    layout = "HWK" if suffix == ".npy" else "KHW"
    assert [each.shape for each in read_kernels(path, layout=layout)] == [(19, 19)] * 9
    # Whoever names the layout means it.
    other = "KHW" if suffix == ".npy" else "HWK"
    assert len(read_kernels(path, layout=other)) == 19
