"""Generates the Python and Go classes of the engine contract and of WhatsApp's own messages."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tools.setup import paths
from tools.setup.commands import CommandLog
from tools.setup.errors import SetupError

# The roots of what Python encodes and decodes; everything that they import comes along.
WHATSAPP_ROOTS = (
    "waE2E/WAWebProtobufsE2E.proto",
    "waWeb/WAWebProtobufsWeb.proto",
    "waHistorySync/WAWebProtobufsHistorySync.proto",
    "waMmsRetry/WAMmsRetry.proto",
)

# Registered in Python's one descriptor pool under this prefix, so that another library in the same process that
# carries files of the same names does not collide with ours.
PREFIX = "blazz/_generated"

# The beginning of the contract's go_package, which the generated files are laid out below.
GO_MODULE = "github.com/blazz/blazz/engine-host"

_IMPORT = re.compile(r'^(?P<head>\s*import\s+(?:public\s+|weak\s+)?")(?P<file>[^"]+)(?P<tail>"\s*;)', re.MULTILINE)


def imports_of(text: str) -> list[str]:
    """The files that a .proto source imports, in order."""
    return [match["file"] for match in _IMPORT.finditer(text)]


def with_prefix(text: str, prefix: str) -> str:
    """The .proto source with its imports moved below `prefix`; Google's own well-known types stay where they are."""

    def move(match: re.Match[str]) -> str:
        file = match["file"]
        return match[0] if file.startswith("google/") else f"{match['head']}{prefix}/{file}{match['tail']}"

    return _IMPORT.sub(move, text)


def closure(sources: Path, roots: Iterable[str]) -> dict[str, str]:
    """Path and text of the roots and of all that they import. Raises SetupError for a file that is not there."""
    found: dict[str, str] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in found or name.startswith("google/"):
            continue
        try:
            found[name] = (sources / name).read_text()
        except FileNotFoundError:
            raise SetupError(f"The linked WhatsApp library has no {name} below {sources}.") from None
        todo += imports_of(found[name])
    return found


def generate_whatsapp_classes(log: CommandLog, sources: Path) -> None:
    """Writes blazz._generated.wa from the .proto files of the linked WhatsApp library."""
    _generate_python(log, "wa", closure(sources, WHATSAPP_ROOTS), grpc=False)


def generate_engine_stubs(log: CommandLog) -> None:
    """Writes blazz._generated.engine (messages and gRPC stubs) from the engine contract."""
    _generate_python(log, "engine", {file.name: file.read_text() for file in engine_contract()}, grpc=True)


def generate_engine_go(log: CommandLog, environment: Mapping[str, str]) -> None:
    """Writes the Go side of the engine contract into the engine host's internal package."""
    with tempfile.TemporaryDirectory(dir=paths.BUILD) as temporary:
        out = Path(temporary)
        arguments: list[str | Path] = [f"--proto_path={paths.PROTO}"]
        for generator in ("go", "go-grpc"):
            program = paths.TOOL_BIN / f"protoc-gen-{generator}"
            arguments += [f"--plugin=protoc-gen-{generator}={program}", f"--{generator}_out={out}"]
            arguments.append(f"--{generator}_opt=module={GO_MODULE}")
        _protoc(log, [*arguments, *engine_contract()], environment)
        paths.GENERATED_GO.mkdir(parents=True, exist_ok=True)
        for file in sorted(out.rglob("*.go")):
            shutil.copyfile(file, paths.GENERATED_GO / file.name)


def engine_contract() -> list[Path]:
    """The files of the contract; none imports another."""
    return sorted((paths.PROTO / "blazz" / "engine" / "v1").glob("*.proto"))


def _generate_python(log: CommandLog, package: str, files: Mapping[str, str], *, grpc: bool) -> None:
    """Runs protoc on files laid out as the wanted packages, then puts the new package in the old one's place."""
    prefix = f"{PREFIX}/{package}"
    paths.BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.BUILD) as temporary:
        stage, out = Path(temporary, "in"), Path(temporary, "out")
        out.mkdir()
        for name, text in files.items():
            target = stage / prefix / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(with_prefix(text, prefix))
        outputs = [f"--python_out={out}", f"--pyi_out={out}"] + ([f"--grpc_python_out={out}"] if grpc else [])
        _protoc(log, [f"--proto_path={stage}", *outputs, *(f"{prefix}/{name}" for name in sorted(files))], None)
        _replace_package(out / prefix, paths.GENERATED_PYTHON / package)


def _protoc(log: CommandLog, arguments: Sequence[str | Path], environment: Mapping[str, str] | None) -> None:
    log.run([paths.VENV_PYTHON, "-m", "grpc_tools.protoc", *arguments], cwd=paths.ROOT, env=environment, timeout_s=300)


def _replace_package(new: Path, place: Path) -> None:
    """Adds the package markers to `new` and renames it to `place`, so that a reader never sees half of it."""
    note = '"""Generated at set-up; not kept in the repository."""\n'
    for directory in [new, *(path for path in new.rglob("*") if path.is_dir())]:
        (directory / "__init__.py").write_text(note)
    place.parent.mkdir(parents=True, exist_ok=True)
    (place.parent / "__init__.py").write_text(note)
    if place.exists():
        old = new.with_name(new.name + ".old")
        place.rename(old)
    new.rename(place)
