"""METEOR 1.5 in one process that stays warm: reading its paraphrases takes 5 to 14 s."""

import atexit
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from blurbench.captions.java import Java, Missing, last_line, scorer_folder
from blurbench.captions.words import clean

SEPARATOR = "|||"  # of the jar's own lines
_warm: dict[tuple[int, Java, str], "Meteor"] = {}


class Meteor:
    """The jar's line by line dialogue: SCORE gives the statistics of a caption, EVAL the scores."""

    def __init__(self, java: Java, heap: str = "2G") -> None:
        """Start the process; `heap` bounds its memory, of which it takes 1.3 GB."""
        folder = scorer_folder("meteor")
        # Its warnings would fill a pipe that nobody reads.
        self.said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [
                *java.command([folder / "meteor-1.5.jar"], "Meteor", heap),
                *("-", "-", "-stdio", "-l", "en", "-norm"),
            ],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
        )

    def score(
        self, references: Sequence[Sequence[str]], hypotheses: Sequence[str], timeout: float
    ) -> tuple[float, list[float]]:
        """Over all images, and of each; raises Missing where the process fails or is too slow."""
        with self.lock, self._no_longer_than(timeout):
            statistics = [
                self._ask(line_of(several, caption))
                for several, caption in zip(references, hypotheses, strict=True)
            ]
            self._write(f" {SEPARATOR} ".join(["EVAL", *statistics]))
            each = [float(self._read()) for _ in hypotheses]
            return float(self._read()), each

    @contextmanager
    def _no_longer_than(self, seconds: float) -> Iterator[None]:
        late = threading.Event()

        def stop() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            yield
        except (OSError, ValueError) as error:
            self.close()
            why = f"more than {seconds:g} s" if late.is_set() else f"{error}; {self._last_words()}"
            raise Missing(f"METEOR: {why}") from None
        except BaseException:
            self.close()  # an answer may be on its way, which the next caption must not get
            raise
        finally:
            timer.cancel()

    def _ask(self, line: str) -> str:
        self._write(line)
        return self._read()

    def _write(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def _read(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise OSError("the process ended")
        return line.decode().strip()

    def _last_words(self) -> str:
        self.said.seek(0)
        return last_line(self.said.read().decode(errors="replace"))

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the process; nothing waits for it."""
        self.process.kill()
        self.process.wait()


def line_of(references: Sequence[str], hypothesis: str) -> str:
    """The question about one caption: a line break or separator in it would make two of it."""
    parts = [" ".join(clean(text).replace("|", " ").split()) for text in [*references, hypothesis]]
    return f" {SEPARATOR} ".join(["SCORE", *parts])


def warm(java: Java, heap: str = "2G") -> Meteor:
    """This process's Meteor, started where there is none or where it has ended."""
    key = (os.getpid(), java, heap)
    if key not in _warm or not _warm[key].alive:
        _warm[key] = Meteor(java, heap)
        atexit.register(_warm[key].close)
    return _warm[key]
