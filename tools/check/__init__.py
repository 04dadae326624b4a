"""`make check` and `make test`: the linters, type checkers, repository rules and test suites of all three languages."""
