"""Our signatures of S3, COS, OSS and OBS requests against the vendors' own npm packages, on the same random requests."""
import base64
import datetime
import json
import os
import pathlib
import random
import subprocess
import urllib.parse

import pytest

from harness import BIN

HERE = pathlib.Path(__file__).resolve().parent
TOOL = pathlib.Path(BIN).parent / "tests" / "cloud_sign_tool"
REQUESTS = 300
PIECES = ["a", "Z", "0", " ", "  ", "+", "%", "%2F", "/", "//", "~", "-", "_", ".", "..", "!", "'", "(", ")", "*", "&", "=", "?", "#", ";",
          ":", "@", "$", ",", "[", "\"", "\\", "|", "腾讯云", "é", "\u0301", "😀", "\t", "\x7f", "photo", ".jpg"]
# A date every cloud spells in its own way, and what else the dialect's requests carry.
NAMES = {
    "s3": {"prefix": "x-amz-", "more": ["range", "if-match", "if-none-match", "cache-control", "content-type", "content-md5", "content-encoding"]},
    "cos": {"prefix": "x-cos-", "more": ["range", "if-match", "if-none-match", "content-md5", "content-encoding", "content-type"]},
    "oss": {"prefix": "x-oss-", "more": ["range", "if-match", "content-type", "content-md5", "cache-control"]},
    "obs": {"prefix": "x-obs-", "more": ["range", "if-match", "content-type", "content-md5", "cache-control"]},
}
QUERIES = [
    [], [["uploads", None]], [["partNumber", "7"], ["uploadId", "a+b/c=="]], [["versionId", "v 1+2"]], [["tagging", None]],
    [["tagging", None], ["versionId", "null"]], [["versions", None], ["prefix", "a b/腾"], ["key-marker", "k+%"], ["max-keys", "1000"]],
    [["list-type", "2"], ["prefix", "ü&="], ["continuation-token", "1/x+=="], ["encoding-type", "url"], ["max-keys", "5"]],
    [["versioning", None]], [["response-content-type", "text/plain; charset=utf-8"], ["versionId", "3"]],
]


def a_request(rng, dialect):
    """Random, and possible: names as HTTP has them, values without line ends."""
    when = datetime.datetime.fromtimestamp(1_600_000_000 + rng.randrange(200_000_000), datetime.timezone.utc)
    basic, http = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%a, %d %b %Y %H:%M:%S GMT")
    names = NAMES[dialect]
    headers = {"host": f"bucket-1250000000.{dialect}.example.com"}
    for name in names["more"]:
        if rng.random() < 0.4:
            headers[name] = {"content-md5": base64.b64encode(rng.randbytes(16)).decode(), "range": "bytes=0-99"}.get(
                name, rng.choice(["text/plain", "\"a b  c\"", "*", "x,y; q=1"]))
    for i in range(rng.randrange(6)):
        headers[f"{names['prefix']}meta-{rng.choice('abcz')}{i}"] = rng.choice(["v", "a b", "1+2=3/", "äö 腾" if dialect == "cos" else "x%20y"])
    payload = rng.choice(["UNSIGNED-PAYLOAD", rng.randbytes(32).hex()])
    if dialect in ("s3", "oss"):
        headers[f"{names['prefix']}date"] = basic
        headers[f"{names['prefix']}content-sha256"] = payload
    if dialect == "obs":
        headers["x-obs-date"] = http
    order = list(headers.items())
    rng.shuffle(order)
    query = [q for q in rng.choice(QUERIES)]
    rng.shuffle(query)
    return {"dialect": dialect, "method": rng.choice(["GET", "PUT", "POST", "HEAD", "DELETE"]), "query": query, "headers": order,
            "path": "/" + "".join(rng.choice(PIECES) for _ in range(rng.randrange(9))), "bucket": "bucket-1250000000" if dialect in ("oss", "obs") else "",
            "region": rng.choice(["us-east-1", "cn-north-4"]), "payload": payload, "time": int(when.timestamp()),
            "access_key": "AKID" + rng.randbytes(8).hex(), "secret_key": base64.b64encode(rng.randbytes(rng.choice([20, 30, 90]))).decode()}


def ask(words, lines):
    done = subprocess.run([str(w) for w in words], input=lines, capture_output=True, text=True, timeout=120, cwd=HERE, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def packages():
    if not (HERE / "node_modules" / "esdk-obs-nodejs").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=HERE, check=True, capture_output=True)


@pytest.mark.parametrize("dialect", list(NAMES))
def test_signatures_are_those_of_the_vendors_own_package(packages, dialect):
    seed = int(os.environ.get("HOLDFAST_SEED") or random.SystemRandom().randrange(1 << 32))
    rng = random.Random(f"{seed} {dialect}")
    requests = [a_request(rng, dialect) for _ in range(REQUESTS)]
    lines = "".join(json.dumps(r) + "\n" for r in requests)
    theirs = ask(["node", "cloud_sign.mjs"], lines)
    ours = [line.split("\t") for line in ask([TOOL], lines)]
    assert len(theirs) == len(ours) == REQUESTS
    for request, want, (got, url) in zip(requests, theirs, ours):
        assert got == want, f"HOLDFAST_SEED={seed}\n{json.dumps(request, ensure_ascii=False)}"
        assert urllib.parse.unquote(url.split("?")[0]) == request["path"]
