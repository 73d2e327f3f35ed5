"""Measurements that print the tables of the README; they never assert a time. Run from the root."""
