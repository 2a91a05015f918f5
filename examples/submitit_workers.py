"""N workers of one command by submitit: on this machine, or on SLURM by `cluster="slurm"`.

    pip install submitit
    python examples/submitit_workers.py N NAME OUT [options of jaxcifar run]

Example: `python examples/submitit_workers.py 2 quickstart runs/quickstart`.
"""

from __future__ import annotations

import subprocess
import sys


def worker(arguments: list[str]) -> int:
    """Run one worker and return its exit code."""
    return subprocess.run([sys.executable, "-m", "jaxcifar", "run", *arguments]).returncode


def main(number: int, name: str, out: str, *options: str) -> None:
    """Submit the workers and wait for them."""
    import submitit

    executor = submitit.AutoExecutor(folder="submitit", cluster="local")
    executor.update_parameters(timeout_min=24 * 60)
    jobs = [executor.submit(worker, [name, "--out", out, *options]) for _ in range(number)]
    codes = [job.result() for job in jobs]
    if any(codes):
        sys.exit(f"The workers ended with {codes}; their output is in the folder submitit.")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
