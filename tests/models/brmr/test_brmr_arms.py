"""What a study of BRMR varies: the windows, the rule of Algorithm 1, and where pGAN begins."""

from pathlib import Path

import naive
import numpy as np
import pytest
import torch
from small_training import real_pairs
from torch import Tensor, nn
from toy import ToyPairs, weights

from blurbench.errors import UserError
from blurbench.models import build
from blurbench.models.brmr.mining import drawn, grid
from blurbench.models.brmr.model import BRMR
from blurbench.models.parts.released import load_released
from blurbench.models.parts.weights import save_tensors
from blurbench.training.batches import TrainingPairs, cut
from blurbench.training.runner import Runner

SMALL = {"width": 4, "patch_size": 32, "stride": 16}


def wild(**settings: object) -> BRMR:
    """Weights large enough to tell places apart."""
    torch.manual_seed(0)
    model = build("brmr", "tiny", **SMALL, **settings)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    assert isinstance(model, BRMR)
    return model


def places(height: int, width: int) -> list[tuple[int, int]]:
    """(left, top) of all windows of 32 px, 16 apart, in the order of the search."""
    return [
        (left, top)
        for top in sorted({*range(0, height - 32, 16), height - 32})
        for left in sorted({*range(0, width - 32, 16), width - 32})
    ]


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (70, 96)])
def test_the_grid_is_every_window_of_the_search(size):
    boxes = grid(*size, 32, 16)
    assert [(box.left, box.top) for box in boxes] == places(*size)
    assert {(box.width, box.height) for box in boxes} == {(32, 32)}


def test_draws_reach_every_window_alike():
    torch.manual_seed(0)
    boxes = grid(64, 64, 32, 16)
    counts = dict.fromkeys(boxes, 0)
    for _ in range(900):
        counts[drawn(boxes)] += 1
    assert 60 < min(counts.values()) < max(counts.values()) < 140


def test_pgan_may_learn_from_all_windows():
    model, batch = wild(mining="all"), real_pairs(64)
    blur, sharp = model.mined(batch)
    restored = model.generate(batch["blur"]).detach()
    assert len(blur) == len(sharp) == 4 * 9
    for i in range(4):
        for number, (left, top) in enumerate(places(64, 64)):
            inside = (i, slice(None), slice(top, top + 32), slice(left, left + 32))
            assert torch.allclose(blur[9 * i + number], restored[inside] * 2 - 1, atol=1e-6)
            assert torch.equal(sharp[9 * i + number], batch["sharp"][inside] * 2 - 1)


def test_pgan_may_learn_from_random_windows_that_both_updates_share():
    model, batch = wild(mining="random"), real_pairs(64)
    seen = set()
    for seed in range(30):
        torch.manual_seed(seed)
        model.mined_last.clear()
        _, sharp = model.mined(batch)
        assert len(sharp) == 4
        assert model.mined(batch)[1] is sharp
        for i in range(4):
            [place] = [
                (left, top)
                for left, top in places(64, 64)
                if torch.equal(
                    sharp[i], batch["sharp"][i, :, top : top + 32, left : left + 32] * 2 - 1
                )
            ]
            seen.add((i, place))
    assert {place for _, place in seen} == set(places(64, 64))
    assert len(seen) > 30  # of 4 times 9


def test_parts_of_a_batch_keep_their_windows_from_one_update_to_the_next():
    model, batch = wild(mining="random", accumulate=2), real_pairs(64)
    parts = [part for _, part in cut(batch, 4, 2)]
    first = [model.mined(part)[1] for part in parts]
    assert all(model.mined(part)[1] is seen for part, seen in zip(parts, first, strict=True))
    model.mined({**parts[0], "blur": parts[0]["blur"].clone()})  # of the next step
    assert model.mined(parts[0])[1] is not first[0]


def falling(model: BRMR) -> None:
    """A pGAN after which each picture is taken for less sharp than before."""

    def judge(image: Tensor, blur: Tensor) -> tuple[Tensor, Tensor]:
        error = (image - blur).abs().mean(1)
        return -error.mean((1, 2)), error

    model.generate, model.judge = (lambda blur: blur), judge


def test_without_the_rule_every_patch_is_kept():
    model = wild(acceptance=False, max_iterations=3)
    falling(model)
    blur = torch.rand(1, 3, 64, 64)
    versions = list(model.versions(blur))
    assert len(versions) == 4
    image = blur[0].clone()
    for version in versions[1:]:
        error = (image - blur[0]).abs().mean(0).double().numpy()
        left, top = naive.hottest_window(error, 32, 16)
        assert (version.refined.left, version.refined.top) == (left, top)
        inside = image[:, top : top + 32, left : left + 32]
        with torch.no_grad():
            inside.copy_((model.patch_generator(inside[None] * 2 - 1)[0] + 1) / 2)
        assert torch.allclose(version.image[0], image, atol=1e-6)
    assert model.restore_counted(blur)[1] == {"iterations": 3}
    model.config = model.config.model_copy(update={"acceptance": True})
    assert model.restore_counted(blur)[1] == {"iterations": 0}


def test_random_windows_are_of_the_picture():
    model = wild(refining="random", acceptance=False, max_iterations=12)
    first, second = real_pairs(64)["blur"][:2].split(1)
    ways = []
    for blur in (first, second, first):
        torch.rand(5)  # whatever was drawn before
        ways.append([version.refined for version in model.versions(blur)][1:])
    assert ways[0] == ways[2] != ways[1]
    assert {(box.left, box.top) for box in ways[0] + ways[1]} <= set(places(64, 64))
    assert len(set(ways[0])) > 4


def test_shares_choose_the_stages():
    def told(*shares: float) -> list[tuple[str, float, bool]]:
        return [(s.name, s.share, s.beside) for s in wild(shares=shares).stages()]

    assert told(1, 1) == [("igan", 1, False), ("pgan", 1, True)]
    assert told(0, 1) == [("pgan", 1, False)]
    assert told(2, 0) == [("igan", 2, False)]
    with pytest.raises(UserError, match="shares"):
        wild(shares=(0, 0))


def test_a_run_begins_with_a_finished_igan(tmp_path: Path) -> None:
    torch.manual_seed(5)
    igan = build("igan", "tiny", width=4)
    save_tensors(tmp_path / "igan.safetensors", igan.state_dict())
    model = wild()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_released(model, tmp_path / "igan.safetensors")
    for name, value in model.state_dict().items():
        wanted = before[name] if name.startswith("patch") else igan.state_dict()[name]
        assert torch.equal(value, wanted), name
    save_tensors(tmp_path / "brmr.safetensors", before)
    load_released(model, tmp_path / "brmr.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    other = build("igan", "tiny", width=6)
    save_tensors(tmp_path / "other.safetensors", other.state_dict())
    with pytest.raises(UserError, match="another model or preset"):
        load_released(model, tmp_path / "other.safetensors")


def runner(folder: Path, stop: int) -> Runner:
    torch.manual_seed(0)
    settings = {"crop_size": 64, "batch_size": 2, "mining": "random", "shares": (0, 1)}
    model = build("brmr", "tiny", **SMALL | {"width": 2}, **settings, precision="fp32")
    folder.mkdir(exist_ok=True)
    pairs = ToyPairs(6, 70)
    training = TrainingPairs(pairs, model.config, seed=5)
    made = Runner(
        folder, model, training, None, pairs, 4, torch.device("cpu"), checkpoint_seconds=0
    )
    once = made.step

    def step_then_stop(*arguments: object) -> None:
        once(*arguments)
        made.stop.asked = made.at.step + 1 == stop

    made.step = step_then_stop
    return made


def test_a_run_of_random_windows_resumes_with_the_same_bits_and_leaves_igan(tmp_path: Path) -> None:
    whole = runner(tmp_path / "whole", 0)
    before = {name: np.asarray(value).copy() for name, value in whole.model.state_dict().items()}
    whole.run()
    for name, value in whole.model.state_dict().items():
        if not name.startswith("patch"):
            assert np.array_equal(value, before[name])
    with pytest.raises(KeyboardInterrupt):
        runner(tmp_path / "broken", 2).run()
    runner(tmp_path / "broken", 0).run()
    assert weights(tmp_path / "whole") == weights(tmp_path / "broken")
