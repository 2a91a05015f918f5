"""One mesh with the axes `member` and `data`: states are replicated over `data`, batches are cut along it.

Under auto-sharded `jit` BatchNorm normalises over the global batch, so the number of devices does not change the loss.
"""

from __future__ import annotations

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def make_mesh(members: int, batch_size: int) -> Mesh:
    """Return the devices as a mesh: along `member` as many as divide the members, the rest along `data`."""
    devices = jax.local_devices()
    along_members = _divisor(members, len(devices))
    along_data = _divisor(batch_size, len(devices) // along_members)
    used = np.array(devices[: along_members * along_data]).reshape(along_members, along_data)
    return Mesh(used, ("member", "data"))


def idle(used: int, members: int, batch_size: int) -> str:
    """Return a sentence about the devices that stay idle; empty if all are used."""
    number = jax.local_device_count()
    if used == number:
        return ""
    of = f"A batch of {batch_size}" if members == 1 else f"{members} members with a batch of {batch_size}"
    return (
        f"{of} cannot be cut into {number} equal parts, so {number - used} of {number} devices stay idle; give a "
        f"--batch-size that is a multiple of {number}."
    )


def rows(mesh: Mesh) -> list[Mesh]:
    """Return a mesh for each index along `member`: the devices of one member."""
    return [Mesh(row[None], mesh.axis_names) for row in mesh.devices]


def _divisor(number: int, most: int) -> int:
    """The largest divisor of a number that is at most `most`."""
    return next(k for k in range(most, 0, -1) if number % k == 0)


def shard_batch(batch: jax.Array, mesh: Mesh) -> jax.Array:
    """Shard a batch's first axis along `data`, if its size is a multiple of the number of devices."""
    if mesh.size == 1 or batch.shape[0] % mesh.shape["data"]:
        return batch
    return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, PartitionSpec("data")))


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of the data set: whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def by_member(mesh: Mesh) -> NamedSharding:
    """Return the sharding of hyperparameters and states with a leading member axis."""
    return NamedSharding(mesh, PartitionSpec("member"))
