"""An archive in which a bit of everything happened: what a rebuild, a check or a backup has before it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlmodel import Session

from archive_api.access_log.keeper import LogKeeper
from archive_api.db.engine import Database
from archive_api.recovery.compare import Comparison, compare
from archive_api.recovery.keeping import FactKeeper
from archive_api.recovery.rebuild import Rebuild
from archive_api.recovery.report import RebuildReport
from archive_api.streams.keeper import StreamKeeper
from archive_api.streams.sequencer import Sequencer
from ledger.types import ROLES, Role
from tests.api.datasets_world import City
from tests.api.epcis_world import EpcisWorld, object_event
from tests.api.houses import entry_of_model, house
from tests.api.test_encryption import Encryption
from tests.api.world import Prepared, World, build_world


@dataclasses.dataclass
class Lived:
    """The archive, and what a test wants to know of its past."""

    world: World
    encryption: Encryption
    accepted: Prepared
    events: EpcisWorld

    def keep(self) -> None:
        """See `keep`."""
        keep(self.world)

    def rebuild(self, folder: Path, *, logs: Path | None = None, **options: Any) -> tuple[Database, RebuildReport]:
        """Rebuild into a new database of a folder; logs too, where no folder of logs is given."""
        folder.mkdir(exist_ok=True)
        database = Database(f"sqlite:///{folder}/rebuilt.db")
        database.migrate()
        services = self.world.services
        keys = [self.encryption.stores[self.world.archive.certificate.organisation_code]]
        rebuild = Rebuild(
            database=database,
            reader=services.chain,
            store=options.pop("store", services.store),
            trust=services.trust,
            logs=logs or folder / "logs",
            keys=options.pop("keys", keys),
        )
        return database, rebuild.run(**options)

    def compare(self, rebuilt: Database) -> Comparison:
        """Hold the archive's own catalogue against a rebuilt one."""
        with connected(rebuilt) as expected, connected(self.world.services.database) as actual:
            return compare(expected, actual)


def keep(world: World) -> None:
    """What the server's threads do, until nothing remains to be done."""
    services = world.services
    Sequencer(services).round(publish=True)
    services.access_log.writer.publish()
    logs = world.home.logs_dir
    keeper = FactKeeper(services, logs)
    streams = StreamKeeper(services)
    log_keeper = LogKeeper(services)
    for _ in range(2):
        world.get("/buildings")
        services.access_log.writer.publish()
        keeper.collect()
        keeper.anchor(now=True)
        streams.round(now=True)
        log_keeper.anchor(now=True)
        world.settle()


@contextmanager
def connected(database: Database) -> Iterator[Connection]:
    with database.reading() as session:
        assert isinstance(session, Session)
        yield session.connection()


def live(folder: Path, **options: Any) -> Lived:
    """Start an archive and let it live; `options` are settings of the server."""
    world = build_world(folder, **options)
    building = world.post(
        "/buildings", {"scheme": "yunshang", "value": "440106-R000001", "name": "珠江大厦", "address": "天河路 1 号"}
    )
    key = building["building_key"]
    world.post(f"/buildings/{key}/aliases", {"scheme": "yunshang", "value": "440106-R000002"})
    unit = world.post(f"/buildings/{key}/unit-projects", {"code": "U01", "name": "主体工程"})
    roster = world.roster()
    world.post(f"/unit-projects/{unit['unit_project_key']}/rosters", roster)
    world.settle()
    design = house(rating="乙级")
    first = world.accepted(
        unit,
        {"A/立项批复.pdf": b"approval", "B/大文件.bin": bytes(range(256)) * 4000, "D/1号楼.ifc": design},
        models=[entry_of_model(design, "D/1号楼.ifc")],
    )
    shown = world.show(first)
    second = world.anchored(unit, relation={"kind": "supplements", "submission": shown["submission_id"]})
    world.post(f"/submissions/{second.ref}/return", world.return_body(second, [(0, "缺页"), (None, "重做")]), 202)
    world.settle()
    encryption = Encryption(world)
    handover, prepared = encryption.frozen()
    for role in ROLES:
        world.seal(prepared, role)
    world.settle()
    withdrawn = world.frozen()
    world.post(f"/submissions/{withdrawn.ref}/withdrawal", world.withdrawal(withdrawn, Role.OWNER), 200)
    world.settle()
    world.draft(unit)
    epcis = EpcisWorld(world, key)
    epcis.capture(object_event(), object_event(bizStep="shipping"))
    epcis.capture(object_event())
    city = City(world)
    roads = city.version("urn:test:roads")
    city.send(roads)
    city.send(city.version("urn:test:plan"))
    stopped = world.key_store(world.parties[Role.OWNER].certificate.organisation_code, "云山建设开发有限公司")
    world.register(stopped.certificate.der)
    world.settle()
    world.post(f"/certificates/{stopped.certificate.certificate_id.hex()}/revocation", {"reason": "superseded"})
    world.settle()
    del handover
    return Lived(world, encryption, first, epcis)
