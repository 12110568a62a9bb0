"""Pure arithmetic on models and frames: no clock, no disk, no network, no log.

Every instant is an argument, and what is unknown stays unknown: None in a model, NaN in a frame.
"""
