"""Benchmarks: `python -m tests.bench [NAME...]`; each prints a table and writes bench-output/<name>.json.

Speed is reported as ratios within one run on one machine; these are not tests and assert nothing.
"""
