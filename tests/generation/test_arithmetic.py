import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from wonderzoom.generation.arithmetic import sums_in_order


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_products_run_on_one_thread_and_then_on_as_many_as_before() -> None:
    assert (np.ones((2, 2)) @ np.ones((2, 2))).sum() == 8.0  # BLAS is loaded
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with sums_in_order():
            assert blas_threads() == {1}
        assert blas_threads() == before


def test_a_product_is_the_same_whatever_was_allowed_outside() -> None:
    rng = np.random.default_rng(0)
    a, b = (
        rng.standard_normal((20_011, 37)).astype(np.float32),
        rng.standard_normal((37, 12)).astype(np.float32),
    )
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads, user_api="blas"), sums_in_order():
            found.append(a @ b)
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
