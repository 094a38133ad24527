"""Runs `archive_api.serve.run` on a home in a process of its own, for tests that end it by signals."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from archive_api.errors import ApiError
from archive_api.home import load_home
from archive_api.operation.logs import configure_logging
from archive_api.operation.settings import ProcessSettings
from archive_api.serve import ServerAddress, run


def say(address: ServerAddress) -> None:
    print(json.dumps({"api": address.api, "rpc_url": address.rpc_url, "metrics": address.metrics}), flush=True)


def main() -> int:
    configure_logging(ProcessSettings())
    try:
        run(load_home(Path(sys.argv[1])), ready_callback=say)
    except ApiError as error:
        print(json.dumps({"code": error.code}), flush=True)
        return 2
    print(json.dumps({"stopped": True}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
