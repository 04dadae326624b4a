"""How set-up skips, orders and reports its steps, and how it lays out generated code."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tools.setup import protos
from tools.setup.commands import CommandLog
from tools.setup.errors import SetupError
from tools.setup.schedule import Schedule, Step
from tools.setup.stamps import Stamp, files_below, fingerprint
from tools.setup.steps import write_if_changed


class Workshop:
    """Steps that write files into a directory and remember the order in which they ran."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.source = directory / "source.txt"
        self.source.write_text("one")
        self.ran: list[str] = []
        self.lines: list[str] = []

    def step(self, name: str, after: tuple[str, ...] = (), *, fails: bool = False, missing: str | None = None) -> Step:
        output = self.directory / f"{name}.out"

        def run() -> None:
            self.ran.append(name)
            if fails:
                raise SetupError("the compiler said no")
            output.write_text(self.source.read_text())

        return Step(name, name, run, after, inputs=lambda: [self.source], outputs=(output,), missing=missing)

    def run(self, *steps: Step) -> dict[str, str]:
        return Schedule(steps, self.directory / "stamps", self.lines.append).run().failed


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_a_second_run_does_nothing(workshop: Workshop) -> None:
    workshop.run(workshop.step("a"), workshop.step("b", ("a",)))
    workshop.lines.clear()
    workshop.run(workshop.step("a"), workshop.step("b", ("a",)))
    assert workshop.ran == ["a", "b"]
    assert workshop.lines == []


def test_a_step_runs_again_when_the_content_of_an_input_changes_not_its_time(workshop: Workshop) -> None:
    workshop.run(workshop.step("a"))
    workshop.source.touch()
    workshop.run(workshop.step("a"))
    assert workshop.ran == ["a"]
    workshop.source.write_text("two")
    workshop.run(workshop.step("a"))
    assert workshop.ran == ["a", "a"]


def test_a_step_runs_again_when_its_output_is_gone(workshop: Workshop) -> None:
    workshop.run(workshop.step("a"))
    (workshop.directory / "a.out").unlink()
    workshop.run(workshop.step("a"))
    assert workshop.ran == ["a", "a"]


def test_a_failed_step_runs_again_and_what_needs_it_waits_while_the_rest_goes_on(workshop: Workshop) -> None:
    steps = [workshop.step("a", fails=True), workshop.step("b", ("a",)), workshop.step("c")]
    assert workshop.run(*steps) == {"a": "the compiler said no"}
    assert sorted(workshop.ran) == ["a", "c"]
    assert workshop.run(workshop.step("a"), workshop.step("b", ("a",)), workshop.step("c")) == {}
    assert sorted(workshop.ran) == ["a", "a", "b", "c"]


def test_a_missing_part_of_the_repository_is_named_and_what_needs_it_is_left_out(workshop: Workshop) -> None:
    steps = [workshop.step("a", missing="engine-host/ is not there"), workshop.step("b", ("a",)), workshop.step("c")]
    outcome = Schedule(steps, workshop.directory / "stamps", workshop.lines.append).run()
    assert outcome.missing == {"a": "engine-host/ is not there"}
    assert workshop.ran == ["c"]


def test_a_step_that_does_not_make_its_output_has_failed(workshop: Workshop) -> None:
    step = Step("a", "a", lambda: None, outputs=(workshop.directory / "never",))
    assert "did not make" in workshop.run(step)["a"]


def test_steps_must_come_after_what_they_need(workshop: Workshop) -> None:
    with pytest.raises(ValueError, match="does not come before"):
        Schedule([workshop.step("a", ("later",))], workshop.directory, workshop.lines.append)


def test_a_fingerprint_knows_names_contents_and_facts(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("x")
    second.write_text("x")
    prints = [
        fingerprint([first]),
        fingerprint([second]),
        fingerprint([first, second]),
        fingerprint([first], ["Go 1.26.8"]),
        fingerprint([first], ["Go 1.27.0"]),
        fingerprint([first, tmp_path / "missing"]),
    ]
    assert len(set(prints)) == len(prints)
    assert fingerprint([first, second], ["p", "q"]) == fingerprint([second, first], ["q", "p"])


def test_an_unreadable_stamp_is_not_fresh(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "stamp")
    assert not stamp.fresh("x", [])
    stamp.write("x")
    assert stamp.fresh("x", [])
    assert not stamp.fresh("y", [])


def test_build_output_is_no_input(tmp_path: Path) -> None:
    for name in ("src/a.ts", "node_modules/b.ts", "dist/c.ts"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert [path.name for path in files_below(tmp_path)] == ["a.ts"]


def test_an_equal_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    write_if_changed(path, "{}")
    before = path.stat().st_mtime_ns
    write_if_changed(path, "{}")
    assert path.stat().st_mtime_ns == before
    write_if_changed(path, "{ }")
    assert path.read_text() == "{ }"


def test_a_failed_command_shows_the_end_of_its_output_and_logs_all_of_it(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "setup.log")
    script = "import sys; [print('line', n) for n in range(200)]; sys.exit('no such module')"
    with pytest.raises(SetupError, match=r"exit 1") as caught:
        log.run([sys.executable, "-c", script], cwd=tmp_path)
    assert "no such module" in str(caught.value)
    assert "line 3\n" not in str(caught.value)
    assert "line 3\n" in (tmp_path / "setup.log").read_text()


def test_a_command_that_never_ends_is_ended_with_its_children(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "setup.log")
    begun = time.monotonic()
    with pytest.raises(SetupError, match="No end after"):
        log.run(["/bin/sh", "-c", "sleep 60 & sleep 60"], cwd=tmp_path, timeout_s=0.3)
    assert time.monotonic() - begun < 20


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "setup.log")
    with pytest.raises(SetupError, match="Cannot run no-such-program"):
        log.run(["no-such-program"], cwd=tmp_path)


PROTO = 'syntax = "proto2";\nimport "waCommon/WACommon.proto";\nimport public "google/protobuf/any.proto";\n'


def test_imports_of_message_definitions_move_below_our_prefix_but_not_googles() -> None:
    assert protos.imports_of(PROTO) == ["waCommon/WACommon.proto", "google/protobuf/any.proto"]
    moved = protos.with_prefix(PROTO, "blazz/_generated/wa")
    assert 'import "blazz/_generated/wa/waCommon/WACommon.proto";' in moved
    assert 'import public "google/protobuf/any.proto";' in moved


def test_everything_that_a_message_definition_imports_comes_along(tmp_path: Path) -> None:
    for name, text in {"a/A.proto": 'import "b/B.proto";', "b/B.proto": 'import "c/C.proto";', "c/C.proto": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    assert sorted(protos.closure(tmp_path, ["a/A.proto"])) == ["a/A.proto", "b/B.proto", "c/C.proto"]


def test_a_definition_that_the_library_no_longer_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"gone/Gone\.proto"):
        protos.closure(tmp_path, ["gone/Gone.proto"])
