"""N workers of one command by Ray, on this machine or on the cluster that `RAY_ADDRESS` names.

    pip install ray
    python examples/ray_workers.py N NAME OUT [options of jaxcifar run]

Example: `python examples/ray_workers.py 2 quickstart runs/quickstart`. On a cluster OUT is a folder that all machines
share, and every machine has jaxcifar.
"""

from __future__ import annotations

import subprocess
import sys


def main(number: int, name: str, out: str, *options: str) -> None:
    """Start the workers and wait for them."""
    import ray  # pyright: ignore[reportMissingImports]

    ray.init()
    gpus = 1 if ray.cluster_resources().get("GPU") else 0

    @ray.remote(num_cpus=1, num_gpus=gpus)
    def worker() -> int:
        return subprocess.run([sys.executable, "-m", "jaxcifar", "run", name, "--out", out, *options]).returncode

    codes = ray.get([worker.remote() for _ in range(number)])
    if any(codes):
        sys.exit(f"The workers ended with {codes}; what they said is above.")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
