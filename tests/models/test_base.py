"""What every model has without saying so, and what the loop asks of one that says more."""

from pathlib import Path

import pytest
import torch

from blurbench.errors import UserError
from blurbench.models import MODELS, build, model_class


@pytest.mark.parametrize("name", MODELS)
def test_models_that_describe_learn_from_captions_and_others_restore(name: str) -> None:
    kind = model_class(name)
    assert kind.RESTORES or kind.DESCRIBES
    assert not kind.DESCRIBES or "captions" in kind.NEEDS


def test_a_model_that_restores_has_no_words(tmp_path: Path) -> None:
    model = build("unet", "tiny")
    model.learn_language([["a cat"]])
    model.save_language(tmp_path / "vocabulary.json")
    model.load_language(tmp_path / "vocabulary.json")
    assert not list(tmp_path.iterdir())
    assert model.vocabulary_hash() is None
    with pytest.raises(UserError, match="writes no captions"):
        model.caption(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("name", MODELS)
def test_stages_are_told_before_anything_is_loaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # where no weights are
    with torch.device("meta"):
        model = build(name)
    assert model.stages()
    assert not model.loss_networks
