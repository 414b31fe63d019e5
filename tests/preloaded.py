"""What a server of forks imports last, so that its children begin with nothing to do."""

from __future__ import annotations

import gc
import os
import posix
import sys

# Which lines the imports reached is written here, or each child would write it again. A child is
# measured by itself, and puts its own `_exit` around this one.
if "coverage" in sys.modules and (measured := sys.modules["coverage"].Coverage.current()):
    measured.stop()
    measured.save()
    os._exit = posix._exit

# None of what was imported is garbage, and to look at it again would copy its memory.
gc.collect()
gc.freeze()
