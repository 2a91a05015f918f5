"""The line that tells of work without steps to count."""

from __future__ import annotations

import sys
import threading

import pytest

from jaxcifar.training import progress


def test_long_work_is_told_again_until_it_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "HEARTBEAT", 0.01)
    twice = threading.Event()

    lines: list[str] = []

    class Told(progress.PlainProgress):
        def message(self, text: str) -> None:
            lines.append(text)
            if len(lines) == 3:
                twice.set()

    shown = Told()
    before = threading.active_count()
    with shown.working("Compiling VGG-A"):
        assert twice.wait(30)
    assert lines[:2] == ["Compiling VGG-A", "... 1 s"]
    assert threading.active_count() == before


def test_a_terminal_shows_what_stands_in_brackets(capsys: pytest.CaptureFixture[str]):
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(width=200, file=sys.stdout)) as bar:
        progress.TerminalProgress(bar).message("runs/[a]/x, [/data/x] and [bold]y")
    assert "runs/[a]/x, [/data/x] and [bold]y" in capsys.readouterr().out
