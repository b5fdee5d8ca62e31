"""kill -9 of a daemon that earns money: no write is priced twice or missed, no top-up is posted twice, reads never cost more than was read."""
import datetime
import os
import random
import threading
import time
from decimal import Decimal

from harness import RELEASE_BIN
from rawclient import RawClient

KILLS = int(os.environ.get("HOLDFAST_MONEY_KILLS", str(max(int(os.environ.get("HOLDFAST_KILLS", "100")) // 10, 3))))
SIZE = 1000  # bytes of each object
TOPUP = "0.01"


class Client(threading.Thread):
    """Asks again and again until the daemon dies."""

    def __init__(self, endpoint, key, act):
        super().__init__(daemon=True)
        self.client = RawClient(endpoint, timeout=20, access=key["access_key"], secret=key["secret_key"])
        self.act, self.acknowledged, self.sent = act, 0, 0

    def run(self):
        try:
            while True:
                self.sent += 1
                assert self.act(self.client) == 200
                self.acknowledged += 1
        except Exception:
            return  # the daemon was killed


def writer(names):
    return lambda client: client.put(f"/written/{next(names)}", b"x" * SIZE)[0]


def reader(client):
    return client.get("/readonly/one")[0]


class Payer(threading.Thread):
    """Tops up by the command line with a new ref each time; one that got no answer is repeated after the restart."""

    def __init__(self, daemon, refs, unsure):
        super().__init__(daemon=True)
        self.daemon_, self.refs, self.unsure = daemon, refs, unsure

    def run(self):
        while True:
            ref = self.unsure.pop() if self.unsure else f"t{len(self.refs)}"
            self.refs.add(ref)
            if self.daemon_.cli("account", "topup", "acme", TOPUP, "--ref", ref, check=False).returncode:
                self.unsure.append(ref)
                return


def months():
    """The three months that the business time of a test can touch."""
    now = datetime.datetime.now(datetime.timezone.utc).date().replace(day=15)
    for days in (-30, 0, 30):
        yield f"{now + datetime.timedelta(days=days):%Y-%m}"


def statements(daemon):
    return [daemon.json("account", "statement", "acme", "--month", m) for m in months()]


def quantity(statements_, bucket, item):
    return sum(Decimal(x["quantity"]) for s in statements_ for x in s["lines"] if (x["bucket"], x["item"]) == (bucket, item))


def written_of_usage(daemon):
    """Successful writes of the bucket, as `account usage` counts them."""
    return sum(Decimal(x["quantity"]) for m in months() for x in daemon.json("account", "usage", "acme", "--month", m)["lines"]
               if (x["bucket"], x["item"], x["status"]) == ("written", "requests.STANDARD.write", 200))


def check(daemon, others, acknowledged, sent, reads_sent):
    """What was committed is what is there: each object came by one PUT of its own name."""
    objects = daemon.json("status")["objects"] - others
    assert acknowledged <= objects <= sent
    found = statements(daemon)
    assert quantity(found, "written", "requests.STANDARD") == objects + 1  # and the bucket itself
    assert written_of_usage(daemon) == objects + 1
    assert quantity(found, "readonly", "requests.STANDARD") <= reads_sent + others + 1
    assert quantity(found, "readonly", "egress.internet") <= Decimal(reads_sent * SIZE) / 2 ** 30


def check_top_ups(daemon, refs):
    found = statements(daemon)
    posted = [t["ref"] for s in found for t in s["topups"]]
    assert sorted(posted) == sorted(refs | {"first"})
    paid = sum(Decimal(t["amount"]) for s in found for t in s["topups"])
    assert paid == 1000 + Decimal(TOPUP) * len(refs)
    assert Decimal(daemon.account("acme")["balance"]) == paid - sum(Decimal(s["total"]) for s in found)


def test_nothing_is_priced_twice_or_missed_over_many_kills(make):
    seed = int(os.environ.get("HOLDFAST_SEED", time.time_ns() % 10 ** 9))
    print(f"seed {seed}, {KILLS} kills")
    rng = random.Random(seed)
    daemon = make(binary=RELEASE_BIN, virtual=True)
    daemon.cli("account", "create", "acme", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos")
    daemon.cli("account", "topup", "acme", "1000", "--ref", "first")
    key = daemon.json("key", "create", "--account", "acme")
    client = RawClient(daemon.s3, access=key["access_key"], secret=key["secret_key"])
    for path in ("/written", "/readonly", "/readonly/one"):
        assert client.put(path, b"x" * SIZE if path.endswith("one") else b"")[0] == 200
    names, refs, unsure = iter(range(10 ** 9)), set(), []
    acknowledged = sent = read = reads_sent = 0
    for _ in range(KILLS):
        writers = [Client(daemon.s3, key, writer(names)) for _ in range(4)]
        readers = [Client(daemon.s3, key, reader) for _ in range(2)]
        payer = Payer(daemon, refs, unsure)
        threads = [*writers, *readers, payer]
        for t in threads:
            t.start()
        until = time.monotonic() + rng.uniform(0.1, 0.6)
        while rng.random() < 0.7 and time.monotonic() < until:  # hours close meanwhile, the last one perhaps half-way
            daemon.cli("clock", "advance", rng.choice(["5m", "20m", "1h"]))
        time.sleep(max(until - time.monotonic(), 0))
        daemon.kill()
        for t in threads:
            t.join(30)
            assert not t.is_alive()
        acknowledged += sum(w.acknowledged for w in writers)
        sent += sum(w.sent for w in writers)
        read += sum(r.acknowledged for r in readers)
        reads_sent += sum(r.sent for r in readers)
        daemon.start()
        check(daemon, 1, acknowledged, sent, reads_sent)
    while unsure:
        daemon.cli("account", "topup", "acme", TOPUP, "--ref", unsure.pop())
    check_top_ups(daemon, refs)
    assert acknowledged > KILLS and read > KILLS and len(refs) > KILLS
    daemon.cli("clock", "advance", "2h")
    before = statements(daemon)
    daemon.stop()
    daemon.cli("rebuild")
    daemon.start()
    check_top_ups(daemon, refs)
    assert statements(daemon) == before
    print(f"{acknowledged} writes, {read} reads, {len(refs)} top-ups acknowledged")
    daemon.stop()
