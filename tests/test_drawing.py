import numpy as np
import pytest

from blurbench import drawing
from blurbench.drawing import LabelledPicture

RED = np.full((20, 30, 3), (200, 0, 0), np.uint8)
GREY = np.full((10, 40), 90, np.uint8)


def bars(plot: np.ndarray) -> np.ndarray:
    """(W,) heights of the bars at each column, px."""
    return (plot == drawing.BAR).all(axis=2).sum(axis=0)


def test_pictures_are_laid_out_in_rows_with_room_for_the_largest():
    sheet = drawing.grid([LabelledPicture(RED), LabelledPicture(GREY), LabelledPicture(RED)], 2)
    assert sheet.shape == (2 * 20 + drawing.GAP, 2 * 40 + drawing.GAP, 3)
    np.testing.assert_array_equal(sheet[:20, :30], RED)
    left = 40 + drawing.GAP
    assert (sheet[:10, left : left + 40] == 90).all()
    np.testing.assert_array_equal(sheet[20 + drawing.GAP :, :30], RED)
    assert (sheet[:20, 30:left] == drawing.PAPER).all()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("kernel 5\u00d75, 2\u20134 px", "kernel 5x5, 2-4 px"),
        ("Stra\u00dfe, cafe\u0301, \u00f1", "Strasse, cafe, n"),
        ("\u732b \U0001f600.png", "? ?.png"),
        ("plain (text) 100 %", "plain (text) 100 %"),
    ],
)
def test_letters_that_the_font_lacks_are_spelt(line, shown):
    assert drawing.drawable(line) == shown
    np.testing.assert_array_equal(drawing.text(line, 300), drawing.text(shown, 300))


def test_captions_are_below_their_pictures_and_never_beside():
    sheet = drawing.grid(
        [LabelledPicture(RED, "many more words than thirty px can hold"), LabelledPicture(RED)], 2
    )
    np.testing.assert_array_equal(sheet[:20, :30], RED)
    assert (sheet[20:, :30] < 128).any()
    assert (sheet[20:, 30:] == drawing.PAPER).all()


def test_a_page_holds_its_panels_unchanged():
    page = drawing.page("Title", "a note " * 60, [RED, drawing.beside([RED, GREY])])
    assert page.dtype == np.uint8
    bottom = page[-drawing.MARGIN - 20 : -drawing.MARGIN, drawing.MARGIN :]
    np.testing.assert_array_equal(bottom[:, :30], RED)
    assert (bottom[:10, 30 + drawing.GAP : 70 + drawing.GAP] == 90).all()
    for edge in (page[: drawing.MARGIN], page[:, : drawing.MARGIN], page[:, -drawing.MARGIN :]):
        assert (edge == drawing.PAPER).all()


def test_text_that_does_not_fit_is_cut_and_paragraphs_are_broken():
    assert drawing.text("x" * 500, 100).shape[1] == 100
    one, two = drawing.paragraph("word", 100), drawing.paragraph("word " * 25, 100)
    assert len(two) > 3 * len(one)
    assert two.shape[1] == 100


def test_lines_are_filled_and_words_kept():
    sentence = " ".join(["photograph"] * 40)
    lines = drawing.wrapped(sentence, 300)
    assert " ".join(lines) == sentence
    assert all(200 < drawing._width(line, drawing.LABEL) <= 300 for line in lines[:-1])
    assert drawing.wrapped("w" * 99, 300) == ["w" * 99]


def test_a_column_has_its_left_sides_level_and_a_margin():
    column = drawing.below([GREY, RED], gap=4, margin=3)
    assert column.shape == (10 + 4 + 20 + 6, 40 + 6, 3)
    np.testing.assert_array_equal(column[17:37, 3:33], RED)
    column[17:37, 3:33] = column[3:13, 3:43] = drawing.PAPER
    assert (column == drawing.PAPER).all()


def test_curves_go_through_their_points():
    red, blue = (200, 0, 0), (0, 0, 200)
    plot = drawing.curves([0, 10, 20], {"one": ([0, 1, 1], red), "two": ([0.5, 0.5, 0.5], blue)})
    left, top, right, bottom = drawing.FRAME
    height, width = plot.shape[0] - top - bottom, plot.shape[1] - left - right
    for x, y, ink in ((0.125, 0.25, red), (0.75, 1, red), (0.75, 0.5, blue)):
        place = round(top + height * (1 - y)), round(left + width * x)
        assert plot[place].tolist() == pytest.approx(ink, abs=60)  # slopes have soft edges


@pytest.mark.parametrize(
    ("span", "marks", "step"),
    [(1, 10, 0.1), (9, 10, 1), (11, 10, 2), (35, 10, 5), (100, 4, 50), (0.03, 4, 0.01)],
)
def test_steps_are_round(span, marks, step):
    assert drawing.nice_step(span, marks) == pytest.approx(step)


def test_bars_are_as_high_as_their_shares():
    values = [1.0] * 30 + [5.0] * 60 + [9.0] * 10
    plot = drawing.histogram(values, "px", span=(0, 10), step=1, bins=10, size=(312, 600))
    heights = bars(plot)
    inner = np.split(heights[drawing.FRAME[0] : 600 - drawing.FRAME[2]], 10 * [528 // 10])[0]
    assert len(inner)
    per_bin = [heights[round(56 + 52.8 * (n + 0.5))] for n in range(10)]
    # 200 px for 60 %, the highest mark.
    assert per_bin == pytest.approx([0, 100, 0, 0, 0, 200, 0, 0, 0, 33], abs=1.5)


def test_values_beyond_the_span_count_at_its_ends():
    plot = drawing.histogram([-5.0, 50.0], "px", span=(0, 10), step=5, bins=2, size=(312, 600))
    heights = bars(plot)
    assert heights[100] == heights[500] > 0


@pytest.mark.parametrize("values", [[0.0], [7.0] * 5, [0.0, 1e-12], [1e6, 1e6 + 1], [-3.0, 4.0]])
def test_any_values_make_a_histogram(values):
    plot = drawing.histogram(values, "px")
    assert plot.shape == (280, 600, 3)
    assert bars(plot).any()
    np.testing.assert_array_equal(drawing.histogram(values, "px"), plot)
