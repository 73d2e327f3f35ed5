"""The wire protocol (sans-I/O)."""
