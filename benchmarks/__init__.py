"""Benchmarks: real processes on this machine, one JSON object on the last line. See docs/benchmarks.md."""
