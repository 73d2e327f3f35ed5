"""Renderers and fitters, one backend a module; all are tested against ``reference``."""
