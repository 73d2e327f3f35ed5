"""Stages that pretrained models carry out, through diffusers and transformers; imported only where one is used."""
