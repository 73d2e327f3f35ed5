"""Worlds in Blender: ``wonderzoom_splats`` is an add-on in one file, which needs nothing of the rest."""
