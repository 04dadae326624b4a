"""The table of proof is made from the tests' own marks, and says so when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.kinds_table import COLUMNS, Kind, Proof, TableError, collect, read_rows, render

ROWS = [Kind("text", "Text"), Kind("call", "Call", {"send": "Calls are not made."})]


def test_a_cell_names_its_first_test_and_counts_the_others() -> None:
    proofs = [Proof("text", "send", "tests/b.py::test_b"), Proof("text", "send", "tests/a.py::test_a_text_is_sent")]
    page = render(ROWS, proofs)
    assert "| Text (`text`) | [a text is sent](../tests/a.py) and 1 more | not shown yet |" in page
    assert "| Call (`call`) | *Calls are not made.* |" in page


@pytest.mark.parametrize(
    ("proof", "message"),
    [
        (Proof("letter", "send", "tests/a.py::test_a"), "no kind letter"),
        (Proof("text", "sent", "tests/a.py::test_a"), "no column sent"),
        (Proof("call", "send", "tests/a.py::test_a"), "cannot have send"),
    ],
)
def test_a_mark_that_fits_no_cell_is_refused(proof: Proof, message: str) -> None:
    with pytest.raises(TableError, match=message):
        render(ROWS, [proof])


def test_the_data_file_names_only_columns_that_exist(tmp_path: Path) -> None:
    assert next(row.name for row in read_rows()) == "text"
    file = tmp_path / "kinds.toml"
    file.write_text('[[kind]]\nname = "text"\ntitle = "Text"\nwithout.fax = "Nobody has one."\n')
    with pytest.raises(TableError, match="no column fax"):
        read_rows(file)


def test_marks_are_collected_from_functions_parameters_and_modules(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = kind(name, column)\n")
    (tests / "test_marked.py").write_text(
        "import pytest\n"
        "@pytest.mark.kind('text', 'send', 'api')\n"
        "def test_one(): pass\n"
        "@pytest.mark.parametrize('n', [pytest.param(1, marks=pytest.mark.kind('poll', 'page'))])\n"
        "def test_two(n): pass\n"
    )
    (tests / "test_other.py").write_text("raise SystemExit('is not imported')\n")
    assert collect(tmp_path) == {
        Proof("text", "send", "tests/test_marked.py::test_one"),
        Proof("text", "api", "tests/test_marked.py::test_one"),
        Proof("poll", "page", "tests/test_marked.py::test_two"),
    }


def test_every_column_of_the_table_has_a_title() -> None:
    assert list(COLUMNS) == ["send", "receive", "page", "api", "network", "baileys"]
