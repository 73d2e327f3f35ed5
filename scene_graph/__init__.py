"""The world: cells, cameras, surfels, scale nodes, blocks, octree, bounds and the durable store.

Owns: what a surfel weighs, where it lives, what is committed. Imports numpy only (safetensors and
sqlite3 in ``store``), so that a thin client can use it. Does not own: pictures, networks, windows.
"""
