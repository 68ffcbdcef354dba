"""The files of a new plugin package as texts."""

from __future__ import annotations

from pathlib import PurePosixPath

from jinja2 import Environment, PackageLoader, StrictUndefined

from cab_core.scaffold.naming import Names

#: Path in the package by template; ``@`` stands for the import package.
_COMMON = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "LICENSE": "LICENSE",
    "gitignore": ".gitignore",
    "ci.yml": ".github/workflows/test.yml",
}
_OWN = {
    "cab.toml": "cab.toml",
    "plugin.py": "src/@/__init__.py",
    "test_conformance.py": "tests/test_conformance.py",
    "test_behaviour.py": "tests/test_behaviour.py",
}


def package_files(names: Names) -> dict[PurePosixPath, str]:
    """Return the whole package: texts by path below its folder."""
    kind = names.family.prefix
    templates = {f"common/{name}": path for name, path in _COMMON.items()}
    templates |= {f"{kind}/{name}": path for name, path in _OWN.items()}
    files = {
        PurePosixPath(path.replace("@", names.module)): _render(name, names)
        for name, path in templates.items()
    }
    files[PurePosixPath(f"src/{names.module}/py.typed")] = ""
    return files


def single_file(names: Names) -> dict[PurePosixPath, str]:
    """Return the plugin alone, as one module."""
    return {PurePosixPath(f"{names.name}.py"): _render(f"{names.family.prefix}/plugin.py", names)}


def _render(template: str, names: Names) -> str:
    environment = Environment(
        loader=PackageLoader("cab_core.scaffold"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - the texts are Python, TOML and Markdown, not HTML
    )
    return environment.get_template(f"{template}.j2").render(names=names, family=names.family)
