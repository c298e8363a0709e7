"""Hook of mkdocs: the pages of the documentation site that nobody has to write or to list.

Adds the reference of every public package, from its docstrings; the reference of the command
line, from the texts of its help; pages of the repository that lie outside of docs/; and to the
navigation each page that mkdocs.yml does not name. It also refuses a site that would load
anything from another host. Run by `make docs`.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = {"__main__", "cli", "kernels", "priors"}
"""Parts of the package without an API: the command line has a reference of its own."""

OUTSIDE = tuple(
    path.relative_to(ROOT).as_posix()
    for pattern in ("CHANGELOG.md", "CONTRIBUTING.md", "data_manifests/*.md", "*/priors/**/*.md")
    for path in sorted(ROOT.glob(pattern))
)
"""Pages that stay where they are in the repository and are shown below `repository/`."""

SECTIONS = {
    "how-to": "How to",
    "explanation": "Explanation",
    "decisions": "Decisions",
    "upstream": "Repository",
}
"""Folder of docs/ -> the section of the navigation that holds its pages."""

LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
REMOTE = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\"'>\s]+"
    r"|<link\b(?![^>]*canonical)[^>]*\bhref=[\"']?(?:https?:)?//[^\"'>\s]+"
    r"|url\([\"']?(?:https?:)?//[^)]+"
)


sys.path.insert(0, str(ROOT))  # this checkout, wherever an editable install points


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation that mkdocs.yml does not name."""
    nav: list[dict[str, Any]] = config.nav or []
    sections = {title: pages for entry in nav for title, pages in entry.items()}
    named = set(_leaves(nav))
    for folder, title in SECTIONS.items():
        found = sorted(Path(config.docs_dir, folder).glob("*.md"))
        sections[title] += [
            page for page in (f"{folder}/{path.name}" for path in found) if page not in named
        ]
    sections["Repository"] += [f"repository/{path}" for path in OUTSIDE]
    sections["Reference"] += [{name: _reference(name)} for name in public_parts()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and those from outside of docs/."""
    made = {_reference(name): _reference_page(name) for name in public_parts()}
    made["reference/command-line.md"] = command_line_page()
    for address, text in made.items():
        files.append(File.generated(config, address, content=text))
    for path in OUTSIDE:
        source = str(ROOT / path)
        files.append(File.generated(config, f"repository/{path}", abs_src_path=source))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links between docs/ and the rest of the repository meet on the site."""
    address = page.file.src_uri
    home = address.removeprefix("repository/") if _outside(address) else f"docs/{address}"

    def moved(match: re.Match[str]) -> str:
        before, target, after = match.groups()
        if ":" in target:
            return match.group(0)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
        place = f"repository/{path}" if path in OUTSIDE else path.removeprefix("docs/")
        if place == path and not _outside(address):
            return match.group(0)
        return before + posixpath.relpath(place, posixpath.dirname(address) or ".") + after

    return LINK.sub(moved, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse pages and styles that load something from another host."""
    for script in Path(config.site_dir).rglob("*.js"):
        # The theme's fallbacks for old browsers, and for diagrams, which are not used here.
        text = script.read_text(encoding="utf-8")
        script.write_text(re.sub(r"https://unpkg\.com/[\w@./-]+", "", text), encoding="utf-8")
    loads = [
        f"{path.relative_to(config.site_dir)}: {match.group(0)}"
        for pattern in ("*.html", "*.css")
        for path in Path(config.site_dir).rglob(pattern)
        for match in REMOTE.finditer(path.read_text(encoding="utf-8"))
    ]
    if loads:
        raise PluginError("the site must load nothing from other hosts:\n" + "\n".join(loads))


def public_parts() -> list[str]:
    """Names of the packages and modules right below `cardiovae` that have an API."""
    package = ROOT / "cardiovae"
    names = [path.stem for path in package.glob("*.py")]
    names += [path.parent.name for path in package.glob("*/__init__.py")]
    return [
        "cardiovae",
        *sorted(f"cardiovae.{n}" for n in names if n not in HIDDEN | {"__init__"}),
    ]


def command_line_page() -> str:
    """What `--help` says of every verb, as Markdown."""
    from typer.main import get_command

    from cardiovae.cli.app import app

    verbs = [text for name, verb in _verbs(get_command(app)) for text in _verb_text(name, verb)]
    return "\n".join(["# Command line", "", *verbs])


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from _leaves(entry)


def _outside(address: str) -> bool:
    return address.startswith("repository/")


def _reference(name: str) -> str:
    return f"reference/{name.removeprefix('cardiovae.')}.md"


def _reference_page(name: str) -> str:
    if name != "cardiovae":
        return f"# {name}\n\n::: {name}\n"
    import cardiovae

    # The names at the top are loaded when used, so they are listed; their own pages tell of them.
    homes = {
        name: getattr(cardiovae, name).__module__
        for name in cardiovae.__all__
        if not name.startswith("_")
    }
    rows = [f"| [`{name}`][{home}.{name}] | `{home}` |" for name, home in homes.items()]
    text = [
        f"# {name}",
        cardiovae.__doc__ or "",
        "\n".join(["| name | from |", "|---|---|", *rows]),
    ]
    return "\n\n".join(text) + "\n"


def _verbs(command: Any, name: str = "cardiovae") -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, verb in getattr(command, "commands", {}).items():
        yield from _verbs(verb, f"{name} {word}")


def _verb_text(name: str, verb: Any) -> Iterator[str]:
    from typer import Context

    context = Context(verb, info_name=name)
    yield f"## {name}\n"
    yield f"    {name} {' '.join(verb.collect_usage_pieces(context))}\n"
    yield from (f"{_plain(paragraph)}\n" for paragraph in (verb.help or "").split("\n\n"))
    rows: dict[str, list[str]] = {}
    for param in verb.params:
        if param.name == "help" or getattr(param, "hidden", False):
            continue
        panel = getattr(param, "rich_help_panel", None) or "Arguments and options"
        rows.setdefault(panel, []).append(_parameter_row(param, context))
    for panel, lines in rows.items():
        yield "\n".join([f"| {panel} | | default |", "|---|---|---|", *lines, ""])
    if verb.epilog:
        yield f"{_plain(verb.epilog)}\n"


def _parameter_row(param: Any, context: Any) -> str:
    flag = bool(getattr(param, "is_flag", False))
    value = "" if flag else param.metavar or param.display_type(context)
    words = " ".join(f"`{word}`" for word in getattr(param, "opts", []) if word.startswith("-"))
    default = "" if flag or param.default in (None, "", ()) else f"`{param.default}`"
    if param.required:
        default = "required"
    head = f"{words} `{value}`".strip() if value else words
    return f"| {head} | {_plain(param.help)} | {default} |"


def _plain(text: str | None) -> str:
    """Text of a help, safe in Markdown."""
    return re.sub(r"([*_<>|\[\]])", r"\\\1", " ".join((text or "").split()))
