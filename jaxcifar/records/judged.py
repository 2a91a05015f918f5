"""claims.json: what a study says, and what was judged of it after training, so that a page needs no config file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcifar.records import seal

FILE = "claims.json"


def write(folder: Path, words: Mapping[str, Any], judged: Mapping[str, Sequence[Any]], *, shipped: bool) -> None:
    """Replace a study's claims.json.

    Args:
        folder: the study's.
        words: what a page shows of the study in addition to its records.
        judged: name of a data set -> the claims, judged on it.
        shipped: whether the study is one of the program's own, which a later version may judge again.
    """
    seal.write(folder / FILE, {"shipped": shipped, "words": words, "judged": judged})


def read(folder: Path, problems: list[str] | None = None) -> dict[str, Any]:
    """Return the object of a study's claims.json, empty where it is missing, damaged or of another form."""
    value = seal.read(folder / FILE, problems)
    forms = {"shipped": bool, "words": dict, "judged": dict}
    return value if all(isinstance(value.get(key), kind) for key, kind in forms.items()) else {}
