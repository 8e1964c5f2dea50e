"""No download unasked, whatever a package of others would do for want of a file."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any, NoReturn
from unittest.mock import patch


class Refused(Exception):
    """A download that was not begun: its address, and the file that it was to become."""

    def __init__(self, url: str, path: str) -> None:
        """path: empty where it is not known."""
        super().__init__(url)
        self.url, self.path = url, path


@contextmanager
def offline() -> Iterator[list[Refused]]:
    """Refuse what torch, pyiqa, CLIP and Hugging Face's hub would fetch; gives what they asked for.

    Not at the sockets, which other threads may need for a cluster.
    """
    import torch
    from pyiqa.utils import download_util

    refused: list[Refused] = []

    def refuse(url: Any, path: Any = "", *_: Any, **__: Any) -> NoReturn:
        refused.append(Refused(str(getattr(url, "full_url", url)), str(path)))
        raise refused[-1]

    with ExitStack() as patches:
        for module in (torch.hub, download_util):
            patches.enter_context(patch.object(module, "download_url_to_file", refuse))
        patches.enter_context(patch("urllib.request.urlopen", refuse))
        patches.enter_context(patch("requests.Session.request", lambda *_, url, **__: refuse(url)))
        if find_spec("huggingface_hub"):
            patches.enter_context(patch("huggingface_hub.constants.HF_HUB_OFFLINE", True))
        yield refused
