"""Where a data set lies: a folder here, or objects behind a URL, under the same names."""

import posixpath
import re
from pathlib import Path, PurePosixPath

from blurbench.stores.folder import Folder
from blurbench.stores.remote import Remote
from blurbench.stores.store import Store

Place = Path | str  # a folder, or the URL of one


def is_url(spec: object) -> bool:
    """Whether this is a URL such as s3://bucket/set or file:///data/set, and no path."""
    return isinstance(spec, str) and "://" in spec


def open_store(place: Place | Store) -> Store:
    """The store at a path or URL; nothing is read, and no connection made, before it is used.

    A store is given back as it is.
    """
    if not isinstance(place, Path | str):
        return place
    return Remote(str(place)) if is_url(place) else Folder(Path(place))


def base_name(place: Place) -> str:
    """The last part of a path or URL."""
    return _plain(place).name


def lies_in(inner: Place, outer: Place) -> bool:
    """Whether the folder or URL `inner` is `outer`, or lies below it."""
    return _plain(inner).is_relative_to(_plain(outer))


def _plain(place: Place) -> PurePosixPath:
    text = re.sub("^(file|local)://", "", str(place))
    # A URL becomes a relative path, which no absolute one contains.
    plain = posixpath.normpath(text) if is_url(text) else Path(text).resolve()
    return PurePosixPath(plain)
