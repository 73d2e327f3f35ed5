"""The machine's own line has what numbers depend on."""

import importlib.metadata
import platform

from wonderzoom.runtime.evaluation.machine import PACKAGES, cpu_name, machine, peak_megabytes


def test_the_line_names_processor_and_versions() -> None:
    line = machine()
    assert cpu_name() in line and platform.python_version() in line and "\n" not in line
    assert all(f"{name} {importlib.metadata.version(name)}" in line for name in PACKAGES)


def test_the_peak_is_that_of_a_process_with_numpy_in_it() -> None:
    peak = peak_megabytes()
    assert peak is not None and 20.0 < peak < 1e6
