"""What is known of a file from outside that a preset, metric, teacher or converter may want."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Url:
    """A file, or a .zip, behind http or https."""

    address: str

    def __str__(self) -> str:
        """The address."""
        return self.address


@dataclass(frozen=True)
class Pypi:
    """A wheel, by what pip calls it."""

    requirement: str

    def __str__(self) -> str:
        """As one says it."""
        return f"PyPI: {self.requirement}"


@dataclass(frozen=True)
class Npm:
    """A package of npm, as NAME@VERSION."""

    package: str

    def __str__(self) -> str:
        """As one says it."""
        return f"npm: {self.package}"


@dataclass(frozen=True)
class Page:
    """Where a person finds it: behind a form, a consent or a page of a drive."""

    address: str

    def __str__(self) -> str:
        """The address."""
        return f"by hand: {self.address}"


Origin = Url | Pypi | Npm | Page


@dataclass(frozen=True)
class Outside:
    """A file, or a few that belong together, that blurbench does not hold."""

    what: str  # it is for
    licence: str  # and terms, as its makers state them
    origin: Origin
    place: str  # a key of places.PLACES
    files: tuple[str, ...]  # below that place
    megabytes: float = 0.0  # of the download; 0: not known
    # Of the download, or as many of its first digits as its maker writes into the name.
    sha256: str = ""
    tried: bool = False  # whether anybody of ours has fetched it; else the address is as published
    members: tuple[str, ...] = ()  # the files in an archive, by the ends of their paths
    use: str = ""  # words of the command line that take it


@dataclass(frozen=True)
class Shipped:
    """Weights of our own that lie in the package: weights/data/FILE."""

    title: str
    model: str
    preset: str
    config: dict[str, object]  # fields that are not the preset's
    sha256: str  # of the file; empty: not made yet
    file: str
    card: str  # a page on its data, terms, digests and limits
