"""Disks that rot, vanish, come back old, or are replaced, with a real daemon on real folders."""
import os
import pathlib
import random
import shutil
import time

import pytest

from harness import StartFailed
from rawclient import RawClient

SIZES = [0, 10, 5000, 131_072, 200_000, 1_500_000]


def fill(daemon, prefix="k"):
    client = RawClient(daemon.s3)
    client.put("/bkt", b"")
    want = {}
    for i in range(24):
        key, body = f"/bkt/{prefix}{i}", os.urandom(SIZES[i % len(SIZES)])
        assert client.put(key, body)[0] == 200
        want[key] = body
    return want


def check(daemon, want):
    client = RawClient(daemon.s3)
    for key, body in want.items():
        status, got, _ = client.get(key)
        assert status == 200 and got == body, (key, status, len(got))


def disk_states(daemon):
    return {pathlib.Path(d["path"]).name: d["state"] for d in daemon.json("status")["disks"]}


def files(disk):
    return sorted(p for p in disk.rglob("*") if p.is_file() and p.stat().st_size)


def flip(path, offset, bit):
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)[0]
        f.seek(offset)
        f.write(bytes([byte ^ (1 << bit)]))


@pytest.mark.parametrize("when", ["running", "stopped"])
def test_flipped_bytes_of_any_file_of_one_disk_are_never_seen_and_are_healed(make, folder, when):
    seed = int(os.environ.get("HOLDFAST_SEED", time.time_ns() % 10 ** 9))
    print(f"seed {seed}")
    rng = random.Random(seed)
    daemon = make()
    want = fill(daemon)
    for _ in range(4):
        if when == "stopped":
            daemon.stop()
        for path in files(folder / "data" / "disk1"):
            size = path.stat().st_size
            for _ in range(3):
                # Half of the flips where the data surely is, half anywhere (also in the empty rest of a segment).
                flip(path, rng.randrange(min(size, 2_000_000) if rng.random() < 0.5 else size), rng.randrange(8))
        if when == "stopped":
            daemon.start()
        check(daemon, want)
        scrub = daemon.json("scrub")
        assert scrub["unrepairable"] == 0 and scrub["corrupt"] == scrub["repaired"], scrub
        assert daemon.json("scrub")["corrupt"] == 0
        check(daemon, want)
    # What was healed is whole by itself.
    daemon.stop()
    (folder / "data" / "disk2").rename(folder / "away")
    daemon.start()
    assert disk_states(daemon) == {"disk1": "ok", "disk2": "missing"}
    check(daemon, want)
    daemon.stop()


def test_the_same_block_flipped_on_both_disks_is_an_honest_error(make, folder):
    daemon = make()
    client = RawClient(daemon.s3)
    client.put("/bkt", b"")
    marker = os.urandom(64)
    body = os.urandom(300_000) + marker + os.urandom(300_000)
    client.put("/bkt/big", body)
    small = os.urandom(500) + marker[::-1]
    client.put("/bkt/small", small)
    hits = 0
    for disk in ("disk1", "disk2"):
        for path in files(folder / "data" / disk):
            data = path.read_bytes()
            for m in (marker, marker[::-1]):
                at = data.find(m)
                if at >= 0:
                    flip(path, at, 3)
                    hits += 1
    assert hits == 4
    for key, whole in (("/bkt/big", body), ("/bkt/small", small)):
        try:
            status, got, _ = RawClient(daemon.s3).get(key)
        except Exception:
            continue  # ended short: as honest as an error
        assert status >= 500, (key, status)
        assert whole not in got
    assert RawClient(daemon.s3).get("/bkt/big", headers={"range": "bytes=0-999"})[1] == body[:1000]
    assert daemon.json("scrub")["unrepairable"] >= 2
    daemon.stop()


def test_a_missing_disk_is_survived_and_comes_back(make, folder):
    daemon = make()
    want = fill(daemon)
    daemon.stop()
    gone, away = folder / "data" / "disk2", folder / "away"
    gone.rename(away)
    daemon.start()
    assert disk_states(daemon)["disk2"] == "missing" and not gone.exists()
    check(daemon, want)
    want |= fill(daemon, "while-away")
    daemon.stop()
    gone.mkdir()  # a bare mount point: nothing may be written there
    daemon.start()
    assert disk_states(daemon)["disk2"] == "missing" and not list(gone.iterdir())
    daemon.stop()
    gone.rmdir()
    away.rename(gone)
    daemon.start()
    check(daemon, want)
    wait_ok(daemon)
    assert daemon.json("scrub")["unrepairable"] == 0
    daemon.stop()
    # What was written while it was away is on it now: it can serve alone.
    (folder / "data" / "disk1").rename(folder / "away1")
    daemon.start()
    check(daemon, want)
    daemon.stop()


def wait_ok(daemon, seconds=60):
    deadline = time.monotonic() + seconds
    while set(disk_states(daemon).values()) != {"ok"}:
        assert time.monotonic() < deadline, disk_states(daemon)
        time.sleep(0.5)


def test_two_halves_never_each_go_on_alone(make, folder):
    daemon = make()
    want = fill(daemon)
    daemon.stop()
    one, two = folder / "data" / "disk1", folder / "data" / "disk2"
    two.rename(folder / "two")
    daemon.start()
    want |= fill(daemon, "alone")
    daemon.stop()
    one.rename(folder / "one")
    (folder / "two").rename(two)
    with pytest.raises(StartFailed) as e:
        daemon.start()
    assert "disk1" in str(e.value)
    (folder / "one").rename(one)
    daemon.start()
    check(daemon, want)
    wait_ok(daemon)
    daemon.stop()


def test_a_dead_disk_is_replaced_while_serving(make, folder):
    daemon = make()
    want = fill(daemon)
    old, new = folder / "data" / "disk2", folder / "fresh"
    shutil.rmtree(old)
    check(daemon, want)
    want |= fill(daemon, "after")
    new.mkdir()
    disks = daemon.json("disk", "replace", str(old), str(new))
    assert {pathlib.Path(d["path"]).name: d["state"] for d in disks} == {"disk1": "ok", "fresh": "ok"}
    check(daemon, want)
    assert daemon.json("scrub")["unrepairable"] == 0
    daemon.stop()
    daemon.start()
    check(daemon, want)
    daemon.stop()
    (folder / "data" / "disk1").rename(folder / "gone")
    daemon.start()  # the new disk alone holds everything
    check(daemon, want)
    daemon.stop()


def test_a_disk_that_disagrees_with_the_recorded_set_is_an_error(make, folder):
    daemon = make()
    daemon.stop()
    daemon.disks = [str(folder / "data" / "disk1"), str(folder / "other")]
    with pytest.raises(StartFailed) as e:
        daemon.start()
    assert "disk replace" in str(e.value)
    assert not (folder / "other").exists() or not list((folder / "other").iterdir())


def test_one_disk_must_be_said_aloud(make, folder):
    daemon = make(start=False, disks=[folder / "only"])
    with pytest.raises(StartFailed) as e:
        daemon.start()
    assert "--copies 1" in str(e.value)
    daemon.extra = ["--copies", "1"]
    daemon.start()
    check(daemon, fill(daemon))
    daemon.stop()


def test_rebuild_gives_the_same_answers(make, folder):
    daemon = make(virtual=True)
    daemon.cli("account", "create", "acme", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos")
    daemon.cli("account", "topup", "acme", "5.00")
    key = daemon.json("key", "create", "--account", "acme")
    c = daemon.s3_client(key["access_key"], key["secret_key"])
    c.create_bucket(Bucket="money")
    c.put_object(Bucket="money", Key="a", Body=os.urandom(3_000_000))
    want = fill(daemon)
    daemon.cli("clock", "advance", "30h")
    c.get_object(Bucket="money", Key="a")["Body"].read()
    c.delete_object(Bucket="money", Key="a")
    daemon.cli("clock", "advance", "3h")
    before = daemon.json("status"), daemon.json("account", "statement", "acme")
    daemon.stop()
    assert daemon.cli("rebuild", "--json").returncode == 0
    daemon.start()
    after = daemon.json("status"), daemon.json("account", "statement", "acme")
    assert after[0]["accounts"] == before[0]["accounts"] and after[1] == before[1]
    assert after[0]["objects"] == before[0]["objects"]
    check(daemon, want)
    daemon.stop()
    shutil.rmtree(folder / "data" / "catalog")
    daemon.start()
    check(daemon, want)
    daemon.stop()
