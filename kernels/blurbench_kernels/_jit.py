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
    # nogil: threads of a caller may share the cores. No fastmath and no parallel: both change the
    # order of additions, and pixels must not depend on the machine or on the number of threads.
    # The numpy error model drops the zero test before each division, which would block SIMD.
    compiled: Any = numba.njit(nogil=True, error_model="numpy")(function)
    if compiled is not function:
        # Cached: compiling takes 5-10 s, and every worker process would pay it again. Numba writes
        # its cache files under temporary names and renames them, so that processes may race
        # (tests/kernels/test_jit_cache.py). Where no folder can be written it raises: uncached.
        with contextlib.suppress(RuntimeError):
            compiled.enable_caching()
    out: Kernel = compiled
    return out
