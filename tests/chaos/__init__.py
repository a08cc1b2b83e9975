"""Chaos: the service in its separate parts, while parts die, networks fail and disks fill. `python -m tests.chaos`."""
