"""Quotas as a client meets them: bytes and objects that no number of clients passes by one, requests and egress of a day, what is said to
those who are refused; and the timetable that takes new buckets first and the keys later."""
import concurrent.futures
import http.client
import os
import re

import pytest
from botocore.exceptions import ClientError

from rawclient import RawClient, sign

MIB = 1 << 20


def tenant(d, name="acme", **books):
    words = {"currency": "CNY", "prices": "tencent-cos", "timetable": "tencent-cos", **books}
    d.cli("account", "create", name, *(w for k, v in words.items() for w in (f"--{k}", v)))
    d.cli("account", "topup", name, "1000")
    d.key = d.json("key", "create", "--account", name)
    d.client = d.s3_client(d.key["access_key"], d.key["secret_key"])
    return d


@pytest.fixture
def acme(make):
    return tenant(make(virtual=True))


def quota(d, *words, bucket="photos"):
    d.cli("quota", "set", "--account", "acme", *(["--bucket", bucket] if bucket else []), *words)


def refused(call, **words):
    with pytest.raises(ClientError) as e:
        call(**words)
    return e.value.response["ResponseMetadata"]["HTTPStatusCode"], e.value.response["Error"]


def over_quota(call, **words):
    status, error = refused(call, **words)
    # A HEAD has no body to say it in.
    assert status == 403 and error["Code"] in ("QuotaExceeded", "403"), error
    return error["Message"]


def stored(d, bucket="photos"):
    pages = d.client.get_paginator("list_object_versions").paginate(Bucket=bucket)
    sizes = [v["Size"] for p in pages for v in p.get("Versions", [])]
    return sum(sizes), len(sizes)


def test_many_clients_at_once_fill_a_byte_quota_and_never_pass_it(acme):
    limit, clients, each = 300_000, 64, 12
    acme.client.create_bucket(Bucket="photos")
    quota(acme, "--bytes", str(limit))

    def fill(i):
        c = RawClient(acme.s3, access=acme.key["access_key"], secret=acme.key["secret_key"])
        kept, texts = 0, []
        for n in range(each):
            body = os.urandom(500 + (i * 31 + n * 17) % 400)
            status, text, _ = c.put(f"/photos/{i}/{n}", body)
            if status == 200:
                kept += len(body)
            else:
                assert status == 403 and b"<Code>QuotaExceeded</Code>" in text, text
                texts.append(text.decode())
        c.close()
        return kept, texts

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(fill, range(clients)))
    kept = sum(k for k, _ in done)
    assert kept == stored(acme)[0] <= limit
    assert limit - kept < 900, "what fits is let in"
    texts = [t for _, ts in done for t in ts]
    assert texts
    for t in texts:
        left = re.search(r"bucket photos of account acme is 300000 bytes: (\d+) are left", t)
        assert left and int(left[1]) < 900, t
        assert "quota set --account acme --bucket photos --bytes" in t
    # Filled to the last byte, and not one more.
    while kept < limit:
        n = min(limit - kept, 400)
        acme.client.put_object(Bucket="photos", Key=f"rest{kept}", Body=b"x" * n)
        kept += n
    over_quota(acme.client.put_object, Bucket="photos", Key="one", Body=b"x")
    acme.client.put_object(Bucket="photos", Key="empty", Body=b"")
    acme.kill()
    acme.start()
    acme.client = acme.s3_client(acme.key["access_key"], acme.key["secret_key"])
    over_quota(acme.client.put_object, Bucket="photos", Key="one", Body=b"x")
    acme.client.delete_object(Bucket="photos", Key=f"rest{max(0, limit - 1)}")
    assert stored(acme)[0] == limit


def test_objects_are_counted_and_an_account_limits_all_its_buckets(acme):
    c = acme.client
    for b in ("photos", "other"):
        c.create_bucket(Bucket=b)
    quota(acme, "--objects", "3", bucket=None)
    quota(acme, "--objects", "2")
    c.put_object(Bucket="photos", Key="a", Body=b"1")
    c.put_object(Bucket="photos", Key="b", Body=b"1")
    assert "bucket photos" in over_quota(c.put_object, Bucket="photos", Key="c", Body=b"1")
    c.put_object(Bucket="photos", Key="a", Body=b"22")
    c.put_object(Bucket="other", Key="a", Body=b"1")
    assert "whole account acme is 3 objects: 0 are left" in over_quota(c.put_object, Bucket="other", Key="b", Body=b"1")
    c.delete_object(Bucket="photos", Key="a")
    c.put_object(Bucket="other", Key="b", Body=b"1")
    quota(acme, "--objects", "none", bucket=None)
    c.put_object(Bucket="other", Key="c", Body=b"1")
    rows = {q["bucket"]: q for q in acme.json("quota", "list", "--account", "acme")}
    assert rows["photos"]["limits"]["objects"] == 2 and rows["photos"]["used"]["objects"] == 1


def test_versions_count_until_they_go(acme):
    c = acme.client
    c.create_bucket(Bucket="photos")
    c.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    quota(acme, "--bytes", "10KiB")
    first = c.put_object(Bucket="photos", Key="k", Body=b"x" * 5120)["VersionId"]
    c.put_object(Bucket="photos", Key="k", Body=b"x" * 5120)
    over_quota(c.put_object, Bucket="photos", Key="k", Body=b"x")
    c.delete_object(Bucket="photos", Key="k")
    over_quota(c.put_object, Bucket="photos", Key="k", Body=b"x")
    c.delete_object(Bucket="photos", Key="k", VersionId=first)
    c.put_object(Bucket="photos", Key="k", Body=b"x" * 5120)


def test_parts_count_and_an_abort_frees_them(acme):
    c = acme.client
    c.create_bucket(Bucket="photos")
    quota(acme, "--bytes", "12MiB")
    upload = c.create_multipart_upload(Bucket="photos", Key="k")["UploadId"]
    part = dict(Bucket="photos", Key="k", UploadId=upload, Body=b"x" * (5 * MIB))
    tags = [c.upload_part(PartNumber=n, **part)["ETag"] for n in (1, 2)]
    over_quota(c.upload_part, PartNumber=3, **part)
    c.upload_part(PartNumber=2, **part)
    c.complete_multipart_upload(Bucket="photos", Key="k", UploadId=upload,
                                MultipartUpload={"Parts": [{"PartNumber": i + 1, "ETag": t} for i, t in enumerate(tags)]})
    over_quota(c.copy_object, Bucket="photos", Key="copy", CopySource="photos/k")
    second = c.create_multipart_upload(Bucket="photos", Key="l")["UploadId"]
    over_quota(c.upload_part_copy, Bucket="photos", Key="l", UploadId=second, PartNumber=1, CopySource="photos/k")
    c.upload_part_copy(Bucket="photos", Key="l", UploadId=second, PartNumber=1, CopySource="photos/k", CopySourceRange=f"bytes=0-{2 * MIB - 1}")
    over_quota(c.put_object, Bucket="photos", Key="m", Body=b"x")
    c.abort_multipart_upload(Bucket="photos", Key="l", UploadId=second)
    c.put_object(Bucket="photos", Key="m", Body=b"x" * (2 * MIB))


def test_a_body_that_cannot_fit_is_refused_before_it_is_sent(acme):
    acme.client.create_bucket(Bucket="photos")
    acme.client.put_object(Bucket="photos", Key="there", Body=b"x" * MIB)
    quota(acme, "--bytes", "1MiB")
    host = acme.s3.removeprefix("http://")
    headers = {"host": host, "content-length": str(1 << 30), "expect": "100-continue"}
    sign("PUT", "/photos/large", "", headers, "UNSIGNED-PAYLOAD", access=acme.key["access_key"], secret=acme.key["secret_key"])
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.putrequest("PUT", "/photos/large", skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 403 and b"QuotaExceeded" in answer.read()
    connection.close()
    # The same size in the same place takes no more room.
    acme.client.put_object(Bucket="photos", Key="there", Body=b"y" * MIB)


def requests_until_refused(d, at_most):
    for n in range(at_most + 1):
        try:
            d.client.head_object(Bucket="photos", Key="k")
        except ClientError:
            return n
    return at_most + 1


def test_requests_of_a_day_end_with_it_also_over_a_crash(acme):
    c = acme.client
    c.create_bucket(Bucket="photos")
    c.put_object(Bucket="photos", Key="k", Body=b"x")
    quota(acme, "--requests-per-day", "40")
    assert 30 <= requests_until_refused(acme, 40) <= 40
    message = over_quota(c.get_object, Bucket="photos", Key="k")
    assert "40 requests per day: 0 are left until" in message
    over_quota(c.put_object, Bucket="photos", Key="k", Body=b"x")
    c.list_buckets()  # names no bucket: the bucket's quota is not its matter
    acme.json("status")  # the running minute of reads becomes a record
    acme.kill()
    acme.start()
    acme.client = c = acme.s3_client(acme.key["access_key"], acme.key["secret_key"])
    over_quota(c.get_object, Bucket="photos", Key="k")
    acme.cli("clock", "advance", "24h")
    assert 38 <= requests_until_refused(acme, 40) <= 40
    quota(acme, "--requests-per-day", "none")
    assert c.get_object(Bucket="photos", Key="k")["Body"].read() == b"x"


def test_egress_of_a_day_is_taken_before_the_body_is_sent(acme):
    c = acme.client
    c.create_bucket(Bucket="photos")
    c.put_object(Bucket="photos", Key="k", Body=b"x" * 1000)
    quota(acme, "--egress-per-day", "5500")
    for _ in range(5):
        c.get_object(Bucket="photos", Key="k")["Body"].read()
    message = over_quota(c.get_object, Bucket="photos", Key="k")
    assert "5500 bytes of egress per day: 500 are left" in message and "needs 1000" in message
    assert c.get_object(Bucket="photos", Key="k", Range="bytes=0-499")["Body"].read() == b"x" * 500
    over_quota(c.get_object, Bucket="photos", Key="k", Range="bytes=0-0")
    assert c.head_object(Bucket="photos", Key="k")["ContentLength"] == 1000
    c.put_object(Bucket="photos", Key="l", Body=b"in goes")
    acme.cli("clock", "advance", "24h")
    assert len(c.get_object(Bucket="photos", Key="k")["Body"].read()) == 1000


def test_egress_of_a_day_is_not_passed_by_many_at_once(acme):
    acme.client.create_bucket(Bucket="photos")
    acme.client.put_object(Bucket="photos", Key="k", Body=b"x" * 10_000)
    quota(acme, "--egress-per-day", "505000")

    def read(_):
        c = RawClient(acme.s3, access=acme.key["access_key"], secret=acme.key["secret_key"])
        answers = [c.get("/photos/k") for _ in range(5)]
        c.close()
        return sum(len(body) for status, body, _ in answers if status == 200)

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(read, range(32))) == 500_000


def test_another_accounts_quota_is_nobodys_matter(acme):
    acme.client.create_bucket(Bucket="photos")
    quota(acme, "--bytes", "0", bucket=None)
    over_quota(acme.client.put_object, Bucket="photos", Key="k", Body=b"x")
    other = acme.s3_client()
    other.create_bucket(Bucket="free")
    other.put_object(Bucket="free", Key="k", Body=b"x")


def test_aws_takes_new_buckets_after_a_day_and_the_keys_after_three(make):
    d = tenant(make(virtual=True), currency="USD", prices="aws-s3", timetable="aws")
    c = d.client
    c.create_bucket(Bucket="photos")
    c.put_object(Bucket="photos", Key="k", Body=b"works")
    d.cli("account", "charge", "acme", "1001", "--note", "support plan")
    d.cli("clock", "advance", "1h")
    c.create_bucket(Bucket="at-once")
    d.cli("clock", "advance", "24h")
    status, error = refused(c.create_bucket, Bucket="too-late")
    assert (status, error["Code"]) == (403, "AccountProblem") and "USD" in error["Message"]
    c.put_object(Bucket="photos", Key="still", Body=b"works")
    assert c.get_object(Bucket="photos", Key="k")["Body"].read() == b"works"
    d.cli("clock", "advance", "48h")
    status, error = refused(c.get_object, Bucket="photos", Key="k")
    assert (status, error["Code"]) == (403, "InvalidAccessKeyId") and "USD" in error["Message"]
    wrong = d.s3_client(d.key["access_key"], "not-the-secret")
    assert refused(wrong.get_object, Bucket="photos", Key="k")[1]["Code"] == "SignatureDoesNotMatch"
    d.stop()
    d.start()
    c = d.s3_client(d.key["access_key"], d.key["secret_key"])
    assert refused(c.list_buckets)[1]["Code"] == "InvalidAccessKeyId"
    d.cli("account", "topup", "acme", "2")
    assert c.get_object(Bucket="photos", Key="still")["Body"].read() == b"works"
    c.create_bucket(Bucket="after-all")
