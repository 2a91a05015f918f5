"""Sphinx extension: Markdown docstrings, one page per public object, pages of results, links to folders of records."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx

_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_SPECIAL = re.compile(r"([\\*|]|(?<=\w)_(?!\w))")
_LINK = re.compile(r"\[([^\]]+)\]\((\w+)\)")
_PAGE = re.compile(r"\[([^\]]+)\]\(([\w/]+/index\.html)\)")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the hooks; docstrings are converted before napoleon (priority 500) reads their sections."""
    app.connect("autodoc-process-docstring", _convert, priority=100)
    app.connect("autodoc-skip-member", _skip)
    app.connect("source-read", _unlink_folders)
    app.connect("source-read", _link_pages)
    app.connect("build-finished", _copy_pages)
    return {"parallel_read_safe": True}


def _convert(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = to_restructured_text(lines)
    # Napoleon takes what precedes a colon in the first line of an attribute's docstring for its type.
    if what in ("attribute", "property", "data"):
        lines.insert(0, "")


def _skip(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Skip what a package imports from another one, and the generated docstrings of a NamedTuple's fields."""
    package = "jaxcifar." + Path(app.env.current_document.docname).name
    home = getattr(obj, "__module__", None) or package
    foreign = home.startswith("jaxcifar") and not f"{home}.".startswith(f"{package}.")
    generated = (getattr(obj, "__doc__", None) or "").startswith("Alias for field number")
    return True if foreign or generated else None


def _unlink_folders(app: Sphinx, name: str, source: list[str]) -> None:
    """Replace a link to a folder of records by its path, since the site has no page for it."""
    home = Path(app.env.doc2path(name)).parent

    def plain(link: re.Match[str]) -> str:
        folder = home / link[2]
        return f"`{folder.relative_to(Path(app.srcdir).parent)}`" if folder.is_dir() else link[0]

    source[0] = _LINK.sub(plain, source[0])


def _link_pages(app: Sphinx, name: str, source: list[str]) -> None:
    """Make a link to a page of results one that the browser follows; as Markdown it would offer the file alone."""
    source[0] = _PAGE.sub(r'<a href="\2">\1</a>', source[0])


def _copy_pages(app: Sphinx, exception: Exception | None) -> None:
    """Copy the pages of results with their pictures and tables to the place that they have below docs."""
    results = Path(app.srcdir) / "results"
    for page in [*results.glob("*/index.html"), *results.glob("*/report/index.html")] if exception is None else []:
        home = page.parent
        ignored = shutil.ignore_patterns("*.md", "*.json")
        shutil.copytree(home, Path(app.outdir) / home.relative_to(app.srcdir), ignore=ignored, dirs_exist_ok=True)


def to_restructured_text(lines: list[str]) -> list[str]:
    """Return the lines with `code` as literals, $$…$$ as math directives and everything else escaped."""
    parts = re.split(r"\$\$(.+?)\$\$", "\n".join(lines), flags=re.DOTALL)
    converted = [_math(part, before=parts[i - 1]) if i % 2 else _prose(part) for i, part in enumerate(parts)]
    return "".join(converted).split("\n")


def _math(formula: str, before: str) -> str:
    indent = before.rpartition("\n")[2]
    body = "\n".join(f"{indent}   {line.strip()}" for line in formula.strip().splitlines())
    return f"\n{indent}.. math::\n\n{body}\n{indent}"


def _prose(text: str) -> str:
    """Escape what only reStructuredText gives a meaning to; examples stay as they are."""
    paragraphs = re.split(r"(\n[ \t]*\n)", text)
    return "".join(part if ">>>" in part else _inline(part) for part in paragraphs)


def _inline(text: str) -> str:
    pieces: list[str] = []
    end = 0
    for found in _CODE.finditer(text):
        pieces += [_SPECIAL.sub(r"\\\1", text[end : found.start()]), *_literal(found.group(2), text[found.end() :])]
        end = found.end()
    return "".join([*pieces, _SPECIAL.sub(r"\\\1", text[end:])])


def _literal(code: str, after: str) -> Iterator[str]:
    yield f"``{code}``"
    # A literal ends at a word's border: "`Run`s" needs an escaped space, which is not printed.
    if after[:1].isalnum() or after[:1] == "_":
        yield "\\ "
