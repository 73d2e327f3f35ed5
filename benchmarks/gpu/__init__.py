"""Measurements on a graphics card: ``benchmarks/gpu/run.sh``. They refuse to run without one."""
