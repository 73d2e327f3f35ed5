"""The programs: command line, renderers, films. The only room that composes the others."""

DISTRIBUTION = "wonderzoom-runtime"  # as pip knows it
