"""Programs that look at a world: ``connect`` for scripts and notebooks, ``aio.connect`` for async programs."""

from wonderzoom.clients.blocking import connect

__all__ = ["connect"]
