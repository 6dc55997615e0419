"""The whole cloud in one process, for a laptop and for tests. Nothing here is deployed."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def _leave_batch_unloaded() -> None:
    """Make `moto.batch` a package whose own code does not run.

    moto's state machines want one enumeration from below it, and the package would load all of EC2 for that: half
    of the time in which the laptop's cloud starts.
    """
    moto = importlib.util.find_spec("moto")
    package = ModuleType("moto.batch")
    package.__path__ = [
        str(Path(place, "batch")) for place in (moto and moto.submodule_search_locations) or []
    ]
    sys.modules.setdefault("moto.batch", package)


_leave_batch_unloaded()
