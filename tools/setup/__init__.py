"""Builds everything that the repository does not hold: environment, engine host, generated code, web application.

Runs on a bare Python 3.11 with the standard library only, because it runs before any dependency is installed.
"""
