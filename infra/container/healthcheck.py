"""Ends with 0 if the part that runs in this container answers.

    python healthcheck.py [/livez | /readyz]        at EMOSCRIBE_PORT, 3000

Only the standard library, so that it may be started every few seconds: python -I -S.
"""

import os
import sys
from urllib.request import urlopen

port = os.environ.get("EMOSCRIBE_PORT", "3000")
path = sys.argv[1] if len(sys.argv) > 1 else "/livez"

try:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=4):  # an address of ours
        pass
except OSError as error:  # HTTPError is one
    sys.exit(f"{path} on port {port}: {error}")
