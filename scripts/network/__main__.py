"""`make network` and `make network-down`.

python -m scripts.network up [--folder var/network]       makes, starts and checks a network; may be repeated
python -m scripts.network down [--folder var/network]     stops what `up` started, and nothing else
python -m scripts.network check [--folder var/network]    exit 1 where something is not as it should be
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.engines import EngineError
from scripts.network.checks import check_network
from scripts.network.city import City
from scripts.network.processes import StartError

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=("up", "down", "check"))
    arguments.add_argument("--folder", type=Path, default=ROOT / "var" / "network")
    chosen = arguments.parse_args()
    try:
        city = City(chosen.folder)
        if chosen.what == "down":
            city.down()
            return 0
        city.up()
        findings = check_network(city)
    except (EngineError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, finding in findings:
        print(f"{'!!' if finding else 'ok'}  {name}{': ' + finding if finding else ''}", flush=True)
    if any(finding for _, finding in findings):
        return 1
    print(
        f"\n接口与网页 API and pages   {city.front.url if city.front else ''}"
        f"\n两个接口进程 API processes   {' '.join(process.url for process in city.apis)}"
        f"\n公开的只读节点 published RPC {city.rpc.url if city.rpc else ''}"
        f"\n验证节点 validators         {' '.join(validator.rpc_url for validator in city.validators)}"
        f"\nIPFS 节点 IPFS nodes        {' '.join(node.address for node in city.ipfs_nodes)}"
        f"\n设置 settings              {city.folder / 'archive.env'}"
        f"\n\n移交示例 a sample handover: .venv/bin/yunshang demo --home {city.home} --no-serve"
        f"\n停止 stop: make network-down"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
