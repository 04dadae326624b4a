"""`python -m tools.settings_table [--check]`: writes docs/operations/settings.md, every variable that Blazz reads.

Defaults, bounds and meanings come from the settings themselves, so the page cannot tell anything else.
"""

from __future__ import annotations

import argparse
import sys
import typing
from collections.abc import Sequence
from types import NoneType

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from blazz.kit.settings import Settings
from tools.setup import paths

PAGE = paths.ROOT / "docs" / "operations" / "settings.md"
_HEAD = """\
# Settings

Environment variables, or lines `NAME=value` of the file that `BLAZZ_ENV_FILE` names. Written by
`python -m tools.settings_table` from the settings themselves; a test says when it is out of date. Paths may be relative
to where the program starts; times are in seconds unless the name says otherwise.

| variable | default | meaning |
|---|---|---|
"""
_FOOT = """
Read by commands alone:

| variable | meaning |
|---|---|
| `BLAZZ_ENV_FILE` | a file with any of the settings above |
| `BLAZZ_URL`, `BLAZZ_API_KEY` | where `blazz accounts` and `blazz send` find a running Blazz, and the key they use |
"""


def variable_of(name: str, field: FieldInfo) -> str:
    """Return the environment variable of a setting."""
    return str(field.validation_alias or f"BLAZZ_{name.upper()}")


def render() -> str:
    """Return the page."""
    return _HEAD + "".join(_row(name, field) for name, field in Settings.model_fields.items()) + _FOOT


def _row(name: str, field: FieldInfo) -> str:
    if not field.description:
        raise SystemExit(f"The setting {name} has no description.")
    default = "" if field.default is None else f"`{_shown(field.default)}`"
    return f"| `{variable_of(name, field)}` | {default} | {field.description}{_limits(field)} |\n"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _limits(field: FieldInfo) -> str:
    """Return which values are taken, where the type alone does not say it."""
    kinds = [kind for kind in (typing.get_args(field.annotation) or (field.annotation,)) if kind is not NoneType]
    choices = [one for one in kinds if isinstance(one, str)]
    for kind in kinds:
        choices += [one for one in typing.get_args(kind) if isinstance(one, str)]
    if choices:
        return " One of " + ", ".join(f"`{choice}`" for choice in choices) + "."
    lowest = next((f"{rule.ge} or more" for rule in field.metadata if isinstance(rule, Ge)), None)
    lowest = lowest or next((f"more than {rule.gt}" for rule in field.metadata if isinstance(rule, Gt)), None)
    highest = next((f"at most {rule.le}" for rule in field.metadata if isinstance(rule, Le)), None)
    said = ", ".join(part for part in (lowest, highest) if part)
    return f" ({said})" if said else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; with --check only compare, and return 1 when it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.settings_table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    wanted = render()
    if not parser.parse_args(arguments).check:
        PAGE.write_text(wanted)
    elif not PAGE.exists() or PAGE.read_text() != wanted:
        print("docs/operations/settings.md is out of date. Run: python -m tools.settings_table", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
