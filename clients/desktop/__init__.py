"""``wonderzoom view``: a window on a world. Extra: ``desktop``."""
