"""`python -m ledger.cli` is `yunshang-verify`."""

import sys

from ledger.cli import main

sys.exit(main())
