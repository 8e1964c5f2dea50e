import numpy as np
import pytest

from blurbench.errors import UserError
from blurbench.ranking.boards import make_boards

NOISE = np.random.default_rng(0).normal(0, 0.3, (4, 20))
NOISE -= NOISE.mean(axis=1, keepdims=True)


def psnr(mean, noise=0, count=20):
    return {f"id{index:02}": float(mean + NOISE[noise, index]) for index in range(count)}


def data(digest="d" * 64, split="test", recipe="crops"):
    return {"recipe": recipe, "split": split, "digest": digest, "images": 20}


def test_results_of_other_pixels_splits_or_protocols_are_never_ranked_together(
    make_result, tmp_path, monkeypatch
):
    from blurbench.metrics import PROTOCOLS

    monkeypatch.setitem(PROTOCOLS, "other", PROTOCOLS["wang-rgb"])
    folders = [
        make_result(tmp_path / "1", "a", psnr(20)),
        make_result(tmp_path / "2", "a", psnr(21), data=data(digest="e" * 64)),
        make_result(tmp_path / "3", "a", psnr(22), data=data(split="val")),
        make_result(tmp_path / "4", "a", psnr(23), protocol="other"),
        make_result(tmp_path / "5", "b", psnr(24, 1)),
    ]
    boards = make_boards(folders)
    assert len({board.name for board in boards}) == 4
    models = [[entry.result.model for entry in board.entries] for board in boards]
    assert sorted(models) == [["a"], ["a"], ["a"], ["b", "a"]]
    ranks = [[entry.scores["psnr"].rank for entry in board.entries] for board in boards]
    assert sorted(ranks) == [[1], [1], [1], [1, 2]]


def test_the_baseline_comes_first_and_every_gain_is_paired_with_it(make_result, tmp_path):
    [board] = make_boards(
        [
            make_result(tmp_path / "good", "good", psnr(23, 1)),
            make_result(tmp_path / "blur", "the blur", psnr(20), restored_by="identity"),
            make_result(tmp_path / "twin", "twin", psnr(22.99, 2)),
            make_result(tmp_path / "bad", "bad", psnr(18, 3)),
        ]
    )
    assert [entry.result.model for entry in board.entries] == ["the blur", "good", "twin", "bad"]
    assert [entry.scores["psnr"].rank for entry in board.entries] == [3, 1, 1, 4]
    assert board.entries[0].scores["psnr"].gain is None
    gain = board.entries[1].scores["psnr"].gain
    assert gain.mean == pytest.approx(3)
    assert gain.low < gain.mean < gain.high
    assert board.images == 20


def test_a_model_that_skipped_pictures_is_listed_but_not_ranked(make_result, tmp_path):
    easy = dict(list(psnr(30).items())[:15])
    [board] = make_boards(
        [
            make_result(tmp_path / "1", "picky", easy),
            make_result(tmp_path / "2", "honest", psnr(20, 1)),
        ]
    )
    assert [entry.result.model for entry in board.entries] == ["honest", "picky"]
    assert [entry.scores["psnr"].rank for entry in board.entries] == [1, None]
    assert [entry.missing for entry in board.entries] == [0, 5]


def test_the_order_of_lines_and_of_folders_changes_nothing(make_result, tmp_path):
    values = psnr(20)
    a = make_result(tmp_path / "a", "a", values)
    b = make_result(tmp_path / "b", "b", psnr(21, 1))
    shuffled = make_result(tmp_path / "c", "a", dict(reversed(values.items())))
    first, second = make_boards([a, b]), make_boards([b, shuffled])
    for one, other in zip(first[0].entries, second[0].entries, strict=True):
        assert one.result.model == other.result.model
        assert one.scores == other.scores


def test_two_results_of_one_name_on_one_board_are_refused(make_result, tmp_path):
    folders = [make_result(tmp_path / name, "unet", psnr(20)) for name in ("old", "new")]
    with pytest.raises(UserError, match=r"old and .*new are both called 'unet'.*NAME=RESULT"):
        make_boards(folders)


def test_blurs_of_one_picture_count_as_one(make_result, tmp_path):
    """Said ten times over, a difference is no surer than said once."""
    once, often = [], []
    for name, noise in (("a", 0), ("b", 1)):
        values = psnr(20 + 0.1 * noise, noise)
        again = {f"{id}-r{k}": value for id, value in values.items() for k in range(10)}
        rows = {name: {"source": name.partition("-")[0]} for name in again}
        once.append(make_result(tmp_path / f"{name}1", name, values))
        often.append(make_result(tmp_path / f"{name}10", name, again, rows=rows))
    ([first], [second]) = make_boards(once), make_boards(often)
    assert (first.images, first.independent) == (20, 20)
    assert (second.images, second.independent) == (200, 20)
    for one, other in zip(first.entries, second.entries, strict=True):
        assert one.scores["psnr"].rank == other.scores["psnr"].rank
        for end in ("mean", "low", "high"):
            wanted = getattr(one.scores["psnr"].estimate, end)
            assert getattr(other.scores["psnr"].estimate, end) == pytest.approx(wanted)
    p_values = {board.comparisons["psnr"].duels["a", "b"].p for board in (first, second)}
    assert len(p_values) == 1


def test_many_blurs_of_few_pictures_have_no_interval_and_no_rank(make_result, tmp_path):
    rows = {f"id{index:02}": {"source": f"face{index % 3}"} for index in range(20)}
    [board] = make_boards([make_result(tmp_path / "a", "a", psnr(20), rows=rows)])
    assert board.independent == 3
    score = board.entries[0].scores["psnr"]
    assert (score.rank, score.estimate.low) == (None, None)
    assert score.estimate.mean == pytest.approx(np.mean([*psnr(20).values()]))


def test_a_metric_may_not_apply_to_a_picture(make_result, tmp_path):
    folders = []
    for name, noise in (("a", 0), ("b", 1)):
        values = psnr(20, noise)
        rows = {
            id: {"metrics": {"psnr": value, "psnr-hair": value + 1 if int(id[2:]) % 2 else None}}
            for id, value in values.items()
        }
        changes = {"rows": rows, "metrics": ["psnr", "psnr-hair", "psnr-skin"]}
        for row in rows.values():
            row["metrics"]["psnr-skin"] = None
        folders.append(make_result(tmp_path / name, name, values, **changes))
    [board] = make_boards(folders)
    assert board.metrics == ["psnr", "psnr-hair"]
    for entry in board.entries:
        assert entry.missing == 0
        assert len(entry.result.scores["psnr-hair"]) == 10
        assert entry.scores["psnr-hair"].rank is not None
    assert board.comparisons["psnr-hair"].images == 10


def test_scores_of_different_tools_are_not_put_side_by_side(make_result, tmp_path):
    tools = {"one": {"embedding": {"sha256": "a"}}, "two": {"embedding": {"sha256": "b"}}}
    folders = [make_result(tmp_path / k, k, psnr(20), using=using) for k, using in tools.items()]
    plain = make_result(tmp_path / "plain", "plain", psnr(20))
    assert len(make_boards([folders[0], plain])) == 1
    with pytest.raises(UserError, match=r"one and .*two were scored with another embedding"):
        make_boards([*folders, plain])
