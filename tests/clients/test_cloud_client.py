"""src/cloud against an endpoint that plays faults, and against Holdfast itself."""
import base64
import hashlib
import json
import os
import pathlib
import subprocess
import time

import pytest

from cloud_endpoint import ACCESS, SECRET, Answer, Endpoint
import harness
from harness import BIN

DRIVE = pathlib.Path(BIN).parent / "tests" / "cloud_drive"
TARGETS = {"s3": "s3://127.0.0.1:{}/bucket", "cos": "cos://127.0.0.1:{}/bucket-1250000000", "oss": "oss://127.0.0.1:{}/bucket",
           "obs": "obs://127.0.0.1:{}/bucket"}


class Client:
    def __init__(self, target, access=ACCESS, secret=SECRET, **settings):
        self.process = subprocess.Popen([str(DRIVE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
        self.send({"target": target, "access_key": access, "secret_key": secret, "deadline_ms": 20000, **settings})

    def send(self, o):
        self.process.stdin.write(json.dumps(o) + "\n")
        self.process.stdin.flush()

    def __call__(self, op, **more):
        if isinstance(more.get("body"), bytes):
            more["body"] = base64.b64encode(more["body"]).decode()
        self.send({"op": op, **more})
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        assert SECRET not in line
        answer = json.loads(line)
        if isinstance(answer, dict) and "body" in answer:
            answer["body"] = base64.b64decode(answer["body"])
        return answer

    def close(self):
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, err
        assert SECRET not in out + err


@pytest.fixture
def endpoint():
    with Endpoint() as e:
        yield e
        assert not e.forged


@pytest.fixture
def client(endpoint):
    made = []

    def one(dialect="s3", **settings):
        made.append(Client(TARGETS[dialect].format(endpoint.port), **settings))
        return made[-1]

    yield one
    for c in made:
        c.close()


def crc64(data):
    """CRC-64/XZ, bit by bit."""
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xC96C5795D7870F42 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFFFFFFFFFF


@pytest.mark.parametrize("dialect,status,code", [
    ("cos", 451, "UnavailableForLegalReasons"), ("oss", 403, "UserDisable"), ("oss", 403, "InDebt"),
    ("obs", 403, "InArrearOrInsufficientBalance"), ("obs", 403, "DeregisterUserId"), ("s3", 403, "AccountProblem")])
def test_arrears_are_told_at_once_and_never_tried_again(endpoint, client, dialect, status, code):
    endpoint.script(Answer(status, code=code))
    c = client(dialect)
    answer = c("put", key="k", body=b"x")
    assert (answer["class"], answer["tries"], answer["code"]) == ("arrears", 1, code)
    assert c("probe")["class"] == "arrears"
    assert len(endpoint.seen) == 2


@pytest.mark.parametrize("dialect", list(TARGETS))
def test_a_server_error_is_tried_again_with_the_whole_body(endpoint, client, dialect):
    body = os.urandom(300_000)
    endpoint.script(Answer(500, code="InternalError"), Answer(503, code="ServiceUnavailable"), Answer(200, headers={"ETag": '"e"'}))
    answer = client(dialect)("put", key="a b/腾+%", body=body, meta={"Color": "blue"})
    assert (answer["class"], answer["tries"], answer["etag"]) == ("ok", 3, "e")
    assert [seen[3] == body for seen in endpoint.seen] == [True] * 3


def test_throttling_waits_as_long_as_the_server_says(endpoint, client):
    endpoint.script(Answer(503, code="SlowDown", headers={"Retry-After": "1"}), Answer(200))
    started = time.monotonic()
    answer = client()("delete", key="k")
    assert (answer["class"], answer["tries"]) == ("ok", 2)
    assert time.monotonic() - started >= 1


def test_a_wrong_clock_is_set_by_the_answers_date_once(endpoint, client):
    endpoint.script(Answer(403, code="RequestTimeTooSkewed", skew=4000), Answer(200, skew=4000))
    c = client()
    assert c("delete", key="k")["class"] == "ok"
    assert 3900 < c("stats")["skew_s"] < 4100
    stamps = [seen[2]["x-amz-date"] for seen in endpoint.seen]
    assert len(stamps) == 2 and stamps[0] != stamps[1]
    endpoint.script(Answer(403, code="RequestTimeTooSkewed", skew=9000))
    answer = c("delete", key="k")
    assert (answer["class"], answer["tries"]) == ("skew", 2)


@pytest.mark.parametrize("status,code,want", [
    (403, "AccessDenied", "denied"), (404, "NoSuchKey", "gone"), (404, "NoSuchBucket", "no-bucket"), (412, "PreconditionFailed", "condition"),
    (400, "InvalidArgument", "refused"), (405, "MethodNotAllowed", "gone")])
def test_what_asking_again_cannot_help_is_asked_once(endpoint, client, status, code, want):
    endpoint.script(Answer(status, code=code))
    answer = client()("get", key="k")
    assert (answer["class"], answer["tries"], answer["code"], answer["status"]) == (want, 1, code, status)
    assert "bucket/k" in answer["err"]


def test_a_connection_cut_in_the_middle_is_begun_again(endpoint, client):
    body = os.urandom(500_000)
    endpoint.script(Answer(200, body, cut=200_000), Answer(200, body, cut=1), Answer(200, body))
    answer = client()("get", key="k")
    assert (answer["class"], answer["tries"], answer["length"]) == ("ok", 3, len(body))
    assert answer["body"] == body


@pytest.mark.parametrize("dialect,prefix", [("cos", "x-cos-"), ("oss", "x-oss-"), ("obs", "x-obs-")])
def test_what_comes_is_held_against_its_crc64(endpoint, client, dialect, prefix):
    body = os.urandom(5000)
    right, wrong = {f"{prefix}hash-crc64ecma": str(crc64(body))}, {f"{prefix}hash-crc64ecma": "1"}
    c = client(dialect)
    endpoint.script(Answer(200, body, headers=wrong), Answer(200, body, headers=right))
    answer = c("get", key="k")
    assert (answer["class"], answer["tries"], answer["body"] == body) == ("ok", 2, True)
    endpoint.script(Answer(200, body, headers=wrong))
    assert (c("get", key="k")["class"], len(endpoint.seen)) == ("corrupt", 2)
    endpoint.script(Answer(200, headers=wrong))
    assert c("put", key="k", body=body)["class"] == "corrupt"
    endpoint.script(Answer(200, headers=right))
    assert c("put", key="k", body=body)["class"] == "ok"


def test_a_put_whose_etag_is_another_md5_is_corrupt(endpoint, client):
    endpoint.script(Answer(200, headers={"ETag": '"' + "0" * 32 + '"'}))
    assert client()("put", key="k", body=b"body", sums=True)["class"] == "corrupt"


@pytest.mark.parametrize("answer", [Answer(200, b"0123456789"), Answer(206, b"01", headers={"Content-Range": "bytes 0-1/10"}),
                                    Answer(206, b"23456", headers={"Content-Range": "bytes 2-6/10"}), Answer(206, b"23")])
def test_another_range_than_was_asked_for_is_corrupt(endpoint, client, answer):
    endpoint.script(answer)
    got = client()("get", key="k", **{"from": 2, "n": 3})
    assert (got["class"], got["body"]) == ("corrupt", b"")


def test_a_server_that_hangs_is_left_after_the_stall_time_out(endpoint, client):
    endpoint.script(Answer(hang=True), Answer(200, b"x"))
    answer = client(stall_ms=300)("get", key="k")
    assert (answer["class"], answer["tries"], answer["body"]) == ("ok", 2, b"x")


def test_the_deadline_ends_all_tries(endpoint, client):
    endpoint.script(Answer(500))
    answer = client()("get", key="k", deadline_ms=1500)
    assert answer["class"] == "retry" and answer["tries"] > 1
    endpoint.script(Answer(hang=True))
    assert client()("get", key="k", deadline_ms=500)["class"] == "retry"


def test_a_refused_connection_is_tried_until_the_deadline():
    c = Client("s3://127.0.0.1:1/bucket")
    answer = c("get", key="k", deadline_ms=800)
    assert answer["class"] == "retry" and answer["status"] == 0 and answer["tries"] > 1
    c.close()


def test_a_complete_that_fails_after_its_200_is_tried_again(endpoint, client):
    good = b"<CompleteMultipartUploadResult><ETag>\"e-1\"</ETag></CompleteMultipartUploadResult>"
    endpoint.script(Answer(200, code="InternalError"), Answer(200, b""), Answer(200, good))
    answer = client()("complete", key="k", upload="u", parts=["p1"])
    assert (answer["class"], answer["tries"], answer["etag"]) == ("ok", 3, "e-1")
    assert b"<PartNumber>1</PartNumber>" in endpoint.seen[0][3]


def test_a_bucket_in_another_region_is_followed_once(endpoint, client):
    endpoint.script(Answer(301, code="PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-1"}), Answer(200))
    c = client()
    assert c("delete", key="k")["class"] == "ok"
    assert ["/eu-west-1/" in seen[2]["authorization"] for seen in endpoint.seen] == [False, True]
    endpoint.script(Answer(301, code="PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-2", "Location": "http://127.0.0.1:1/"}))
    assert (c("delete", key="k")["class"], len(endpoint.seen)) == ("refused", 2)


def test_a_body_that_cannot_be_read_is_no_object(endpoint, client):
    answer = client()("put", key="k", body=b"x" * 2_000_000, broken_at=1)
    assert (answer["class"], answer["tries"]) == ("refused", 1)


def test_a_page_that_is_no_list_is_not_taken_for_an_empty_one(endpoint, client):
    endpoint.script(Answer(200, b""))
    answer = client()("list")
    assert "corrupt" in answer["list"]


def test_the_bandwidth_limit_holds_both_ways(endpoint, client):
    body = os.urandom(600_000)
    c = client(bytes_per_s=1_000_000)
    endpoint.script(Answer(200))
    started = time.monotonic()
    assert c("put", key="k", body=body)["class"] == "ok"
    endpoint.script(Answer(200, body))
    assert c("get", key="k")["body"] == body
    assert time.monotonic() - started > 0.7


def test_many_requests_share_the_connections(endpoint, client):
    endpoint.script(Answer(200, b"x"))
    answers = client(connections=4)("many", keys=[f"k{i}" for i in range(100)])
    assert {a["class"] for a in answers} == {"ok"} and len(endpoint.seen) == 100


def a_certificate(folder, name):
    """Key and certificate in one file, for the address or name given."""
    path = folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", f"subjectAltName={name}", "-keyout", str(path), "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + pathlib.Path(f"{path}.crt").read_text())
    return path


@pytest.mark.parametrize("name,trusted,want", [("IP:127.0.0.1", True, "ok"), ("IP:127.0.0.1", False, "refused"), ("DNS:elsewhere", True, "refused")])
def test_tls_holds_only_for_a_trusted_certificate_of_that_name(folder, name, trusted, want):
    certificate = a_certificate(folder, name)
    with Endpoint(certificate) as endpoint:
        c = Client(f"s3s://127.0.0.1:{endpoint.port}/bucket", **({"ca": f"{certificate}.crt"} if trusted else {}))
        answer = c("put", key="k", body=b"x")
        assert (answer["class"], answer["tries"], len(endpoint.seen)) == (want, 1, int(want == "ok"))
        c.close()


# ---- Holdfast itself ----
@pytest.fixture
def own(daemon):
    daemon.s3_client().create_bucket(Bucket="copies")
    c = Client(daemon.s3.replace("http", "s3") + "/copies", harness.ACCESS, harness.SECRET)
    yield c
    c.close()


def test_objects_go_to_holdfast_and_come_back(own):
    body = os.urandom(700_001)
    key = "dir/a b+c%2F/腾讯云 é?&=#.jpg"
    put = own("put", key=key, body=body, sums=True, headers={"Content-Type": "image/jpeg", "Cache-Control": "no-cache"}, meta={"Color": "blue"},
              tags="a=1&b=x%20y")
    assert put["class"] == "ok" and put["etag"] == hashlib.md5(body).hexdigest()
    head = own("head", key=key)
    assert (head["class"], head["length"], head["etag"]) == ("ok", len(body), put["etag"])
    assert {"content-type": "image/jpeg", "cache-control": "no-cache", "x-amz-meta-color": "blue"}.items() <= head["got"].items()
    assert own("get", key=key)["body"] == body
    part = own("get", key=key, n=5, **{"from": 100})
    assert (part["body"], part["length"]) == (body[100:105], len(body))
    assert own("get", key=key, **{"from": len(body) - 3})["body"] == body[-3:]
    assert sorted(own("get-tags", key=key)["tags"].split("&")) == ["a=1", "b=x%20y"]
    assert own("put-tags", key=key, tags="c=3&d=%2B")["class"] == "ok"
    assert sorted(own("get-tags", key=key)["tags"].split("&")) == ["c=3", "d=%2B"]
    assert [e["key"] for e in own("list", prefix="dir/")["list"]["entries"]] == [key]
    assert own("delete", key=key)["class"] == "ok"
    assert own("get", key=key)["class"] == "gone"
    assert own("probe")["class"] == "ok"
    empty = own("put", key="empty", body=b"", sums=True)
    assert empty["class"] == "ok" and own("get", key="empty")["length"] == 0


def test_conditions_hold_at_holdfast(own):
    first = own("put", key="k", body=b"1", if_none_match="*")
    assert first["class"] == "ok"
    assert own("put", key="k", body=b"2", if_none_match="*")["class"] == "condition"
    assert own("put", key="k", body=b"3", if_match="0" * 32)["class"] == "condition"
    assert own("put", key="k", body=b"4", if_match=first["etag"])["class"] == "ok"
    assert own("get", key="k", if_none_match=hashlib.md5(b"4").hexdigest())["class"] == "condition"
    assert own("get", key="k")["body"] == b"4"


def test_pages_and_versions_of_holdfast(own, daemon):
    daemon.s3_client().put_bucket_versioning(Bucket="copies", VersioningConfiguration={"Status": "Enabled"})
    keys = [f"k {i:02}+" for i in range(7)]
    versions = [own("put", key=k, body=b"v")["version"] for k in keys]
    found, token = [], ""
    while True:
        page = own("list", max=3, token=token)["list"]
        found += [e["key"] for e in page["entries"]]
        token = page["next"]
        if not page["truncated"]:
            break
    assert found == keys
    assert [e["key"] for e in own("list", after=keys[4])["list"]["entries"]] == keys[5:]
    gone = own("delete", key=keys[0])
    assert gone["marker"] and own("get", key=keys[0])["class"] == "gone"
    assert own("get", key=keys[0], version=versions[0])["body"] == b"v"
    entries = own("versions", prefix=keys[0])["list"]["entries"]
    assert [(e["marker"], e["latest"], e["version"]) for e in entries] == [(True, True, gone["version"]), (False, False, versions[0])]
    assert own("delete", key=keys[0], version=gone["version"])["class"] == "ok"
    assert own("get", key=keys[0])["body"] == b"v"


def test_multipart_at_holdfast(own):
    parts = [os.urandom(5 << 20), os.urandom(1000)]
    upload = own("upload", key="big", headers={"Content-Type": "video/mp4"})["upload"]
    etags = [own("part", key="big", upload=upload, part=i + 1, body=p, sums=True)["etag"] for i, p in enumerate(parts)]
    done = own("complete", key="big", upload=upload, parts=etags)
    assert done["class"] == "ok" and done["etag"].endswith("-2")
    assert own("get", key="big")["body"] == b"".join(parts)
    other = own("upload", key="big")["upload"]
    assert own("abort", key="big", upload=other)["class"] == "ok"
    assert own("complete", key="big", upload=other, parts=["x"])["class"] in ("gone", "refused")


def test_wrong_keys_are_denied_and_never_shown(daemon):
    daemon.s3_client().create_bucket(Bucket="copies")
    c = Client(daemon.s3.replace("http", "s3") + "/copies", harness.ACCESS, SECRET)
    answer = c("put", key="k", body=b"x")
    assert (answer["class"], answer["tries"], answer["code"]) == ("denied", 1, "SignatureDoesNotMatch")
    c.close()
