"""Import contracts of the rooms that import-linter has no type for; named in pyproject.toml."""

from __future__ import annotations

from dataclasses import dataclass

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


@dataclass(frozen=True)
class Trespass:
    """A module that imports another room's private module."""

    importer: str
    imported: str


def trespasses(graph: ImportGraph, package: str, private: frozenset[str], exempt: frozenset[str]) -> list[Trespass]:
    """Imports of `package.ROOM.PRIVATE` from outside of that room; rooms in `exempt` may import them all.

    A private name covers a module and a package of that name. Rooms that do not exist (yet) break nothing.
    """
    found = []
    for imported in sorted(graph.modules):
        parts = imported.split(".")
        if len(parts) < 3 or parts[0] != package or parts[2] not in private:
            continue
        for importer in sorted(graph.find_modules_that_directly_import(imported)):
            room = importer.split(".")[1] if "." in importer else ""
            if room != parts[1] and room not in exempt:
                found.append(Trespass(importer, imported))
    return found


class PrivateModulesContract(Contract):
    """The modules named in `private` belong to their room: no other room imports them, except those in `exempt`."""

    type_name = "private_modules"

    package = fields.StringField()
    private = fields.ListField(subfield=fields.StringField())
    exempt = fields.ListField(subfield=fields.StringField(), required=False, default=[])

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        private = frozenset(str(name) for name in self.private)  # type: ignore[attr-defined]
        exempt = frozenset(str(name) for name in self.exempt)  # type: ignore[attr-defined]
        found = trespasses(graph, str(self.package), private, exempt)
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for trespass in check.metadata["found"]:
            output.print_error(f"{trespass.importer} imports {trespass.imported}, which is private to its room.")
