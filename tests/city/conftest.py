"""Tests of a city's engines: collected where `make test-engines` asks for them, and then none may be missing."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from city_engines import ALL_ENGINES

collect_ignore_glob = [] if ALL_ENGINES else ["test_*.py"]
