"""`python -m archive_api.cli` is `yunshang`."""

import sys

from archive_api.cli import main

sys.exit(main())
