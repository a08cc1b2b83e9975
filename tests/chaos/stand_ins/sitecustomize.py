"""Python runs this at its start where this folder is in PYTHONPATH: parts of the service then get stand-in models.

Nothing else about them changes: the same commands, processes, supervisors, connections.
"""

import sys

_PARTS = ("emoscribe", "_bentoml_impl.worker.service")

if any(word in _PARTS for word in sys.orig_argv):
    from tests.chaos import stand_in_models

    stand_in_models.take_their_place()
