"""The one place with numba options."""

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def jit(function: Kernel) -> Kernel:
    """Compile a kernel of plain loops; with NUMBA_DISABLE_JIT=1 the function itself.

    A kernel calls only kernels of its own file: numba's cache notices no other file's change.
    """
    # No fastmath and no parallel: both change the order of additions, and pixels must not depend on
    # the machine or on the number of threads.
    return _compile(function, fastmath=False)


def jit_rough(function: Kernel) -> Kernel:
    """`jit` for sums that only tell which rounding is beyond doubt: a x + b may be rounded once.

    Where the processor can, it then is; so never for a value that is handed on.
    """
    return _compile(function, fastmath={"contract"})


def _compile(function: Kernel, fastmath: Any) -> Kernel:
    # nogil: threads of a caller may share the cores.
    # The numpy error model drops the zero test before each division, which would block SIMD.
    compiled: Any = numba.njit(nogil=True, error_model="numpy", fastmath=fastmath)(function)
    if compiled is not function:
        # Cached: compiling takes 5-10 s, and every worker process would pay it again. Numba writes
        # its cache files under temporary names and renames them, so that processes may race
        # (tests/kernels/test_jit_cache.py). Where no folder can be written it raises: uncached.
        with contextlib.suppress(RuntimeError):
            compiled.enable_caching()
    out: Kernel = compiled
    return out
