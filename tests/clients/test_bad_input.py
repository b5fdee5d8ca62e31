"""Malformed HTTP, XML, signatures, chunk headers and lengths: a clear 4xx, no hang, and the daemon goes on."""
import hashlib
import os
import socket

import pytest

from rawclient import RawClient, sign


@pytest.fixture
def raw(daemon):
    c = RawClient(daemon.s3)
    assert c.put("/bkt", b"")[0] == 200
    c.daemon = daemon
    return c


def whole(got):
    head, found, body = got.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), None)
    return bool(found) and length is not None and len(body) >= length


def wire(raw, data, timeout=10):
    """Sends bytes as they are; the status of the answer, or None when the connection was just closed."""
    host, port = raw.host.split(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        got = b""
        try:
            while not whole(got) and (piece := s.recv(65536)):
                got += piece
        except ConnectionError:
            pass
    return int(got.split(b" ", 2)[1]) if got.startswith(b"HTTP/1.1 ") else None


def signed_head(raw, method, path, payload_hash, more=None, query=""):
    headers = sign(method, path, query, {"host": raw.host, **(more or {})}, payload_hash)
    target = path + ("?" + query if query else "")
    return f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())


HEADS = [
    b"GARBAGE\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
    b"PUT /bkt/k HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"PUT /bkt/k HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n",
    b"PUT /bkt/k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"PUT /bkt/k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT /bkt/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", b"PUT /bkt/k HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /bkt/%00 HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 5000,
]


@pytest.mark.parametrize("head", HEADS, ids=range(len(HEADS)))
def test_malformed_heads(raw, head):
    status = wire(raw, head)
    assert status is None or 400 <= status < 500 or status in (501, 505), status
    assert raw.get("/bkt", query="list-type=2")[0] == 200


def test_signature_parts_that_are_wrong(raw):
    good = signed_head(raw, "GET", "/bkt/k", hashlib.sha256(b"").hexdigest())
    assert wire(raw, (good + "\r\n").encode()) == 404
    for old, new in [("Signature=", "Signature=0"), ("aws4_request", "aws5_request"), ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), ("/s3/", "/ec2/"),
                     ("SignedHeaders=host;", "SignedHeaders="), ("Credential=", "Credential=/"), ("authorization: ", "authorization: x "),
                     ("x-amz-date: 2", "x-amz-date: 1"), (", Signature", ",, Signature"), ("Signature=", "Signature=" + "a" * 5000)]:
        assert old in good
        status = wire(raw, (good.replace(old, new, 1) + "\r\n").encode())
        assert status in (400, 403), (old, new, status)


CHUNKS = [b"", b"zz\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello\r\n", b"ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
          b"5;ext=" + b"a" * 10_000 + b"\r\nhello\r\n0\r\n\r\n", b"6\r\nhello\r\n0\r\n\r\n", b"3\r\nhel\r\n0\r\n\r\n",
          b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:!\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n"]


@pytest.mark.parametrize("body", CHUNKS, ids=range(len(CHUNKS)))
def test_broken_aws_chunks_leave_nothing_behind(raw, body):
    more = {"x-amz-decoded-content-length": "5", "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
    head = signed_head(raw, "PUT", "/bkt/chunk", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", more) + f"content-length: {len(body)}\r\n\r\n"
    status = wire(raw, head.encode() + body)
    assert status is None or 400 <= status < 500, status
    assert raw.get("/bkt/chunk")[0] == 404


def test_bodies_that_do_not_match_what_was_promised(raw):
    assert raw.put("/bkt/k", b"real", payload_hash=hashlib.sha256(b"other").hexdigest())[0] == 400
    assert raw.put("/bkt/k", b"real", headers={"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="})[0] == 400
    assert raw.put("/bkt/k", b"real", headers={"content-md5": "not base64"})[0] == 400
    assert raw.put("/bkt/k", b"real", headers={"x-amz-checksum-crc32c": "AAAAAA=="})[0] == 400
    assert raw.get("/bkt/k")[0] == 404
    short = signed_head(raw, "PUT", "/bkt/k", "UNSIGNED-PAYLOAD") + "content-length: 100\r\n\r\nonly this"
    assert wire(raw, short.encode()) in (None, 400, 408)
    big = signed_head(raw, "PUT", "/bkt/k", "UNSIGNED-PAYLOAD") + f"content-length: {6 << 30}\r\nexpect: 100-continue\r\n\r\n"
    assert wire(raw, big.encode()) == 400
    assert raw.get("/bkt/k")[0] == 404


XML = [b"", b"<", b"<a/>", b"<Delete><Object></Object></Delete>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><Delete><Object><Key>&b;</Key></Object></Delete>",
       b"<Delete>" * 1000, b"<Delete><Object><Key>\xff</Key></Object></Delete>", b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>", os.urandom(500)]


@pytest.mark.parametrize("body", XML, ids=range(len(XML)))
def test_malformed_xml(raw, body):
    for path, query, method in [("/bkt", "delete=", "POST"), ("/bkt", "versioning=", "PUT"), ("/bkt", "tagging=", "PUT"), ("/bkt/k", "uploadId=1", "POST")]:
        status, answer, _ = raw.request(method, path, body, query=query)
        assert 400 <= status < 500 and b"<Code>" in answer, (path, query, status, answer)


def test_a_hundred_connections_that_say_nothing_do_not_stop_the_others(raw):
    host, port = raw.host.split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(100)]
    for s in idle[::2]:
        s.sendall(b"PUT /bkt/slow HTTP/1.1\r\nHost: x\r\nContent-Le")
    assert raw.put("/bkt/k", b"fine")[0] == 200 and raw.get("/bkt/k")[1] == b"fine"
    raw.daemon.stop()  # SIGTERM ends within its time, idle connections or not
    for s in idle:
        s.close()
