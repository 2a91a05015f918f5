"""The curvature of a trained network along its run: measured at its checkpoints, stored beside its records.

`files` knows what is stored and reads it without JAX; `measures` computes it; `measure` goes over a run's checkpoints.
"""
