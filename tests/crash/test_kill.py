"""kill -9 at random instants under concurrent writers: nothing acknowledged is lost, nothing unacknowledged is half there."""
import hashlib
import os
import random
import re
import threading
import time

from harness import RELEASE_BIN
from rawclient import RawClient

KILLS = int(os.environ.get("HOLDFAST_KILLS", "100"))
WRITERS = 6
PART = 5 << 20


def content(key, size):
    """The bytes that a key of this size must hold: a torn or mixed object cannot have them."""
    block = hashlib.sha256(key.encode()).digest() * 64
    return (block * (size // len(block) + 1))[:size]


def digest(value):
    """What is remembered of a content: thousands of kills leave more objects than fit in memory."""
    return None if value is None else hashlib.sha256(value).digest()


class Writer(threading.Thread):
    """Puts, overwrites and deletes its own keys until the daemon dies; remembers what was acknowledged and what was in flight."""

    def __init__(self, endpoint, name, seed, state):
        super().__init__(daemon=True)
        self.client, self.prefix, self.random = RawClient(endpoint, timeout=20), name, random.Random(seed)
        self.state = state  # key -> set of digests of allowed contents (None: absent)
        self.acknowledged = 0

    def run(self):
        try:
            while True:
                self.step()
        except Exception:
            return  # the daemon was killed

    def step(self):
        r = self.random
        known = [k for k in self.state if k.startswith(f"/bkt/{self.prefix}/")]
        if known and r.random() < 0.15:
            key = r.choice(known)
            self.change("DELETE", key, None, b"")
        elif r.random() < 0.01:
            self.multipart(f"/bkt/{self.prefix}/m{r.randrange(10 ** 9)}")
        else:
            key = r.choice(known) if known and r.random() < 0.2 else f"/bkt/{self.prefix}/{r.randrange(10 ** 9)}"
            size = r.choice([131_072, 131_073, 700_000]) if r.random() < 0.05 else r.choice([0, 1, 100, 4096, 20_000])
            self.change("PUT", key, content(f"{key}{r.random()}", size), None)

    def change(self, method, key, value, body):
        before = self.state.get(key, {None})
        self.state[key] = before | {digest(value)}  # in flight: either
        status, answer, _ = self.client.request(method, key, value if body is None else body)
        assert status in (200, 204), (status, answer)
        self.state[key] = {digest(value)}
        self.acknowledged += 1

    def multipart(self, key):
        value = content(key, PART + 1000)
        _, answer, _ = self.client.request("POST", key, query="uploads=")
        upload = re.search(rb"<UploadId>([^<]+)", answer).group(1).decode()
        tags = []
        for i, part in enumerate([value[:PART], value[PART:]], 1):
            status, _, headers = self.client.put(key, part, query=f"partNumber={i}&uploadId={upload}")
            assert status == 200
            tags.append(headers["ETag"])
        parts = "".join(f"<Part><PartNumber>{i}</PartNumber><ETag>{t}</ETag></Part>" for i, t in enumerate(tags, 1))
        self.state[key] = {None, digest(value)}
        status, answer, _ = self.client.request("POST", key, f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode(),
                                                query=f"uploadId={upload}")
        assert status == 200 and b"<ETag>" in answer
        self.state[key] = {digest(value)}
        self.acknowledged += 1


def verify(client, state, keys):
    for key in keys:
        status, body, _ = client.get(key)
        seen = digest(body) if status == 200 else None
        assert status in (200, 404), (key, status, body)
        assert seen in state[key], f"{key}: status {status}, {len(body)} bytes, none of the {len(state[key])} states it may have"
        state[key] = {seen}


def test_no_acknowledged_object_is_lost_over_many_kills(make):
    seed = int(os.environ.get("HOLDFAST_SEED", time.time_ns() % 10 ** 9))
    print(f"seed {seed}, {KILLS} kills")
    rng = random.Random(seed)
    daemon = make(binary=RELEASE_BIN)
    client = RawClient(daemon.s3)
    assert client.put("/bkt", b"")[0] == 200
    state, acknowledged = {}, 0
    for kill in range(KILLS):
        writers = [Writer(daemon.s3, f"w{i}", rng.random(), state) for i in range(WRITERS)]
        before = {k: v for k, v in state.items()}
        for w in writers:
            w.start()
        time.sleep(rng.uniform(0.02, 0.4))
        daemon.kill()
        for w in writers:
            w.join(30)
            assert not w.is_alive()
            w.client.close()
        acknowledged += sum(w.acknowledged for w in writers)
        daemon.start()
        client = RawClient(daemon.s3)
        touched = [k for k in state if state[k] != before.get(k)]
        verify(client, state, touched + rng.sample(sorted(state), min(20, len(state))))
    verify(client, state, sorted(state))
    listed = set()
    token = ""
    while True:
        _, page, _ = client.get("/bkt", query="list-type=2" + (f"&continuation-token={token}" if token else ""))
        listed |= {"/bkt/" + k.decode() for k in re.findall(rb"<Key>([^<]+)", page)}
        more = re.search(rb"<NextContinuationToken>([^<]+)", page)
        if not more:
            break
        import urllib.parse
        token = urllib.parse.quote(more.group(1).decode(), safe="")
    assert listed == {k for k, v in state.items() if v != {None}}
    scrub = daemon.json("scrub")
    assert scrub["unrepairable"] == 0 and scrub["corrupt"] == 0
    assert acknowledged > KILLS
    print(f"{acknowledged} acknowledged changes, {len(state)} keys")
    daemon.stop()
