"""What a file may ask a network to be: refused before memory is taken, in seconds."""

from typing import Any

import pytest
import torch

from blurbench.errors import UserError
from blurbench.models import MODELS, build, model_class
from blurbench.models.parts import bounded


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("nafnet", {"width": 10**6}, "nafnet with width=1000000: a network of over .* GB"),
        ("nafnet", {"middle": 2**31}, "a network of over 10,000 tensors; give smaller"),
        ("unet", {"widths": [2**52, 8], "blocks": [1, 1]}, "with widths=.*: a network of over"),
        ("unet", {"blocks": [2**63, 1]}, "blocks: has too many digits"),
        ("unet", {"batch_size": 1e3}, "batch_size: is no whole number"),
        ("unet", {"batch_size": True}, "batch_size: is no number"),
        ("unet", {"widths": [True, 8]}, "widths: is no number"),
        ("unet", {"widths": "4,8.5"}, "widths"),
        ("unet", {"rate": True}, "rate: is no number"),
        ("unet", {"flip": 1e3}, "flip"),
        ("unet", {"crop_size": 32.0}, "crop_size: is no whole number"),
    ],
)
def test_what_no_machine_holds_is_one_line(name: str, changed: dict[str, Any], told: str):
    with pytest.raises(UserError, match=told):
        build(name, preset="tiny", **changed)


def test_numbers_may_be_words_and_whole_rates():
    model = build("unet", preset="tiny", widths="4,8", blocks="1,1", rate=1, ema="none")
    assert (model.config.rate, model.config.ema) == (1.0, None)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["unet", "s3e"])
def test_no_draw_is_moved(name: str):
    kind = model_class(name)
    torch.manual_seed(3)
    plain = kind(kind.PRESETS["tiny"]).state_dict()
    torch.manual_seed(3)
    reckoned = build(name, preset="tiny").state_dict()
    assert all(torch.equal(value, reckoned[key]) for key, value in plain.items())


def test_it_is_the_free_memory_that_counts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bounded, "budget", lambda: 10**5)
    with pytest.raises(UserError, match=r"^unet: a network of over .* 0\.1 MB of memory are free"):
        build("unet", preset="tiny")


def test_settings_that_make_no_network_are_told(monkeypatch: pytest.MonkeyPatch):
    class Odd(model_class("unet")):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            raise ValueError(f"no layer of {config.widths[0]}")

    monkeypatch.setitem(MODELS, "unet", f"{__name__}:Odd")
    monkeypatch.setattr("blurbench.models.model_class", lambda _: Odd)
    with pytest.raises(UserError, match=r"unet with widths=.*: cannot be built: ValueError: no"):
        build("unet", preset="tiny", widths=[4, 8], blocks=[1, 1])
    with pytest.raises(ValueError, match="no layer"):  # a fault of ours, not of the settings
        build("unet", preset="tiny")
