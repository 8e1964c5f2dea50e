"""The table of an S3-tree's nodes."""

from blurbench.scoring.nodes import NodeAccuracy, as_text


def test_a_node_is_a_line_in_percent(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    rows = [
        NodeAccuracy("Subj1", 10, 0.5, 0.25, 8, 0.125, 1.0),
        NodeAccuracy("Obj2", 10, 1.0, 1.0, 0, None, None),
    ]
    heading, first, second = as_text(rows).splitlines()
    assert heading.split("  ")[0] == "node"
    assert first.split() == ["Subj1", "10", "50.0", "25.0", "8", "12.5", "100.0"]
    assert second.split() == ["Obj2", "10", "100.0", "100.0", "0", "n/a", "n/a"]
    assert len({len(line) for line in (heading, first, second)}) == 1  # numbers on the right
