"""Which file names mean the same picture, where nobody agreed on how to write them."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from posixpath import splitext

# What folders and suffixes say of a role, and never of a picture.
# fmt: off
ROLES = frozenset({
    "blur", "blurred", "blurry", "deblur", "deblurred", "fake", "gt", "image", "images", "input",
    "inputs", "lq", "hq", "output", "outputs", "pred", "predicted", "prediction", "real", "res",
    "restored", "result", "results", "sharp", "target", "test",
})
# fmt: on
MANY = 100_000  # names that are taken apart once for all readings; some 30 MB

Token = tuple[str, int]  # a part of a name, and which of its kind it is, from the left
Tokens = tuple[Token, ...]
Reading = Callable[[str], Sequence[str]]  # a name -> the keys that it could mean


@dataclass(frozen=True)
class MatchedNames:
    """What names mean, and which of them mean nothing, or too much."""

    names: dict[str, str] = field(default_factory=dict)  # key -> the one name that means it
    doubled: dict[str, list[str]] = field(default_factory=dict)  # key -> the names that all do
    unclear: dict[str, list[str]] = field(default_factory=dict)  # name -> the keys it could mean
    strays: list[str] = field(default_factory=list)  # names that mean no key


def match_names(wanted: Mapping[str, Sequence[str]], names: Iterable[str]) -> MatchedNames:
    """Which of `names` means which key of `wanted`: key -> what it is called, the best first.

    Names are paths; extensions, letter case and the kind of separator do not count. A name means a
    key where it has every part that tells this key from the others, in order; more may stand
    around them, such as an experiment's suffix. It may lack folders where what is left means one
    key alone and nothing stands in their place. Where a stricter reading finds a key's name,
    others that mean it too are strays.
    """
    left = list(dict.fromkeys(names))
    taken: dict[str, list[str]] = {}
    unclear: dict[str, Sequence[str]] = {}
    for reading in _readings(wanted, left):
        if not left:
            break
        found: dict[str, list[str]] = defaultdict(list)
        for name in left:
            keys = reading(name)
            if len(keys) == 1:
                found[keys[0]].append(name)
            elif keys:
                unclear.setdefault(name, keys)
        taken |= (new := {key: meant for key, meant in found.items() if key not in taken})
        used = {name for meant in new.values() for name in meant}
        left = [name for name in left if name not in used]
    return MatchedNames(
        {key: meant[0] for key, meant in taken.items() if len(meant) == 1},
        {key: meant for key, meant in taken.items() if len(meant) > 1},
        {name: sorted(unclear[name]) for name in left if name in unclear},
        [name for name in left if name not in unclear],
    )


def _readings(wanted: Mapping[str, Sequence[str]], names: Sequence[str]) -> Iterator[Reading]:
    """The ways to read a name, the strictest first."""
    most = max(map(len, wanted.values()), default=0)
    ways = [{key: each[at] for key, each in wanted.items() if at < len(each)} for at in range(most)]
    paths = [_Paths({key: path_of(called) for key, called in way.items()}) for way in ways]
    yield from (each.exact for each in paths)
    yield from (each.ending for each in paths)
    # "7" is "0007" only where nothing else is: GoPro has a sequence 11 and a frame 000011.
    for split in (parts_of, numbers_of):
        constant = _constant([split(name) for name in names])
        for way in ways:
            told = _Parts({key: split(called) for key, called in way.items()}, split, constant)
            yield from (told.whole, told.whole_but_constant, told.some)


def path_of(name: str) -> str:
    """A path in one spelling, without its extension: "Results\\A\\01.PNG" is "results/a/01"."""
    path = name.replace("\\", "/").removeprefix("./").strip("/").casefold()
    stem, suffix = splitext(path)
    return stem if re.fullmatch(r"\.[a-z]\w{0,4}", suffix) else path


@lru_cache(MANY)
def parts_of(name: str) -> Tokens:
    """What stands between separators in a name, numbered by kind."""
    return _numbered(re.split(r"[/_\-\s]+", path_of(name)))


@lru_cache(MANY)
def numbers_of(name: str) -> Tokens:
    """`parts_of`, with numbers in their shortest form."""
    return _numbered(
        part.lstrip("0") or "0" if part.isdigit() else part for part, _ in parts_of(name)
    )


def _numbered(parts: Iterable[str]) -> Tokens:
    seen: Counter[str] = Counter()
    tokens = []
    for part in filter(None, parts):
        tokens.append((part, seen[part]))
        seen[part] += 1
    return tuple(tokens)


def _constant(names: Sequence[Tokens]) -> frozenset[Token]:
    """The parts that all of several names have; of a single name nobody can tell."""
    return frozenset.intersection(*map(frozenset, names)) if len(names) > 1 else frozenset()


class _Paths:
    """Names as paths: the same path, or the end of one."""

    def __init__(self, called: Mapping[str, str]) -> None:
        self.keys = _grouped((path, key) for key, path in called.items())
        self.ends = _grouped((end, key) for key, path in called.items() for end in _ends(path))

    def exact(self, name: str) -> Sequence[str]:
        return self.keys.get(path_of(name), ())

    def ending(self, name: str) -> Sequence[str]:
        """The name is an end of a key's path, or the other way round."""
        path = path_of(name)
        longest = next((self.keys[end] for end in _ends(path) if end in self.keys), ())
        return self.ends.get(path, ()) or longest


class _Parts:
    """Names as parts: those that tell the keys apart, in order."""

    def __init__(
        self,
        called: Mapping[str, Tokens],
        split: Callable[[str], Tokens],
        constant: frozenset[Token],
    ) -> None:
        self.split = split
        self.shared = _constant(list(called.values()))  # by the keys
        self.constant = constant  # in the names
        self.own = {key: self._without(tokens, self.shared) for key, tokens in called.items()}
        self.telling = {token for tokens in self.own.values() for token in tokens}
        self.known = {part for part, _ in self.telling | self.shared} | ROLES
        self.keys = _grouped((tokens, key) for key, tokens in self.own.items())
        self.by_last = _grouped((tokens[-1], key) for key, tokens in self.own.items() if tokens)

    @staticmethod
    def _without(tokens: Tokens, these: Iterable[Token]) -> Tokens:
        return tuple(each for each in tokens if each not in these and each[0] not in ROLES)

    def whole(self, name: str) -> Sequence[str]:
        """The key whose telling parts are all there."""
        return self._whole(self.split(name), frozenset())

    def whole_but_constant(self, name: str) -> Sequence[str]:
        """The same where a part of all names looks like one that tells: "_20" of an epoch."""
        return self._whole(self.split(name), self.constant)

    def _whole(self, tokens: Tokens, dropped: frozenset[Token]) -> Sequence[str]:
        telling = tuple(each for each in tokens if each in self.telling and each not in dropped)
        keys = self.keys.get(telling, ()) if telling else ()
        return keys if keys and not self._denied(tokens) else ()

    def _denied(self, tokens: Tokens) -> bool:
        """Whether the name says something else where all keys say the same: another sequence."""
        there = {part for part, _ in tokens}
        unknown = {_kind(part) for part in there - self.known}
        return any(_kind(part) in unknown for part, _ in self.shared if part not in there | ROLES)

    def some(self, name: str) -> Sequence[str]:
        """The key whose telling parts end with those of the name, and nothing stands for others."""
        tokens = self.split(name)
        at = [number for number, each in enumerate(tokens) if each in self.telling]
        if not at:
            return ()
        telling = [tokens[number] for number in at]
        strange = [each for each in tokens if each[0] not in self.known]
        behind = set(tokens[at[-1] :]) & self.constant
        if any(each not in behind for each in strange) or self._denied(tokens):
            return ()
        return [key for key in self.by_last.get(telling[-1], ()) if _within(telling, self.own[key])]


def _kind(part: str) -> str:
    """What names of one kind share: "gopr#" of GOPR0384."""
    return re.sub(r"\d+", "#", part)


def _within(some: Sequence[Token], all_of: Iterable[Token]) -> bool:
    """Whether these stand in `all_of`, in this order."""
    rest = iter(all_of)
    return all(each in rest for each in some)


def _ends(path: str) -> Iterator[str]:
    """The path, and what is left of it without its first folders."""
    while path:
        yield path
        path = path.partition("/")[2]


def _grouped(pairs: Iterable[tuple[object, str]]) -> Mapping[object, list[str]]:
    groups: dict[object, list[str]] = defaultdict(list)
    for group, key in pairs:
        groups[group].append(key)
    return dict(groups)
