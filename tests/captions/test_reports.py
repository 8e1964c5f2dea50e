"""Caption scores as CSV hold no formula of a spreadsheet, and all digits of a score."""

import csv
import io

from blurbench.captions.reports import printed
from blurbench.captions.scores import CaptionScores


def test_an_id_that_is_a_formula_is_text_to_a_spreadsheet() -> None:
    rows = [{"id": "=1+1\r", "CIDEr": 0.123456789, "METEOR": None}]
    found = CaptionScores(images=1, rows=rows)
    (line,) = csv.DictReader(io.StringIO(printed(found, "csv"), newline=""))
    assert line == {"id": "'=1+1\n", "CIDEr": "0.123456789", "METEOR": "n/a"}
