"""One mesh with the axes `member` and `data`: states are replicated over `data`, batches are cut along it.

Under auto-sharded `jit` BatchNorm normalises over the global batch, so the number of devices does not change the loss.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcifar.errors import UserError


def make_mesh(members: int, batch_size: int) -> Mesh:
    """Return the devices as a mesh: along `member` as many as divide the members, the rest along `data`.

    Several processes share the members: the mesh has this process's devices, for its own members. Where there are fewer
    members than processes, every member is trained by all, which cut its batches.

    Raises:
        UserError: the processes cannot train together.
    """
    if members < jax.process_count():
        return _over_processes(batch_size)
    devices = jax.local_devices()
    shape = _shape(len(own_members(members, jax.process_index())), batch_size, len(devices))
    return Mesh(np.array(devices[: math.prod(shape)]).reshape(shape), ("member", "data"))


def _shape(members: int, batch_size: int, devices: int) -> tuple[int, int]:
    along_members = _divisor(members, devices)
    return along_members, _divisor(batch_size, devices // along_members)


def own_members(members: int, process: int) -> range:
    """Return the members that a process trains: every P-th with P processes, or all if there are fewer than P."""
    apart = count if members >= (count := jax.process_count()) else 1
    return range(process % apart, members, apart)


def used(mesh: Mesh, members: int, batch_size: int) -> int:
    """Return how many devices of all processes train, of which this one has a mesh."""
    if mesh.is_multi_process:
        return mesh.size
    devices = [len(jax.local_devices(process_index=index)) for index in range(jax.process_count())]
    shares = [len(own_members(members, index)) for index in range(len(devices))]
    shapes = (_shape(share, batch_size, number) for share, number in zip(shares, devices, strict=True))
    return sum(map(math.prod, shapes))


def _over_processes(batch_size: int) -> Mesh:
    """A mesh with an equal number of devices of every process along `data`, so that each has a part of the batch."""
    count = jax.process_count()
    devices = [jax.local_devices(process_index=index) for index in range(count)]
    if len(numbers := sorted({len(own) for own in devices})) > 1:
        raise UserError(
            f"The processes have from {numbers[0]} to {numbers[-1]} devices; give each the same number, for example by "
            "CUDA_VISIBLE_DEVICES."
        )
    check_parts(batch_size, count)
    along_data = _divisor(batch_size // count, numbers[0])
    return Mesh(np.array([[device for own in devices for device in own[:along_data]]]), ("member", "data"))


def check_parts(batch_size: int, count: int) -> None:
    """Raise UserError unless a batch can be cut into equal parts for this number of processes."""
    if batch_size % count:
        raise UserError(
            f"batch_size is {batch_size}, which cannot be cut into {count} equal parts, one per process; give a "
            f"--batch-size that is a multiple of {count}."
        )


def put(tree: Any, sharding: NamedSharding) -> Any:
    """Return arrays of the host, which every process has as a whole, on the devices of a sharding."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def place(leaf: Any) -> jax.Array:
        host = np.asarray(jnp.asarray(leaf))  # in JAX's types
        return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])

    return jax.tree.map(place, tree)


def idle(used: int, members: int, batch_size: int) -> str:
    """Return a sentence about the devices that stay idle; empty if all are used."""
    number = jax.device_count()
    if used == number:
        return ""
    of = f"A batch of {batch_size}" if members == 1 else f"{members} members with a batch of {batch_size}"
    others = "a --batch-size that is" if members == 1 else "a number of members, or a --batch-size, that is"
    return (
        f"{of} cannot be cut into {number} equal parts, so {number - used} of {number} devices stay idle; give "
        f"{others} a multiple of {number}."
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
