"""Seeded damage to valid files: what a rotten disk does, and what a malicious hand would.

Where a format has checksums or packing, damage is also done below them: a mutated chunk of a PNG
gets its CRC, a member of a zip or gzip is packed again, the header of safetensors its length.
"""

import gzip
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence

Mutation = Callable[[bytes, random.Random, Sequence[bytes]], bytes]

DEEP = 20_000  # far over Python's limit of recursion
# What readers forget: as JSON, TOML and CSV could have them.
TOKENS = (
    *(b"", b"0", b"-1", b"1", b"2", b"true", b"null", b"NaN", b"-Infinity", b"1e999", b"1e-999"),
    *(b"0.1", b"1e3", b"4294967296", b"9223372036854775808", b"-9223372036854775809"),
    *(b"9" * 5000, b"1" + b"0" * 400, b"[]", b"{}", b'""', b'"a"', b"[[[]]]", b"[null]"),
    *(b"[" * DEEP, b'{"a":' * DEEP, b"\\u0000", b'"\\u0000"', b'"\\ud800"', b"\\ud800"),
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\n", b",", b'"', b"'", b"\\"),
    *(b"../../../../etc/passwd", b"/etc/passwd", b'"/dev/zero"', b"=1+1", b"<script>", b"a" * 9999),
    *(b"inf", b"nan", b"0x10", b"1_000", b"1979-05-27", b'"2"', b"[1, [2]]", b'{"": {"": 0}}'),
)
PIECE = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[-+.\w]+|[\[\]{}:,=\n]')
NUMBERS = (0, 1, -1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)


def mutated(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """`data` with one to four kinds of damage; `others` may be spliced into it."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4))):
        data = chance.choice(_fitting(data))(data, chance, others)
    return data


def _fitting(data: bytes) -> list[Mutation]:
    found = [*ANY]
    for begins, mutation in FORMATS.items():
        if data.startswith(begins):
            found += [mutation] * len(ANY)
    if data[:4].isascii() and b"\0" not in data[:64]:
        found += [token] * len(ANY)
        if data[:1] in b"{[":
            found += [json_value] * len(ANY)
    if len(data) > 16 and data[8:9] == b"{":
        found += [safetensors] * len(ANY)
    return found


# Any bytes


def flip(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """One to eight bits."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8)) if out else 0):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def truncate(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """Cut at any place."""
    return data[: chance.randrange(len(data) + 1)]


def drop(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """Without a piece from its middle."""
    start, stop = _span(data, chance)
    return data[:start] + data[stop:]


def repeat(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """A piece several times."""
    start, stop = _span(data, chance)
    return data[:stop] + data[start:stop] * chance.choice((1, 2, 9)) + data[stop:]


def zero(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """A piece of zeros, or of ones: a sector that was never written."""
    start, stop = _span(data, chance)
    return data[:start] + chance.choice((b"\0", b"\xff")) * (stop - start) + data[stop:]


def splice(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """The beginning of it and the end of another file."""
    other = chance.choice(others)
    return truncate(data, chance, ()) + other[chance.randrange(len(other) + 1) :]


def insert(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """A token at any place."""
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice(TOKENS) + data[place:]


def number(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """Two, four or eight bytes become an odd number, of either order of bytes."""
    size, code = chance.choice(((1, "B"), (2, "H"), (4, "I"), (8, "Q")))
    value = chance.choice(NUMBERS) & (256**size - 1)
    packed = struct.pack(chance.choice("<>") + code, value)
    place = chance.randrange(len(data) + 1)
    return data[:place] + packed + data[place + size :]


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice((1, 2, 4, 16, 64, 256)))


ANY: tuple[Mutation, ...] = (flip, truncate, drop, repeat, zero, splice, insert, number)

# Text


def token(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """A word, number, text or sign of it becomes another token."""
    pieces = list(PIECE.finditer(data))
    if not pieces:
        return data
    place = chance.choice(pieces)
    new = chance.choice((*TOKENS, chance.choice(pieces)[0]))
    return data[: place.start()] + new + data[place.end() :]


def json_value(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """Valid JSON of the wrong kind: any value of it becomes another, or goes, or comes twice."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    parent = {"": document}
    places = list(_places(parent))
    holder, key = chance.choice(places)
    if chance.random() < 0.2 and isinstance(holder, dict) and holder is not parent:
        del holder[key]
    else:
        holder[key] = chance.choice((*VALUES, holder[key], document))
    try:
        return json.dumps(parent[""]).encode()
    except (ValueError, RecursionError):  # a document in itself
        return data


VALUES = (None, True, False, 0, -1, 1.5, 1e3, 2**63, -(2**63) - 1, 10**400, "", "a", "\0", "\ud800")
VALUES += ("a" * 9999, "../a", "\n", "1", float("nan"), float("inf"), [], {}, [None], [[]], {"": 1})


def _places(value: object):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key
            yield from _places(inner)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield value, place
            yield from _places(inner)


# Formats whose damage hides below a checksum or a packing


def png(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """One chunk damaged, its length and CRC right; pixels are damaged unpacked."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    if not chunks:
        return data
    which = chance.randrange(len(chunks))
    kind, content = chunks[which]
    if kind == b"IDAT" and chance.random() < 0.5:
        content = _below(content, chance, others, zlib.decompress, zlib.compress)
    else:
        content = chance.choice(ANY)(content, chance, others)
    chunks[which] = (kind, content)
    if chance.random() < 0.2:
        chunks.insert(chance.randrange(len(chunks) + 1), chance.choice(chunks))
    return data[:8] + b"".join(map(_chunk, chunks))


def _chunk(each: tuple[bytes, bytes]) -> bytes:
    body = b"".join(each)
    return struct.pack(">I", len(each[1])) + body + struct.pack(">I", zlib.crc32(body))


def _below(
    data: bytes,
    chance: random.Random,
    others: Sequence[bytes],
    unpack: Callable[[bytes], bytes],
    pack: Callable[[bytes], bytes],
) -> bytes:
    try:
        return pack(mutated(unpack(data), chance, others))
    except (zlib.error, OSError, EOFError):
        return data


def gzipped(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """What is in it damaged, and packed again."""
    return _below(data, chance, others, gzip.decompress, gzip.compress)


def zipped(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A member damaged, and all packed again."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as held:
            members = {name: held.read(name) for name in held.namelist()}
        name = chance.choice([*members])
        members[name] = mutated(members[name], chance, others)
        with io.BytesIO() as file:
            with zipfile.ZipFile(file, "w") as made:
                for each, content in members.items():
                    made.writestr(each, content)
            return file.getvalue()
    # Damage of before: whatever zipfile makes of it.
    except Exception:
        return data


def safetensors(data: bytes, chance: random.Random, _: Sequence[bytes]) -> bytes:
    """The header damaged, its length right."""
    (length,) = struct.unpack("<Q", data[:8])
    if length > len(data):
        return data
    header = chance.choice((token, json_value))(data[8 : 8 + length], chance, ())
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


FORMATS: dict[bytes, Mutation] = {b"\x89PNG": png, b"\x1f\x8b": gzipped, b"PK\x03\x04": zipped}
