"""What every model has without saying so, and what the loop asks of one that says more."""

from pathlib import Path

import pytest
import torch
from toy import Oracle

from blurbench.errors import UserError
from blurbench.models import MODELS, build, model_class
from blurbench.models.base import ModelConfig


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


def test_an_oracle_gets_the_labels_of_each_picture_and_refuses_without() -> None:
    oracle = Oracle(ModelConfig(steps=1, batch_size=1))
    blur = torch.rand(2, 3, 9, 7) / 2
    said = [{"id": "a", "captions": ["x"]}, {"id": "b", "captions": ["x", "y", "z"]}]
    restored, figures = oracle.deblur_counted(blur, said)
    assert torch.allclose(restored[0], blur[0] + 0.01)
    assert torch.allclose(restored[1], blur[1] + 0.03)
    assert figures == {"sentences": pytest.approx(4)}
    for labels in ((), [said[0], {"id": "b", "mask": torch.zeros(4, 9, 7)}]):
        with pytest.raises(UserError, match=r"true captions .* oracle .* evaluate"):
            oracle.deblur(blur, labels)


def test_labels_that_no_restoration_asks_for_change_nothing() -> None:
    model = build("unet", "tiny").eval()
    blur = torch.rand(1, 3, 16, 16)
    assert torch.equal(model.deblur(blur, [{"id": "a", "captions": ["x"]}]), model.deblur(blur))
