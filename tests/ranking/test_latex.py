"""A board as LaTeX: what stands where, and nothing that LaTeX would take for a command."""

import re

import pytest
from click.testing import CliRunner

from blurbench.cli import cli
from blurbench.errors import UserError
from blurbench.ranking.boards import make_boards
from blurbench.ranking.latex import escaped, latex

HOSTILE = r"a_b & 50 % $x$ \input{x} ~^<>"


def psnr(mean, count=8):
    return {f"id{index}": mean + 0.1 * index for index in range(count)}


@pytest.fixture
def folders(make_result, tmp_path):
    means = {"identity": 20, "worse": 21, HOSTILE: 23, "second": 22, "twin": 22.001}
    return [
        make_result(
            tmp_path / f"{place}",
            model,
            psnr(mean),
            restored_by="model" if place else "identity",
            milliseconds_median=12.5,
            provenance={"params": 7841123},
        )
        for place, (model, mean) in enumerate(means.items())
    ]


def body(text):
    return text.split("\\midrule\n")[1].split("\\bottomrule")[0].splitlines()


def test_the_best_is_bold_and_the_second_underlined(folders):
    text = latex(make_boards(folders), ["psnr", "params", "milliseconds"])
    assert text.startswith("% ")
    heading = r"Method & PSNR (dB) $\uparrow$ & Parameters & ms \\"
    assert heading in text.splitlines()
    rows = {line.split(" & ")[0]: line.split(" & ")[1:] for line in body(text)}
    assert rows["identity"] == ["20.35", "7.84 M", r"12.5 \\"]
    assert rows[escaped(HOSTILE)][0] == r"\textbf{23.35}"
    # Equal as printed: both are second.
    assert rows["second"][0] == rows["twin"][0] == r"\underline{22.35}"
    assert rows["worse"][0] == "21.35"


def test_a_name_in_brackets_is_no_option_of_the_row_before(make_result, tmp_path):
    names = ["[b]", "*c"]
    made = [make_result(tmp_path / f"{n}", name, psnr(20 + n)) for n, name in enumerate(names)]
    starts = {line[:5] for line in body(latex(make_boards(made)))}
    assert starts == {"{[}b]", "{*}c "}


def test_every_line_has_the_columns_of_the_heading(folders):
    text = latex(make_boards(folders), intervals=True)
    cells = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in cells}) == 1
    assert len(cells) == 1 + 2 * len(folders)
    assert re.search(r"& \{\\scriptsize \[\d+\.\d\d, \d+\.\d\d\]\}", text)


def test_too_few_pictures_for_an_interval_leave_no_empty_lines(make_result, tmp_path):
    means = {"a": 20, "b": 21}
    few = [make_result(tmp_path / name, name, psnr(mean, 4)) for name, mean in means.items()]
    text = latex(make_boards(few), intervals=True)
    assert "% no intervals: they need 6 sharp pictures" in text.splitlines()
    assert [line[:3] for line in body(text)] == ["b &", "a &"]


def groups_of(line):
    """How deep the braces of a line are at its end; -1 where one is closed that was not opened."""
    depth = 0
    for mark in re.findall(r"(?<!\\)(?:\\\\)*([{}])", line):
        depth += 1 if mark == "{" else -1
        if depth < 0:
            return depth
    return depth


def test_no_name_opens_a_group_or_mathematics_that_it_does_not_close(make_result, tmp_path):
    names = [HOSTILE, "{", "}", "\\", "$", "a\\{", "~{", "%}", "&\\\\", "[2pt]", "#^_"]
    made = [make_result(tmp_path / f"{n}", name, psnr(20 + n)) for n, name in enumerate(names)]
    lines = latex(make_boards(made), intervals=True).splitlines()
    assert [groups_of(line) for line in lines] == [0] * len(lines)
    for line in lines:
        if not line.startswith("%"):
            assert len(re.findall(r"(?<!\\)\$", line)) % 2 == 0
            assert not re.search(r"(?<!\\)[#%]", line)


def test_names_are_text():
    assert escaped("a_b & c") == r"a\_b \& c"
    assert escaped("\\end{x}\n\n") == r"\textbackslash{}end\{x\}"
    assert escaped("100% #1 {x} <$>") == r"100\% \#1 \{x\} \textless{}\$\textgreater{}"
    assert escaped("x^2~") == r"x\textasciicircum{}2\textasciitilde{}"


def test_a_comment_stays_one_line(make_result, tmp_path):
    folders = [make_result(tmp_path / "0", "a\n\\input{b}", psnr(20), recipe="x\ny")]
    text = latex(make_boards(folders))
    assert "\n\\input" not in text
    assert all(line.startswith(("%", "\\", "Method", "a")) for line in text.splitlines())


def test_a_model_without_every_picture_is_no_rival(make_result, tmp_path):
    means = {"all": (20, 8), "other": (19, 8), "some": (30, 7)}
    folders = [
        make_result(tmp_path / name, name, psnr(mean, count))
        for name, (mean, count) in means.items()
    ]
    text = latex(make_boards(folders))
    assert r"all & \textbf{20.35}" in text
    assert r"other & \underline{19.35}" in text
    assert "some & 30.30" in text


def test_an_unknown_column_is_refused(folders):
    with pytest.raises(UserError, match="--columns speed: no such column; there are psnr"):
        latex(make_boards(folders), ["speed"])


def test_the_command_writes_it(folders, tmp_path):
    file = tmp_path / "table.tex"
    words = ["leaderboard", *map(str, folders), "--out", str(tmp_path / "board")]
    done = CliRunner().invoke(cli, [*words, "--latex", str(file), "--columns", "psnr,params"])
    assert done.exit_code == 0, done.output
    assert str(file) in done.output
    assert file.read_text().count("\\begin{tabular}{lrr}") == 1
