"""The fuzz targets of the engine host. Their seeds run with the Go tests; here they go on from them, given time."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.fuzz.mutation import SECONDS, SECONDS_VARIABLE
from tools.setup import paths
from tools.setup.toolchains import find_go, go_environment

_TARGETS = [("./internal/wirefuzz", "FuzzStanza"), ("./internal/wirefuzz", "FuzzSealedMessage")]


@pytest.mark.engine
@pytest.mark.timeout(0)
@pytest.mark.skipif(SECONDS_VARIABLE not in os.environ, reason="compiles all libraries anew; `make fuzz` runs it")
@pytest.mark.parametrize(("package", "target"), _TARGETS, ids=[target for _, target in _TARGETS])
def test_go_target(package: str, target: str) -> None:
    command = ["go", "test", "-run=^$", f"-fuzz=^{target}$", f"-fuzztime={SECONDS:.1f}s", "-parallel=2", package]
    environment = go_environment(find_go())
    done = subprocess.run(
        command,
        cwd=paths.ENGINE_HOST,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS + 900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
