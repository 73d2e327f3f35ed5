"""From a picture, a camera and a prompt to new surfels: the paper's control loop and its stages.

Owns: stages, pipeline, lifting, fitting, generators. Does not own: rendering (handed in through
``scene_graph.ports``) or commits (proposed here, made by the writer of the world).
"""
