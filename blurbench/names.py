"""Which file names mean the same picture, where nobody agreed on how to write them."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import splitext

# What folders and suffixes say of a role, and never of a picture.
# fmt: off
ROLES = frozenset({
    "blur", "blurred", "blurry", "deblur", "deblurred", "fake", "gt", "image", "images", "input",
    "inputs", "lq", "hq", "output", "outputs", "pred", "predicted", "prediction", "real", "res",
    "restored", "result", "results", "sharp", "target", "test",
})
# fmt: on
FRAMES = 100_000  # smaller numbers count the frames of a video: another has the same
SEPARATORS = re.compile(r"[/_\-\s]+")

NamePart = tuple[str, int]  # a part of a name, and which of its kind it is, from the left
NameParts = tuple[NamePart, ...]
KeysOfName = Callable[[str], Sequence[str]]  # `path_of` a name -> the keys that it could mean


@dataclass(frozen=True)
class MatchedNames:
    """What names mean, and which of them mean nothing, or too much."""

    names: dict[str, str] = field(default_factory=dict)  # key -> the one name that means it
    doubled: dict[str, list[str]] = field(default_factory=dict)  # key -> the names that all do
    unclear: dict[str, list[str]] = field(default_factory=dict)  # name -> the keys it could mean
    strays: list[str] = field(default_factory=list)  # names that mean no key
    loose: list[str] = field(default_factory=list)  # of those with a key: read by parts alone


def match_names(wanted: Mapping[str, Sequence[str]], names: Iterable[str]) -> MatchedNames:
    """Which of `names` means which key of `wanted`: key -> what it is called, the best first.

    Names are paths; extensions, letter case and the kind of separator do not count. A name means a
    key where it has every part that tells this key from the others, in order; more may stand
    around them, such as an experiment's suffix. It may lack folders where what is left means one
    key alone and nothing stands in their place, or where no other key has this file name. Where a
    stricter reading finds a key's name, others that mean it too are strays.
    """
    matching = _Matching(wanted, list(dict.fromkeys(names)))
    most = max(map(len, wanted.values()), default=0)
    called = [
        {key: each[at] for key, each in wanted.items() if at < len(each)} for at in range(most)
    ]
    for way in called:
        matching.take_files(way)
    ways = [{key: path_of(name) for key, name in way.items()} for way in called]
    paths = [_Paths(way) for way in ways]
    for reading in (*(each.exact for each in paths), *(each.ending for each in paths)):
        matching.take(reading, matching.left)
    # "7" is "0007" only where nothing else is: GoPro has a sequence 11 and a frame 000011.
    for split in (parts_of, numbers_of):
        matching.take_parts(ways, split)
    return matching.result()


class _Matching:
    """What was found so far, the strictest readings first."""

    def __init__(self, wanted: Mapping[str, Sequence[str]], names: list[str]) -> None:
        self.wanted, self.left = wanted, names
        self.paths = {name: path_of(name) for name in names}
        self.taken: dict[str, list[str]] = {}
        self.unclear: dict[str, Sequence[str]] = {}
        self.loose: list[str] = []

    def take_files(self, way: Mapping[str, str]) -> None:
        """The names that are a key's file, extension included."""
        keys = _grouped((spelled(name), key) for key, name in way.items())
        self.take(lambda name: keys.get(spelled(name), ()), self.left, whole=True)

    def take(self, reading: KeysOfName, among: Iterable[str], *, whole: bool = False) -> None:
        """Give the names that mean one key to it, unless a stricter reading found another."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in among:
            keys = reading(name if whole else self.paths[name])
            if len(keys) == 1:
                found[keys[0]].append(name)
            elif keys:
                self.unclear.setdefault(name, keys)
        new = {key: meant for key, meant in found.items() if key not in self.taken}
        self.taken |= new
        used = {name for meant in new.values() for name in meant}
        self.left = [name for name in self.left if name not in used]

    def take_parts(
        self, ways: Sequence[Mapping[str, str]], split: Callable[[str], NameParts]
    ) -> None:
        """The same by the parts of names."""
        open_keys = self.wanted.keys() - self.taken
        if not open_keys or not self.left:
            return
        before = self.left
        constant = _constant(map(split, self.paths.values()))
        for way in ways:
            parts = _Parts(way, split, constant)
            # A list may name 200,000 pictures of which a few are here, and all but one are found.
            ends = {parts.own[key][-1] for key in open_keys & way.keys() if parts.own[key]}
            for reading in (parts.whole, parts.whole_but_constant, parts.some, parts.file):
                self.take(
                    reading, [n for n in self.left if not ends.isdisjoint(split(self.paths[n]))]
                )
        left = set(self.left)
        self.loose += [name for name in before if name not in left]

    def result(self) -> MatchedNames:
        """In the words of `MatchedNames`."""
        return MatchedNames(
            {key: meant[0] for key, meant in self.taken.items() if len(meant) == 1},
            {key: meant for key, meant in self.taken.items() if len(meant) > 1},
            {name: sorted(self.unclear[name]) for name in self.left if name in self.unclear},
            [name for name in self.left if name not in self.unclear],
            self.loose,
        )


def path_of(name: str) -> str:
    """A path in one spelling, without its extension: "Results\\A\\01.PNG" is "results/a/01"."""
    path = spelled(name)
    stem, suffix = splitext(path)
    return stem if re.fullmatch(r"\.[a-z]\w{0,4}", suffix) else path


def spelled(name: str) -> str:
    """A path in one spelling; accents too, which macOS writes apart from their letters."""
    plain = name if name.isascii() else unicodedata.normalize("NFC", name)
    return plain.replace("\\", "/").removeprefix("./").strip("/").casefold()


def parts_of(path: str) -> NameParts:
    """What stands between separators in a path, numbered by kind."""
    return _numbered(SEPARATORS.split(path))


def numbers_of(path: str) -> NameParts:
    """`parts_of`, with numbers in their shortest form."""
    return _numbered(
        part.lstrip("0") or "0" if part.isdigit() else part for part, _ in parts_of(path)
    )


def _numbered(parts: Iterable[str]) -> NameParts:
    seen: Counter[str] = Counter()
    tokens = []
    for part in filter(None, parts):
        tokens.append((part, seen[part]))
        seen[part] += 1
    return tuple(tokens)


def _constant(names: Iterable[NameParts]) -> frozenset[NamePart]:
    """The parts that all of several names have; of a single name nobody can tell."""
    count, shared = 0, frozenset[NamePart]()
    for tokens in names:
        shared = shared.intersection(tokens) if count else frozenset(tokens)
        count += 1
    return shared if count > 1 else frozenset()


class _Paths:
    """Names as paths: the same path, or the end of one."""

    def __init__(self, called: Mapping[str, str]) -> None:
        self.keys = _grouped((path, key) for key, path in called.items())
        self.ends = _grouped((end, key) for key, path in called.items() for end in _ends(path))

    def exact(self, path: str) -> Sequence[str]:
        return self.keys.get(path, ())

    def ending(self, path: str) -> Sequence[str]:
        """It is an end of a key's path, or the other way round."""
        longest = next((self.keys[end] for end in _ends(path) if end in self.keys), ())
        return self.ends.get(path, ()) or longest


class _Parts:
    """Names as parts: those that tell the keys apart, in order."""

    def __init__(
        self,
        called: Mapping[str, str],
        split: Callable[[str], NameParts],
        constant: frozenset[NamePart],
    ) -> None:
        self.split = split
        tokens_of = {key: split(path) for key, path in called.items()}
        self.shared = _constant(tokens_of.values())  # by the keys
        self.constant = constant  # in the names
        self.own = {key: self._without(tokens, self.shared) for key, tokens in tokens_of.items()}
        self.telling = {token for tokens in self.own.values() for token in tokens}
        names = {key: path.rpartition("/")[2] for key, path in called.items()}
        self.files = _grouped((name, key) for key, name in names.items())
        shared = _constant(map(split, names.values()))
        self.file_parts = {part for part, _ in shared} - ROLES  # that all their files' names have
        self.known = {part for part, _ in self.telling | self.shared} | ROLES
        self.keys = _grouped((tokens, key) for key, tokens in self.own.items())
        self.by_last = _grouped((tokens[-1], key) for key, tokens in self.own.items() if tokens)

    @staticmethod
    def _without(tokens: NameParts, these: Iterable[NamePart]) -> NameParts:
        return tuple(each for each in tokens if each not in these and each[0] not in ROLES)

    def whole(self, path: str) -> Sequence[str]:
        """The key whose telling parts are all there."""
        return self._whole(path, frozenset())

    def whole_but_constant(self, path: str) -> Sequence[str]:
        """The same where a part of all names looks like one that tells: "_20" of an epoch."""
        return self._whole(path, self.constant)

    def _whole(self, path: str, dropped: frozenset[NamePart]) -> Sequence[str]:
        tokens = self.split(path)
        telling = tuple(each for each in tokens if each in self.telling and each not in dropped)
        keys = self.keys.get(telling, ()) if telling else ()
        return keys if keys and not self._denied(path) else ()

    def _denied(self, path: str) -> bool:
        """Whether the name says something else where all keys say the same: another sequence."""
        there = {part for part, _ in self.split(path)}
        unknown = {_kind(part) for part in there - self.known}
        if any(_kind(part) in unknown for part, _ in self.shared if part not in there | ROLES):
            return True
        # "b.png" in a folder of "a.png": a file name that is another one, and no longer one.
        file = {part for part, _ in self.split(path.rpartition("/")[2])}
        return not file <= self.known and not self.file_parts <= file

    def some(self, path: str) -> Sequence[str]:
        """The key whose telling parts end with those of the name, and nothing stands for others."""
        tokens = self.split(path)
        at = [number for number, each in enumerate(tokens) if each in self.telling]
        if not at:
            return ()
        telling = [tokens[number] for number in at]
        strange = [each for each in tokens if each[0] not in self.known]
        behind = set(tokens[at[-1] :]) & self.constant
        if any(each not in behind for each in strange) or self._denied(path):
            return ()
        return [key for key in self.by_last.get(telling[-1], ()) if _within(telling, self.own[key])]

    def file(self, path: str) -> Sequence[str]:
        """The only key with this file name, unless it only counts or its folder is another's."""
        name = path.rpartition("/")[2]
        keys = self.files.get(name, ())
        parts = [part for part, _ in self.split(name) if part not in ROLES]
        own = [part for part in parts if (part, 0) not in self.shared]
        counts = all(part.isdigit() and int(part) < FRAMES for part in own)
        elsewhere = any(self._elsewhere(path, key) for key in keys)
        return () if counts or elsewhere or self._denied(path) else keys

    def _elsewhere(self, path: str, key: str) -> bool:
        """Whether it lies where other keys do, or in a folder of the kind that the key's is."""
        own = {part for part, _ in self.own[key]}
        there = {part for part, _ in self.split(path)}
        lacking = {_kind(part) for part in own - there}
        others = {part for part, _ in self.telling} - own
        return any(part in others or _kind(part) in lacking for part in there - own - ROLES)


def _kind(part: str) -> str:
    """What names of one kind share: "gopr#" of GOPR0384."""
    return re.sub(r"\d+", "#", part)


def _within(some: Sequence[NamePart], all_of: Iterable[NamePart]) -> bool:
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
