"""Many workers with stub training share one folder by the real locks: no run twice, no run lost, time per run.

    python scripts/simulate_workers.py OUT --workers 500 --programs 500

Workers are threads of some processes, each with locks of its own. Stub training writes one line into the run's folder
and its summary.json.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import threading
import time
from pathlib import Path

from jaxcifar import records
from jaxcifar.records import Holder
from jaxcifar.runner.worker import joined, share

TRAINED = "trained.txt"


def work(out: Path, programs: int, seconds: float) -> None:
    """Be one worker."""
    folders = [out / f"member/seed-{index}" for index in range(programs)]
    with joined(out) as worker:

        def attempt(index: int) -> Holder | None:
            if records.is_complete(folders[index]):
                return None
            with worker.holding([folders[index]]) as holder:
                # Once more: another worker may have ended the run since the first look, and its holder only look at it.
                if records.is_complete(folders[index]):
                    return None
                if holder is None:
                    # An append, so that a run that is trained twice has two lines.
                    with open(folders[index] / TRAINED, "a") as file:
                        file.write(f"{os.getpid()} {threading.get_ident()}\n")
                    time.sleep(seconds)
                    records.write_summary(folders[index], {"status": "finished"})
                return holder

        share(worker, range(programs), attempt, lambda: None)


def process(out: Path, programs: int, seconds: float, workers: int) -> None:
    """Run some workers as threads."""
    threads = [threading.Thread(target=work, args=(out, programs, seconds)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Parse, run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=500)
    parser.add_argument("--programs", type=int, default=500)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0, help="of stub training")
    options = parser.parse_args()
    if options.workers < options.processes:
        parser.error(f"--workers {options.workers} is less than --processes {options.processes}, which share them")
    options.out.mkdir(parents=True)
    start, shares = time.monotonic(), options.workers // options.processes
    arguments = (options.out, options.programs, options.seconds, shares)
    started = [multiprocessing.Process(target=process, args=arguments) for _ in range(options.processes)]
    for each in started:
        each.start()
    for each in started:
        each.join()
    wall = time.monotonic() - start
    lines = [len(path.read_text().splitlines()) for path in options.out.rglob(TRAINED)]
    lost, twice = options.programs - len(lines), sum(count > 1 for count in lines)
    print(
        f"{shares * options.processes} workers, {options.programs} programs: {wall:.1f} s; lost {lost}, twice {twice}"
    )
    print(f"{1000 * wall / options.programs:.1f} ms of this machine per program, stub training included")


if __name__ == "__main__":
    main()
