"""A RESULT folder as a board takes it: whole, finished and of one piece."""

import pytest

from blurbench.errors import UserError
from blurbench.ranking.results import BoardKey, find_results, read_result


def psnr(mean, count=20):
    return {f"id{index:02}": mean + 0.1 * index for index in range(count)}


def test_a_result_says_its_board_and_its_scores_in_the_order_of_their_ids(make_result, tmp_path):
    rows = {
        "id01": {"severity": 2.5, "groups": {"family": "line"}, "source": "one"},
        "id00": {"metrics": {"psnr": None}},
    }
    values = dict(reversed(psnr(20, 3).items()))
    result = read_result(make_result(tmp_path / "a", "a", values, rows=rows))
    assert result.key == BoardKey("crops", "test", "d" * 64, "wang-rgb")
    assert list(result.scores["psnr"]) == result.ids == ["id01", "id02"]
    assert (result.images, result.metrics, result.is_baseline) == (2, ["psnr"], False)
    assert (result.severity, result.sources) == ({"id01": 2.5}, {"id01": "one"})
    assert result.groups == {"family": {"id01": "line"}}


def test_what_is_no_finished_result_is_told_in_one_line(make_result, tmp_path):
    (tmp_path / "empty").mkdir()
    torn = make_result(tmp_path / "torn", "a", psnr(20))
    with (torn / "results.jsonl").open("a") as file:
        file.write('{"model": "a", "da')
    mixed = make_result(tmp_path / "mixed", "a", psnr(20))
    (mixed / "results.jsonl").write_text(
        (torn / "results.jsonl").read_text().splitlines()[0].replace("wang-rgb", "other") + "\n"
    )
    nan = make_result(tmp_path / "nan", "a", {"x": 1.5})
    text = (nan / "results.jsonl").read_text()
    (nan / "results.jsonl").write_text(text.replace("1.5", "NaN"))
    twice = make_result(tmp_path / "twice", "a", {"x": 1.5})
    (twice / "results.jsonl").write_text(text + text)
    older = make_result(tmp_path / "older", "a", psnr(20))
    (older / "summary.json").write_text('{"model": "a", "complete": true, "metrics": ["psnr"]}')
    for folder, message in {
        tmp_path / "nowhere": "holds no results.jsonl; make it with `blurbench evaluate`",
        tmp_path / "empty": "holds no results.jsonl",
        torn: "line 21: not valid JSON",
        mixed: "line 1 belongs to another result",
        nan: r"line 1: metrics\.psnr: should be a finite number",
        twice: "line 2: 'x' is there twice",
        older: r"summary\.json: lacks the field",
        make_result(tmp_path / "half", "a", psnr(20), complete=False): "is not finished",
        make_result(tmp_path / "none", "a", {}): "every picture was skipped",
        make_result(tmp_path / "odd", "a", psnr(2), metrics=["x"]): "unknown metric 'x'",
    }.items():
        with pytest.raises(UserError, match=message) as error:
            read_result(folder)
        assert "\n" not in str(error.value)


def test_a_folder_stands_for_every_result_below_it(make_result, tmp_path, capsys):
    for name in ("b", "a", "deep/c"):
        make_result(tmp_path / name, name, psnr(20))
    make_result(tmp_path / "a" / "adding", "a", psnr(20))  # a part of it
    make_result(tmp_path / ".tmp-killed" / "again", "a", psnr(20))
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / "summary.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    assert find_results(tmp_path) == [tmp_path / name for name in ("a", "b", "deep/c")]
    assert "1 result of captions left out" in capsys.readouterr().err
    assert find_results(tmp_path / "a") == [tmp_path / "a"]
    with pytest.raises(UserError, match="empty: holds no result"):
        find_results(tmp_path / "empty")


def test_a_result_may_be_called_otherwise(make_result, tmp_path):
    result = read_result(make_result(tmp_path / "a", "a", psnr(20)), "b")
    assert (result.model, result.summary.model) == ("b", "b")
