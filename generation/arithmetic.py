"""Sums in one order: a matrix product must not depend on how many threads BLAS has, nor a world on the machine's cores.

OpenBLAS cuts a product into as many parts as it has threads, and rounds the ends of parts otherwise than their
middles. Generation is deterministic to the bit (law of provenance), so its products run on one thread; what is
heavy in it has kernels with threads of their own.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def sums_in_order() -> Generator[None]:
    """Within, BLAS has one thread in this process; then as many as before."""
    with threadpool_limits(1, user_api="blas"):
        yield
