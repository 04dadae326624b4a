"""The virtual environment: made with the standard library, filled by a pinned uv from the committed lock."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.setup import paths
from tools.setup.commands import CommandLog
from tools.setup.errors import SetupError
from tools.setup.system import apt_install, may_install

UV_VERSION = "0.13.9"


def base_python() -> Path:
    """The Python outside of any virtual environment that the new environment is made from."""
    if sys.prefix == sys.base_prefix:
        return Path(sys.executable)
    found = Path(getattr(sys, "_base_executable", "") or sys.executable)
    if found.exists() and not found.is_relative_to(paths.VENV):
        return found
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Path(sys.base_prefix) / "bin" / name


def environment_facts() -> list[str]:
    """What the environment depends on besides the lock: Python's minor version and place, and its own place."""
    # Scripts in a virtual environment hold absolute paths: a moved work tree needs a new one.
    return [f"{sys.version_info.major}.{sys.version_info.minor}", sys.base_prefix, str(paths.ROOT), f"uv {UV_VERSION}"]


def make_environment(log: CommandLog) -> None:
    """Makes .venv with pip and uv; an environment that still fits is kept. Raises SetupError with what is missing."""
    if not _fits():
        _require_venv_module(log)
        python = base_python()
        if paths.VENV.exists():
            shutil.rmtree(paths.VENV)
        log.run([python, "-m", "venv", paths.VENV], cwd=paths.ROOT)
    log.run(
        [paths.VENV_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"uv=={UV_VERSION}"],
        cwd=paths.ROOT,
        timeout_s=300,
    )


def sync(log: CommandLog, groups: Sequence[str]) -> None:
    """Installs the locked dependencies of the product and of `groups`; what other groups installed stays."""
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    environment.update(UV_PROJECT_ENVIRONMENT=str(paths.VENV), UV_PYTHON_DOWNLOADS="never", UV_NO_PROGRESS="1")
    command: list[str | Path] = [paths.VENV / "bin" / "uv", "sync", "--frozen", "--no-default-groups", "--inexact"]
    # once here rather than at the first start; and where Python may not write its caches, at every start
    command.append("--compile-bytecode")
    command += ["--python", paths.VENV_PYTHON]
    for group in groups:
        command += ["--group", group]
    log.run(command, cwd=paths.ROOT, env=environment, timeout_s=900)


def _fits() -> bool:
    """Whether .venv exists, was made here and runs the same minor version as this Python."""
    configuration = paths.VENV / "pyvenv.cfg"
    script = paths.VENV / "bin" / "pip"
    if not (configuration.is_file() and paths.VENV_PYTHON.exists() and script.is_file()):
        return False
    library = paths.VENV / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    first_line = script.read_text(errors="replace").partition("\n")[0]
    return library.is_dir() and str(paths.VENV) in first_line


def _require_venv_module(log: CommandLog) -> None:
    """Debian ships Python without the part that makes environments; say so, or install it where that is allowed."""
    if importlib.util.find_spec("ensurepip") is not None and importlib.util.find_spec("venv") is not None:
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if not may_install():
        raise SetupError(
            f"Python's venv module is missing. Install it and run make again:\n  sudo apt install {package}"
        )
    apt_install(log, [package])
