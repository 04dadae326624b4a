"""The script with which operators check a share between two machines, here with both sides on one."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.anyio
SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "nfs-check"


async def side(directory: Path, role: str, *options: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), str(directory), role, *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_two_sides_on_a_sound_directory_agree_that_it_is_sound(tmp_path: Path) -> None:
    assert os.access(SCRIPT, os.X_OK)
    results = await asyncio.gather(side(tmp_path, "first"), side(tmp_path, "second"))
    for code, said in results:
        assert code == 0, said
        assert "FAIL" not in said
    assert "taken over whole: ok, 200 of 200 rows" in results[1][1]
    assert "both sides run on one machine" in results[0][1], "it does not claim to have proven a share"
    assert list(tmp_path.iterdir()) == []


async def test_a_side_that_is_alone_says_so(tmp_path: Path) -> None:
    code, said = await side(tmp_path, "first", "--patience", "0.5")
    assert code == 2
    assert "no message 1 of the second machine" in said
