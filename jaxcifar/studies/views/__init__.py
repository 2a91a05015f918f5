"""Pictures of data and networks: computed from the modules and the checkpoints, stored beside the records.

`files` knows what is stored and reads it without JAX; the other modules compute it.
"""
