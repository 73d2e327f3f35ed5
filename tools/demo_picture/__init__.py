"""The rooms of ``tools/paint_demo_picture.py``."""
