"""Clients for game engines, and what any client of surfels is tested with (docs/engines.md)."""
