import numpy as np
import pytest
from skimage import data as skimage_data

from blurbench.errors import UserError
from blurbench.recipes.recipe import load_recipe
from blurbench.sources.open import open_for, open_source
from blurbench.sources.whole_photos import NAMES


def test_all_photographs_are_for_testing():
    source = open_source("builtin:whole-photos")
    assert [item.id for item in source.items] == sorted(NAMES)
    assert {item.split for item in source.items} == {"test"}


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_they_are_uncut(name):
    items = {item.id: item for item in open_source("builtin:whole-photos").items}
    np.testing.assert_array_equal(items[name].load().image, getattr(skimage_data, name)())


def test_severe_blur_fits_them_and_labels_are_told_missing():
    assert len(open_for(load_recipe("sev-blurdata"), "builtin:whole-photos").items) == len(NAMES)
    with pytest.raises(UserError, match="has no shot types"):
        open_for(load_recipe("concert"), "builtin:whole-photos")
