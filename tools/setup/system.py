"""System packages: installed only as root or in CI, otherwise named with the command that installs them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.setup import paths
from tools.setup.commands import CommandLog
from tools.setup.errors import SetupError

_BROWSER_NAMES = ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser")
_MAC_BROWSERS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_APT_TIMEOUT_S = 420.0


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def may_install() -> bool:
    """Whether set-up may call the system's package manager: apt is there, and this is root or a CI run."""
    return shutil.which("apt-get") is not None and (os.geteuid() == 0 or in_ci())


def apt_install(log: CommandLog, packages: Sequence[str]) -> None:
    """Installs Debian packages without questions. Raises SetupError when apt fails or takes more than 7 minutes."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-y", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    log.run(["apt-get", "update", *options], cwd=paths.ROOT, env=environment, timeout_s=_APT_TIMEOUT_S)
    install = ["apt-get", "install", *options, "--no-install-recommends", *packages]
    log.run(install, cwd=paths.ROOT, env=environment, timeout_s=_APT_TIMEOUT_S)


def find_browser() -> Path | None:
    """The installed Chrome or Chromium that the browser tests use; $BLAZZ_BROWSER names another."""
    named = os.environ.get("BLAZZ_BROWSER")
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    for name in _BROWSER_NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    if sys.platform == "darwin":
        return next((Path(path) for path in _MAC_BROWSERS if os.access(path, os.X_OK)), None)
    return None


def browser_hint() -> str:
    """The sentence and command for a machine on which set-up may not install a browser itself."""
    command = "brew install --cask google-chrome" if sys.platform == "darwin" else "sudo apt install chromium"
    return f"No Chrome or Chromium found: browser tests are skipped here. To run them: {command}"


def provide_browser(log: CommandLog) -> None:
    """Installs Chromium where that is allowed and needed. Raises SetupError when there is none afterwards."""
    if find_browser() is None:
        apt_install(log, ["chromium", "fonts-liberation"])
    if find_browser() is None:
        raise SetupError("Chromium was installed, but no browser program was found.")


def has_mariadb() -> bool:
    """Whether this computer has a MariaDB server that the database tests can run."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return all(shutil.which(name, path=places) for name in ("mariadbd", "mariadb-install-db", "mariadb"))


def mariadb_hint() -> str:
    """The sentence and command for a machine on which set-up may not install MariaDB itself."""
    command = "brew install mariadb" if sys.platform == "darwin" else "sudo apt install mariadb-server-core"
    return f"No MariaDB found: tests on it are skipped here. To run them: {command}"


def provide_mariadb(log: CommandLog) -> None:
    """Installs MariaDB's programs, without a service. Raises SetupError when they are not there afterwards."""
    if not has_mariadb():
        apt_install(log, ["mariadb-server-core", "mariadb-client-core"])
    if not has_mariadb():
        raise SetupError("MariaDB was installed, but its programs were not found.")
