"""Compilation of kernels, with a cache that outlives the process wherever one can be written.

A kernel is plain Python over numpy arrays and scalars; `NUMBA_DISABLE_JIT=1` runs it as such, to
the same result. It is compiled on its first call, a second or less each, and read from the cache
ever after.
"""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def kernel(function: Kernel) -> Kernel:
    """Compile what Python code calls; results are cached on disk.

    The cache lies beside the source or, where that cannot be written, in the user's cache folder
    (or in `NUMBA_CACHE_DIR`). Where neither can be written, every process compiles for itself.
    """
    stamped = _stamped(function)
    try:
        return _jit(stamped, cache=True)
    except RuntimeError:  # numba found no folder to write to
        return _jit(stamped)


def inner(function: Kernel) -> Kernel:
    """Compile what only kernels call: it becomes part of them, and of their cache."""
    return _jit(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _jit(function: Kernel, **options: bool) -> Kernel:
    """`function` compiled on its first call. No kernel divides by what may be zero."""
    compiler: Any = numba.njit  # its types do not know of all options
    compiled: Kernel = compiler(nogil=True, error_model="numpy", **options)(function)
    return compiled


def _stamped(function: Kernel) -> Kernel:
    """`function` with a closure that holds a digest of all kernels.

    numba looks for changes in the file of a function only, not in those of the functions it
    calls; what a closure holds is part of the cache's key.
    """
    settings: Any = numba.config
    if settings.DISABLE_JIT:
        return function
    code = function.__code__.replace(co_freevars=("_sources",))
    stamped = types.FunctionType(
        code,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        (types.CellType(_sources()),),
    )
    return functools.wraps(function)(stamped)  # type: ignore[return-value]


@functools.cache
def _sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
