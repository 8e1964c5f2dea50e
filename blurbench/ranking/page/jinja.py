"""What the pages of a leaderboard and of a table made again share: templates, style, scripts."""

import base64
import hashlib
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from blurbench.words import counted


def templates() -> Environment:
    """The templates of the pages: values are escaped, and a name that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("blurbench.ranking.page"),
        # Names and notes come from others' files; Jinja itself does not escape.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = counted
    return environment


def joined(environment: Environment, names: Sequence[str]) -> tuple[str, str]:
    """Some style sheets or scripts as one, and the hash that a content security policy lists."""
    assert environment.loader is not None
    text = "\n".join(environment.loader.get_source(environment, name)[0] for name in names)
    digest = hashlib.sha256(text.encode()).digest()
    return text, "sha256-" + base64.b64encode(digest).decode()
