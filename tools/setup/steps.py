"""The steps of the set-up: what each one reads, makes and waits for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.setup import paths, protos, python_env, system
from tools.setup.commands import CommandLog
from tools.setup.errors import SetupError
from tools.setup.schedule import Step
from tools.setup.stamps import files_below
from tools.setup.toolchains import Toolchain, go_environment, node_environment

WHATSAPP_LIBRARY = "go.mau.fi/whatsmeow"
_GENERATORS = ("protoc-gen-go", "protoc-gen-go-grpc")
_GENERATOR_PACKAGES = ("google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc")
# Not `npm ci`: it refuses a lock that lacks optional packages for machines other than the one it was made on.
# With --no-save the lock decides every version and is not written.
_INSTALL = ("install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error")
_STATICCHECK_PACKAGE = "honnef.co/go/tools/cmd/staticcheck"


@dataclass(frozen=True)
class Plan:
    """What set-up is asked for: `development` adds what tests and checks need to what the product needs."""

    development: bool
    go: Toolchain
    node: Toolchain
    log: CommandLog

    @property
    def groups(self) -> list[str]:
        """The dependency groups of pyproject.toml that are installed."""
        groups = ["dev" if self.development else "codegen"]
        if self.go.packaged:
            groups.append("go")
        if self.node.packaged:
            groups.append("node")
        return groups

    def steps(self) -> list[Step]:
        steps = [*self._python_steps(), *self._go_steps(), *self._generation_steps(), *self._web_steps()]
        if self.development:
            steps.append(self._second_client())
        if self.development and system.find_browser() is None and system.may_install():
            steps.append(Step("browser", "Chromium for the browser tests", lambda: system.provide_browser(self.log)))
        if self.development and not system.has_mariadb() and system.may_install():
            # one after the other: apt waits for no other apt while it reads its lists
            after = tuple(step.name for step in steps if step.name == "browser")
            steps.append(
                Step("mariadb", "MariaDB for the database tests", lambda: system.provide_mariadb(self.log), after=after)
            )
        return steps

    def _python_steps(self) -> list[Step]:
        return [
            Step(
                "venv",
                "Python environment",
                lambda: python_env.make_environment(self.log),
                facts=python_env.environment_facts,
                outputs=(paths.VENV_PYTHON, paths.VENV / "bin" / "uv"),
            ),
            Step(
                # One stamp per kind of set-up: going from one to the other and back installs nothing twice.
                "packages-" + "-".join(self.groups),
                "Python packages",
                lambda: python_env.sync(self.log, self.groups),
                after=("venv",),
                inputs=lambda: [paths.ROOT / "pyproject.toml", paths.ROOT / "uv.lock", paths.ROOT / "README.md"],
                facts=lambda: [*python_env.environment_facts(), _made(paths.VENV / "pyvenv.cfg")],
                outputs=(paths.VENV / "bin" / "blazz",),
            ),
        ]

    @property
    def _packages(self) -> str:
        return "packages-" + "-".join(self.groups)

    @property
    def _go_ready(self) -> tuple[str, ...]:
        """An installed Go can start at once; a packaged one comes with the Python packages."""
        return (self._packages,) if self.go.packaged else ()

    def _go_steps(self) -> list[Step]:
        missing = None if (paths.ENGINE_HOST / "go.mod").is_file() else "engine-host/ (the Go engine host) is not there"
        stubs = (paths.GENERATED_GO / "engine.pb.go", paths.GENERATED_GO / "engine_grpc.pb.go")
        generators = tuple(paths.TOOL_BIN / name for name in _GENERATORS)
        steps = [
            Step(
                "go-modules",
                "Go modules",
                self._download_modules,
                after=self._go_ready,
                inputs=lambda: _module_files(paths.ENGINE_HOST),
                facts=lambda: [self.go.fact],
                missing=missing,
            ),
            Step(
                "go-generators",
                "Code generators",
                lambda: self._install_go_tools(_GENERATOR_PACKAGES),
                after=("go-modules",),
                inputs=lambda: _module_files(paths.ENGINE_HOST),
                facts=lambda: [self.go.fact],
                outputs=generators,
                missing=missing,
            ),
            Step(
                "go-libraries",
                "Go libraries",
                self._compile_libraries,
                after=("go-modules",),
                inputs=lambda: _module_files(paths.ENGINE_HOST),
                facts=lambda: [self.go.fact],
            ),
            Step(
                "go-stubs",
                "Engine contract for Go",
                lambda: protos.generate_engine_go(self.log, go_environment(self.go)),
                after=(self._packages, "go-generators"),
                inputs=lambda: [*protos.engine_contract(), *_module_files(paths.ENGINE_HOST)],
                outputs=stubs,
                missing=missing,
            ),
            Step(
                "engine",
                "Engine host",
                self._build_engine,
                after=("go-libraries", "go-stubs"),
                inputs=lambda: [
                    *files_below(paths.ENGINE_HOST),
                    *(stub for stub in stubs),
                ],
                facts=lambda: [self.go.fact, product_version()],
                outputs=(paths.ENGINE_BINARY,),
            ),
        ]
        if self.development:
            steps.append(
                Step(
                    "go-staticcheck",
                    "Go linter",
                    lambda: self._install_go_tools((_STATICCHECK_PACKAGE,)),
                    after=("go-generators",),
                    inputs=lambda: _module_files(paths.ENGINE_HOST),
                    facts=lambda: [self.go.fact],
                    outputs=(paths.TOOL_BIN / "staticcheck",),
                )
            )
        return steps

    def _generation_steps(self) -> list[Step]:
        generator = Path(protos.__file__)
        return [
            Step(
                "engine-stubs",
                "Engine contract for Python",
                lambda: protos.generate_engine_stubs(self.log),
                after=(self._packages,),
                inputs=lambda: [*protos.engine_contract(), generator, paths.ROOT / "uv.lock"],
                outputs=(paths.GENERATED_PYTHON / "engine" / "engine_pb2_grpc.py",),
            ),
            Step(
                "whatsapp-classes",
                "WhatsApp message classes",
                lambda: protos.generate_whatsapp_classes(self.log, self._library_directory() / "proto"),
                after=(self._packages, "go-modules"),
                inputs=lambda: [*_module_files(paths.ENGINE_HOST), generator, paths.ROOT / "uv.lock"],
                outputs=(paths.GENERATED_PYTHON / "wa" / "waE2E" / "WAWebProtobufsE2E_pb2.py",),
            ),
            Step(
                "dictionary",
                "Token dictionary of the simulated network",
                self._write_dictionary,
                after=("engine",),
                inputs=lambda: [paths.ENGINE_BINARY],
                outputs=(paths.GENERATED_DICTIONARY,),
            ),
        ]

    def _web_steps(self) -> list[Step]:
        has_web = (paths.WEB / "package.json").is_file() and (paths.WEB / "package-lock.json").is_file()
        missing = None if has_web else "web/ (the web application) is not there"
        no_api = (
            None
            if (paths.ROOT / "src/blazz/gateway/app.py").is_file()
            else "src/blazz/gateway (the HTTP API) is not there"
        )
        return [
            Step(
                "web-packages",
                "Web packages",
                self._install_web_packages,
                after=(self._packages,) if self.node.packaged else (),
                inputs=lambda: [paths.WEB / name for name in ("package.json", "package-lock.json")],
                facts=lambda: [self.node.fact],
                outputs=(paths.WEB / "node_modules" / ".package-lock.json",),
                missing=missing,
            ),
            Step(
                "openapi",
                "OpenAPI document",
                self._write_openapi,
                after=(self._packages, "engine-stubs", "whatsapp-classes"),
                inputs=lambda: files_below(paths.ROOT / "src" / "blazz", (".py",)),
                outputs=(paths.OPENAPI,),
                missing=no_api,
            ),
            Step(
                "web",
                "Web application",
                self._build_web,
                after=("web-packages", "openapi"),
                inputs=_web_sources,
                facts=lambda: [self.node.fact],
                outputs=(paths.WEB / "dist" / "index.html",),
            ),
        ]

    def _second_client(self) -> Step:
        return Step(
            "second-client",
            "Second WhatsApp client for the tests (Baileys)",
            lambda: self._npm(*_INSTALL, cwd=paths.SECOND_CLIENT),
            # After the web packages: npm's cache takes one at a time.
            after=("web-packages",),
            inputs=lambda: [paths.SECOND_CLIENT / name for name in ("package.json", "package-lock.json")],
            facts=lambda: [self.node.fact],
            outputs=(paths.SECOND_CLIENT / "node_modules" / ".package-lock.json",),
        )

    def _go(self, *arguments: str | Path) -> str:
        return self.log.run(["go", *arguments], cwd=paths.ENGINE_HOST, env=go_environment(self.go), timeout_s=1200)

    def _npm(self, *arguments: str, cwd: Path = paths.WEB) -> None:
        self.log.run(["npm", *arguments], cwd=cwd, env=node_environment(self.node), timeout_s=900)

    def _download_modules(self) -> None:
        self._go("mod", "download")

    def _library_directory(self) -> Path:
        return Path(self._go("list", "-m", "-f", "{{.Dir}}", WHATSAPP_LIBRARY).strip())

    def _compile_libraries(self) -> None:
        """Compiles what the engine host imports while Python's packages still arrive; the build then finds it ready."""
        only_theirs = "{{if and .Module (not .Error)}}{{if not .Module.Main}}{{.ImportPath}}{{end}}{{end}}"
        packages = self._go("list", "-e", "-deps", "-f", only_theirs, "./cmd/...").split()
        if packages:
            self._go("build", *packages)

    def _install_go_tools(self, packages: Iterable[str]) -> None:
        paths.TOOL_BIN.mkdir(parents=True, exist_ok=True)
        self._go("build", "-ldflags=-s -w", "-o", f"{paths.TOOL_BIN}/", *packages)

    def _build_engine(self) -> None:
        flags = ["-ldflags", f"-s -w -X main.version={product_version()}"]
        # A running engine keeps its file: the new one is renamed over it, never written into it.
        new = paths.ENGINE_BINARY.with_suffix(".new")
        self._go("build", *flags, "-o", new, "./cmd/blazz-engine")
        new.replace(paths.ENGINE_BINARY)

    def _write_dictionary(self) -> None:
        text = self.log.run([paths.ENGINE_BINARY, "dictionary"], cwd=paths.ROOT, timeout_s=60)
        try:
            json.loads(text)
        except ValueError as error:
            raise SetupError(f"build/blazz-engine dictionary did not print JSON: {error}") from error
        paths.GENERATED_DICTIONARY.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(paths.GENERATED_DICTIONARY, text)

    def _write_openapi(self) -> None:
        text = self.log.run([paths.VENV / "bin" / "blazz", "openapi"], cwd=paths.ROOT, timeout_s=120)
        write_if_changed(paths.OPENAPI, text)

    def _install_web_packages(self) -> None:
        self._npm(*_INSTALL)

    def _build_web(self) -> None:
        self._npm("run", "generate")
        self._npm("run", "build")


def product_version() -> str:
    """The version in src/blazz/__init__.py, read without importing the product."""
    text = (paths.ROOT / "src" / "blazz" / "__init__.py").read_text()
    match = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if match is None:
        raise SetupError("src/blazz/__init__.py names no __version__.")
    return match[1]


def write_if_changed(path: Path, text: str) -> None:
    """Leaves an equal file alone, so that what is built from it is not built again."""
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def _made(path: Path) -> str:
    """When a file was made, as a fact for a stamp: a new environment is an empty one."""
    return str(path.stat().st_mtime_ns) if path.exists() else "missing"


def _module_files(module: Path) -> list[Path]:
    return [module / "go.mod", module / "go.sum"]


def _web_sources() -> Iterable[Path]:
    made_by_build = {paths.WEB / "src" / "api" / "schema.d.ts"}
    return (path for path in files_below(paths.WEB) if path not in made_by_build and path.suffix != ".tsbuildinfo")
