"""Models are read in children with limits, and what they write is there as a whole or not at all."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from ledger.adapters import model_process
from ledger.adapters.model_index import ModelIndex
from ledger.adapters.model_process import ModelProcesses
from ledger.bim.element import ElementProof
from ledger.errors import MalformedError, TransportError

HEADER = b"ISO-10303-21;\nHEADER;\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n"
END = b"ENDSEC;\nEND-ISO-10303-21;\n"
POINT = b"#%d=IFCCARTESIANPOINT((0.,0.,%d.));\n"


def points(count: int) -> bytes:
    """A model of many points."""
    return HEADER + b"".join(POINT % (number, number) for number in range(1, count + 1)) + END


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.ifc"
    path.write_bytes(points(10))
    return path


def test_fingerprints_a_file(model: Path) -> None:
    facts = ModelProcesses().fingerprint(model)
    assert (facts.schema, facts.entities, facts.elements) == ("IFC4", 10, 0)


def test_hands_on_why_a_model_cannot_be_read_and_where(tmp_path: Path) -> None:
    path = tmp_path / "broken.ifc"
    path.write_bytes(HEADER + b"#1=IFCWALL(;")
    with pytest.raises(MalformedError) as caught:
        ModelProcesses().fingerprint(path)
    assert caught.value.where == f"byte {len(HEADER) + 11}"
    path = tmp_path / "broken.ifczip"
    path.write_bytes(b"PK")
    with pytest.raises(MalformedError) as caught:
        ModelProcesses().fingerprint(path)
    assert caught.value.code == "zip_broken"
    assert str(path) not in str(caught.value)


def test_refuses_a_schema_that_may_not_stand_in_an_entry(tmp_path: Path) -> None:
    path = tmp_path / "odd.ifc"
    path.write_bytes(HEADER.replace(b"IFC4", b"IFC4\\X\\07") + b"#1=IFCDIRECTION((1.,0.,0.));\n" + END)
    with pytest.raises(MalformedError) as caught:
        ModelProcesses().fingerprint(path)
    assert caught.value.code == "control_character"


def test_says_of_a_missing_file_that_it_could_not_be_checked(tmp_path: Path) -> None:
    with pytest.raises(TransportError):
        ModelProcesses().fingerprint(tmp_path / "none.ifc")


@pytest.mark.parametrize("size", [20 << 20, 300 << 20])
def test_a_model_that_needs_too_much_memory_is_not_judged(tmp_path: Path, size: int) -> None:
    path = tmp_path / "large.ifc"
    path.write_bytes(points(400_000) if size < 100 << 20 else b"")
    os.truncate(path, size)
    with pytest.raises(TransportError) as caught:
        ModelProcesses(memory_bytes=120 << 20).fingerprint(path)
    assert caught.value.code == "model_limits"


def test_a_model_that_needs_too_much_time_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUNSHANG_BIM_KERNEL", "python")
    path = tmp_path / "large.ifc"
    path.write_bytes(points(300_000))
    with pytest.raises(TransportError) as caught:
        ModelProcesses(seconds=1).fingerprint(path)
    assert caught.value.code == "model_limits"


def test_a_child_that_sleeps_is_ended(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.adapters.model_process._START", "import time; time.sleep(60)")
    monkeypatch.setattr("ledger.adapters.model_process._GRACE_SECONDS", 0.0)
    with pytest.raises(TransportError) as caught:
        ModelProcesses(seconds=1).fingerprint(model)
    assert caught.value.code == "model_limits"


def test_a_child_sees_no_secret_of_the_environment(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YUNSHANG_SECRET", "not for children")
    start = "import os, sys; sys.exit(str([name for name in os.environ if 'SECRET' in name]))"
    monkeypatch.setattr("ledger.adapters.model_process._START", start)
    with pytest.raises(TransportError, match=r": \[\]$"):
        ModelProcesses().fingerprint(model)


def test_nothing_stays_of_what_a_killed_child_was_making(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = model.with_name("target")
    begin = f"import os; open('{model.parent}/.target.%d.new' % os.getpid(), 'w').close(); os.kill(os.getpid(), 9)"
    monkeypatch.setattr(model_process, "_START", begin)
    with pytest.raises(TransportError):
        ModelProcesses().build_index(model, target)
    assert list(model.parent.iterdir()) == [model]


def test_a_child_may_not_fill_the_disk(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = "import sys; sys.path.insert(0, sys.argv[1]); from ledger.adapters import model_process as m; "
    monkeypatch.setattr(model_process, "_START", limited + "m._LEAST_WRITTEN = 1 << 12; m._WRITTEN_TIMES = 0; m.main()")
    with pytest.raises(TransportError) as caught:
        ModelProcesses().build_index(model, model.with_name("target"))
    assert caught.value.code == "model_index"
    assert list(model.parent.iterdir()) == [model]


def test_what_shared_sets_of_properties_would_take_for_each_element_is_not_kept(tmp_path: Path) -> None:
    path, target = tmp_path / "a.ifc", tmp_path / "target"
    doors = [f"#{n}=IFCDOOR('{n:022d}',$,'d',$,$,$,$,$,$,$,$,$,$);" for n in range(1, 101)]
    lines = [*doors]
    for n in range(200, 290, 3):
        lines.append(f"#{n}=IFCPROPERTYSINGLEVALUE('p{n}',$,IFCTEXT('{random.randbytes(8000).hex()}'),$);")
        lines.append(f"#{n + 1}=IFCPROPERTYSET('{n:022d}',$,$,$,(#{n}));")
        all_doors = ",".join(f"#{door}" for door in range(1, 101))
        lines.append(f"#{n + 2}=IFCRELDEFINESBYPROPERTIES('{n + 1:022d}',$,$,$,({all_doors}),#{n + 1});")
    path.write_text(f"ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));ENDSEC;DATA;{''.join(lines)}ENDSEC;END-ISO-10303-21;")
    ModelProcesses().build_index(path, target)
    assert target.stat().st_size < 8 * path.stat().st_size
    with ModelIndex(target) as index:
        assert ElementProof.build(index, f"{1:022d}").verify(index.root).hidden["properties"] == -1


@pytest.mark.parametrize("task", ["index", "change"])
def test_nothing_is_seen_of_what_a_killed_child_was_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    monkeypatch.setenv("YUNSHANG_BIM_KERNEL", "python")
    path, folder = tmp_path / "large.ifc", tmp_path / "made"
    path.write_bytes(points(100_000))
    folder.mkdir()
    processes = ModelProcesses()
    errors: list[BaseException] = []

    def make() -> None:
        try:
            if task == "index":
                processes.build_index(path, folder / "target")
            else:
                processes.change_record(path, path, folder / "target", stages=(None, None))
        except TransportError as error:
            errors.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    time.sleep(0.7)
    processes.stop()
    thread.join(20)
    assert [type(error) for error in errors] == [TransportError]
    assert not (folder / "target").exists()
    monkeypatch.setenv("YUNSHANG_BIM_KERNEL", "native")
    path.write_bytes(points(100))
    make()
    assert (folder / "target").exists()


def test_counts_the_global_ids_that_two_models_share(tmp_path: Path) -> None:
    def walls(*names: str) -> bytes:
        lines = [f"#{n}=IFCWALL('{name:$<22}',$,$,$,$,$,$,$,$);" for n, name in enumerate(names, 1)]
        return HEADER + "\n".join(lines).encode() + END

    one, other = tmp_path / "a.ifc", tmp_path / "b.ifc"
    one.write_bytes(walls("a", "b", "c", "c"))
    other.write_bytes(walls("b", "c", "d"))
    assert ModelProcesses().common_global_ids(one, other) == 2


def test_a_child_writes_no_byte_code_which_its_limit_would_cut_short(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = 'import json, sys; print(json.dumps({"result": {"common": int(sys.dont_write_bytecode)}}))'
    monkeypatch.setattr(model_process, "_START", answer)
    assert ModelProcesses().common_global_ids(model, model) == 1
