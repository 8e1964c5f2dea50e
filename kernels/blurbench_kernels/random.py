"""Named random streams: what a stream draws depends on its name alone."""

import hashlib
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence

Key = str | int | np.integer


def _encode(part: Key) -> bytes:
    """Type, length, text: no two different keys give the same bytes."""
    if isinstance(part, str):
        # surrogatepass: file names that are not UTF-8 reach Python with lone surrogates.
        kind, text = b"s", part.encode("utf-8", "surrogatepass")
    elif isinstance(part, int | np.integer) and not isinstance(part, bool):
        # Hexadecimal: str() refuses integers over 4300 digits.
        kind, text = b"i", format(int(part), "x").encode()
    else:
        raise TypeError(f"a stream is named by strings and integers, not {type(part).__name__}")
    return kind + str(len(text)).encode() + b":" + text


class _Name(ISeedSequence):
    """Hands Philox its key. Philox(key=...) first asks the system for entropy: 9 us against 2."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> np.ndarray:
        """The 128 bits as two words."""
        return np.frombuffer(self.digest, "<u8")[:n_words].astype(dtype)


def stream(*key: Key) -> np.random.Generator:
    """The generator named by `key`: Philox4x64 under the 128-bit blake2b of the whole key.

    Streams of different keys are independent, in whatever order or process they are opened
    (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011). TypeError for parts that
    are neither strings nor integers; 1 and "1" are different names.
    """
    digest = hashlib.blake2b(b"".join(map(_encode, key)), digest_size=16).digest()
    # NumPy takes any ISeedSequence; its type stubs know one alone.
    return np.random.Generator(np.random.Philox(_Name(digest)))  # type: ignore[arg-type]
