"""Garbage for everything that reads what comes from outside: a little of it in every run, much with `make fuzz`."""
