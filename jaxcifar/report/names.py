"""Names of files and anchors on the page."""

from __future__ import annotations

import hashlib
import re

LONGEST_NAME = 120
"""Bytes; with an ending well below the 255 of file systems."""


def file_name(text: str) -> str:
    """Return a name of files and anchors: without markup and separators, and no longer than file systems allow."""
    name = re.sub(r"[^\w.+-]+", "-", text)
    if len(name.encode()) <= LONGEST_NAME:
        return name
    # Two long names must not become one.
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{name.encode()[: LONGEST_NAME - 9].decode(errors='ignore')}-{digest}"
