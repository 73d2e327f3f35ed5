"""Compiles kernels into numba's cache before the tests begin: `python compiled_kernels.py drawing` or `zooming`.

Otherwise each worker, and each program that a test starts, compiles what it meets first for itself. The two halves take
about as long as each other, so that both cores have work.
"""

import sys


def drawing() -> None:
    from wonderzoom.runtime.renderers import coverage_kernels, selection_kernels
    from wonderzoom.runtime.renderers.cpu import CpuRenderer
    from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter

    with CpuRenderer(1) as renderer:
        renderer.warm_up(print)
    CpuFitter(1).warm_up()
    CpuFitter(1, "float64").warm_up()  # a test compares
    coverage_kernels.warm_up()
    selection_kernels.warm_up()


def zooming() -> None:
    from wonderzoom.generation.embedded import generator

    generator.warm_up()


if __name__ == "__main__":
    {"drawing": drawing, "zooming": zooming}[sys.argv[1]]()
