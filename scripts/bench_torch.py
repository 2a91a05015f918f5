"""PyTorch worker of the bench, tuned: channels last, fused optimizers, images normalised once and kept in memory.

On a GPU it uses autocast for bfloat16 and `torch.compile`, and copies nothing from the host.
"""

from __future__ import annotations

import resource
import time
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import torch_peer

from jaxcifar.config import Adadelta, Adagrad, Data, Run

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Side:
    """A network, its optimizer and the images."""

    def __init__(self, run: Run, images: int):
        self.gpu = torch.cuda.is_available()
        self.run, self.device = run, torch.device("cuda" if self.gpu else "cpu")
        # All batches have one shape, so that kernels are chosen once.
        torch.backends.cudnn.benchmark = True
        # Allows TF32, which JAX uses by default on GPUs that have it.
        torch.set_float32_matmul_precision("high")
        torch.manual_seed(run.seed)
        self.images, self.labels = self._images(images)
        module = torch_peer.build(run.model).to(self.device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        fused = not isinstance(run.optimizer, Adagrad | Adadelta)
        self.optimizer = torch_peer.optimizer(run.optimizer, module.parameters(), fused)
        self.criterion = torch_peer.criterion(run.loss)
        self.network = torch.compile(module) if self.gpu else module
        self.steps_per_epoch, self.step = images // run.batch_size, 0
        if not self.gpu:
            self._choose_threads()

    def hello(self) -> dict[str, Any]:
        return {"version": torch.__version__}

    def answer(self, steps: int) -> dict[str, Any]:
        """Train a number of steps; on a GPU the host waits only at the end."""
        start = time.perf_counter()
        losses = [self._step() for _ in range(steps)]
        # The copy waits for the device to end all steps.
        torch.stack(losses).cpu()
        return {"seconds": time.perf_counter() - start, "peak_bytes": self._peak_bytes()}

    def _choose_threads(self) -> None:
        """Use one thread or all: for small batches, synchronisation costs more than threading gains."""
        counts = (1, torch.get_num_threads())

        def seconds(count: int) -> float:
            torch.set_num_threads(count)
            # The first step after a change of the number of threads is not timed.
            self.answer(1)
            return min(self.answer(2)["seconds"] for _ in range(3))

        self.threads = min(counts, key=seconds)
        torch.set_num_threads(self.threads)

    def _images(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return normalised images [N, 32 + 2 crop, 32 + 2 crop, 3], padded for the crop, and labels [N]."""
        rng = np.random.default_rng(0)
        pixels = torch.from_numpy(rng.integers(0, 256, (number, 32, 32, 3), dtype=np.uint8)).to(self.device)
        mean, deviation = torch.tensor((MEAN, DEVIATION), device=self.device)
        images = pixels.float().div_(255).sub_(mean).div_(deviation)
        # Padded once here, so that a crop is only a choice of rows and columns.
        if crop := self.run.data.crop:
            images = torch.nn.functional.pad(images, (0, 0, crop, crop, crop, crop))
        labels = torch.from_numpy(rng.integers(0, 10, number)).to(self.device)
        return images.bfloat16() if self.gpu and self.run.precision == "bfloat16" else images, labels

    def _step(self) -> torch.Tensor:
        if self.step % self.steps_per_epoch == 0:
            self.order = torch.randperm(len(self.labels), device=self.device)
        start = self.step % self.steps_per_epoch * self.run.batch_size
        chosen = self.order[start : start + self.run.batch_size]
        images = augment(self.images, chosen, self.run.data)
        with torch.autocast(self.device.type, torch.bfloat16) if self.run.precision == "bfloat16" else nullcontext():
            loss = self.criterion(self.network(images), self.labels[chosen])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        return loss.detach()

    def _peak_bytes(self) -> int:
        if self.gpu:
            return torch.cuda.max_memory_allocated()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def augment(images: torch.Tensor, chosen: torch.Tensor, data: Data) -> torch.Tensor:
    """Return a batch [B, 3, 32, 32], channels last: random crop and flip in one gather from images [N, H, W, 3]."""
    if not data.crop and data.flip == "none":
        return images[chosen].permute(0, 3, 1, 2)
    count, device = len(chosen), images.device
    pixels = torch.arange(32, device=device)
    rows = pixels + torch.randint(0, 2 * data.crop + 1, (count, 1), device=device)
    columns = pixels + torch.randint(0, 2 * data.crop + 1, (count, 1), device=device)
    if data.flip != "none":
        columns = torch.where(torch.rand(count, 1, device=device) < 0.5, columns.flip(1), columns)
    return images[chosen[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
