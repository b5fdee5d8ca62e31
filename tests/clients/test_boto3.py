"""boto3 from Debian: the semantics of S3, operation by operation."""
import base64
import hashlib
import io
import os
import socket
import threading
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

MIB = 1 << 20


@pytest.fixture
def s3(daemon):
    c = daemon.s3_client()
    c.create_bucket(Bucket="bkt")
    return c


def code(call, **words):
    with pytest.raises(ClientError) as e:
        call(**words)
    return e.value.response["Error"]["Code"], e.value.response["ResponseMetadata"]["HTTPStatusCode"]


def body(c, key, **words):
    return c.get_object(Bucket="bkt", Key=key, **words)["Body"].read()


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 131071, 131072, 131073, MIB, 3 * MIB + 17])
def test_put_get_head_of_sizes_around_every_boundary(s3, size):
    data = os.urandom(size)
    put = s3.put_object(Bucket="bkt", Key="k", Body=data, ContentType="x/y", Metadata={"colour": "blau"}, CacheControl="no-cache")
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    got = s3.get_object(Bucket="bkt", Key="k")
    assert got["Body"].read() == data and got["ContentLength"] == size
    head = s3.head_object(Bucket="bkt", Key="k")
    assert (head["ContentType"], head["Metadata"], head["CacheControl"], head["ETag"]) == ("x/y", {"colour": "blau"}, "no-cache", put["ETag"])


def test_ranges(s3):
    data = os.urandom(700_000)
    s3.put_object(Bucket="bkt", Key="k", Body=data)
    for spec, want in [("bytes=0-0", data[:1]), ("bytes=131071-131073", data[131071:131074]), ("bytes=5-", data[5:]),
                       ("bytes=-3", data[-3:]), ("bytes=-9999999", data), ("bytes=100-9999999", data[100:]), ("bytes=262144-393215", data[262144:393216])]:
        got = s3.get_object(Bucket="bkt", Key="k", Range=spec)
        assert got["Body"].read() == want, spec
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert code(s3.get_object, Bucket="bkt", Key="k", Range="bytes=700000-") == ("InvalidRange", 416)
    assert s3.get_object(Bucket="bkt", Key="k", Range="lines=1-2")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_conditional_reads(s3):
    put = s3.put_object(Bucket="bkt", Key="k", Body=b"x")
    when = s3.head_object(Bucket="bkt", Key="k")["LastModified"]
    assert body(s3, "k", IfMatch=put["ETag"]) == b"x"
    assert code(s3.get_object, Bucket="bkt", Key="k", IfMatch='"0"') == ("PreconditionFailed", 412)
    assert code(s3.get_object, Bucket="bkt", Key="k", IfNoneMatch=put["ETag"])[1] == 304
    assert code(s3.get_object, Bucket="bkt", Key="k", IfModifiedSince=when)[1] == 304
    assert body(s3, "k", IfUnmodifiedSince=when) == b"x"


def conditional_put(daemon, s3, key, data, **headers):
    """boto3 1.26 does not know If-None-Match on PUT: the header goes in before signing."""
    def add(request, **_):
        for k, v in headers.items():
            request.headers[k.replace("_", "-")] = v
    s3.meta.events.register("before-sign.s3.PutObject", add)
    try:
        return s3.put_object(Bucket="bkt", Key=key, Body=data)
    finally:
        s3.meta.events.unregister("before-sign.s3.PutObject", add)


def test_conditional_writes_are_decided_at_the_commit(daemon, s3):
    first = conditional_put(daemon, s3, "k", b"1", If_None_Match="*")
    with pytest.raises(ClientError) as e:
        conditional_put(daemon, s3, "k", b"2", If_None_Match="*")
    assert e.value.response["Error"]["Code"] == "PreconditionFailed"
    conditional_put(daemon, s3, "k", b"3", If_Match=first["ETag"])
    with pytest.raises(ClientError):
        conditional_put(daemon, s3, "k", b"4", If_Match=first["ETag"])
    assert body(s3, "k") == b"3"
    won, lock = [], threading.Lock()

    def race(i):
        c = daemon.s3_client()
        try:
            conditional_put(daemon, c, "race", str(i).encode(), If_None_Match="*")
            with lock:
                won.append(str(i).encode())
        except ClientError as err:
            assert err.response["Error"]["Code"] == "PreconditionFailed"
    threads = [threading.Thread(target=race, args=(i,)) for i in range(12)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(won) == 1 and body(s3, "race") == won[0]


KEYS = ["a b", "a+b", "a%2Fb", "a//b", "/lead", "trail/", "照片/夏天.jpg", "x" * 1024, "ü" * 512, "a&b<c>'\"", "~._-!*()", "..", "a/../b", "?q=1#f", "\t"]


def test_odd_keys_come_back_as_they_went(s3):
    for i, key in enumerate(KEYS):
        s3.put_object(Bucket="bkt", Key=key, Body=str(i).encode())
    for i, key in enumerate(KEYS):
        assert body(s3, key) == str(i).encode(), key
    for v in ("list_objects", "list_objects_v2"):
        assert [o["Key"] for o in getattr(s3, v)(Bucket="bkt")["Contents"]] == sorted(KEYS, key=lambda k: k.encode())
    gone = s3.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": k} for k in KEYS]})
    assert {d["Key"] for d in gone["Deleted"]} == set(KEYS) and "Errors" not in gone
    assert code(s3.put_object, Bucket="bkt", Key="x" * 1025, Body=b"")[0] == "KeyTooLongError"


def test_listing_pages_prefixes_and_delimiters_agree_with_a_model(s3):
    keys = sorted({f"{a}/{b}/{c}" for a in "xyz" for b in ("1", "2", "22") for c in ("p", "q", "r r")} | {"top", "x", "z/"})
    for k in keys:
        s3.put_object(Bucket="bkt", Key=k, Body=b"")

    def model(prefix, delimiter):
        contents, prefixes = [], []
        for k in keys:
            if not k.startswith(prefix):
                continue
            at = k.find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                contents.append(k)
            elif k[:at + len(delimiter)] not in prefixes:
                prefixes.append(k[:at + len(delimiter)])
        return contents, prefixes
    for prefix in ("", "x", "x/", "x/2", "nothing"):
        for delimiter in ("", "/", "/2", "r"):
            for size in (1, 2, 7, 1000):
                got, common = [], []
                for page in s3.get_paginator("list_objects_v2").paginate(Bucket="bkt", Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": size}):
                    got += [o["Key"] for o in page.get("Contents", [])]
                    common += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
                    assert page["KeyCount"] <= size
                assert (got, common) == model(prefix, delimiter), (prefix, delimiter, size)
                got, common = [], []
                for page in s3.get_paginator("list_objects").paginate(Bucket="bkt", Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": size}):
                    got += [o["Key"] for o in page.get("Contents", [])]
                    common += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
                assert (got, common) == model(prefix, delimiter), ("v1", prefix, delimiter, size)
    assert s3.list_objects_v2(Bucket="bkt", MaxKeys=0).get("Contents", []) == []
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="bkt", StartAfter="x/2")["Contents"]] == [k for k in keys if k > "x/2"]


def test_copy_keeps_or_replaces_metadata(s3):
    data = os.urandom(300_000)
    s3.put_object(Bucket="bkt", Key="s p", Body=data, Metadata={"a": "1"}, Tagging="t=1", ContentType="x/y")
    s3.copy_object(Bucket="bkt", Key="d", CopySource={"Bucket": "bkt", "Key": "s p"})
    got = s3.get_object(Bucket="bkt", Key="d")
    assert got["Body"].read() == data and got["Metadata"] == {"a": "1"} and got["ContentType"] == "x/y"
    assert s3.get_object_tagging(Bucket="bkt", Key="d")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(Bucket="bkt", Key="d", CopySource="bkt/d", MetadataDirective="REPLACE", Metadata={"z": "9"})
    assert s3.head_object(Bucket="bkt", Key="d")["Metadata"] == {"z": "9"}
    assert code(s3.copy_object, Bucket="bkt", Key="d", CopySource="bkt/d") == ("InvalidRequest", 400)
    assert code(s3.copy_object, Bucket="bkt", Key="d", CopySource="bkt/none")[0] == "NoSuchKey"
    assert code(s3.copy_object, Bucket="bkt", Key="e", CopySource="bkt/d", CopySourceIfMatch='"0"') == ("PreconditionFailed", 412)


def test_multipart_from_start_to_every_end(s3):
    up = s3.create_multipart_upload(Bucket="bkt", Key="m", Metadata={"k": "v"}, ContentType="a/b")["UploadId"]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket="bkt")["Uploads"]] == [up]
    parts = [os.urandom(5 * MIB), os.urandom(6 * MIB), os.urandom(100)]
    tags = [s3.upload_part(Bucket="bkt", Key="m", UploadId=up, PartNumber=i + 1, Body=p)["ETag"] for i, p in enumerate(parts)]
    s3.upload_part(Bucket="bkt", Key="m", UploadId=up, PartNumber=9, Body=b"not listed in the end")
    listed = s3.list_parts(Bucket="bkt", Key="m", UploadId=up)["Parts"]
    assert [(p["PartNumber"], p["Size"]) for p in listed] == [(1, 5 * MIB), (2, 6 * MIB), (3, 100), (9, 21)]
    wanted = [{"PartNumber": i + 1, "ETag": t} for i, t in enumerate(tags)]
    finish = dict(Bucket="bkt", Key="m", UploadId=up)
    assert code(s3.complete_multipart_upload, **finish, MultipartUpload={"Parts": wanted[::-1]})[0] == "InvalidPartOrder"
    assert code(s3.complete_multipart_upload, **finish, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"0"'}]})[0] == "InvalidPart"
    done = s3.complete_multipart_upload(**finish, MultipartUpload={"Parts": wanted})
    etag = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest() + "-3"
    assert done["ETag"] == f'"{etag}"'
    again = s3.complete_multipart_upload(**finish, MultipartUpload={"Parts": wanted})
    assert again["ETag"] == done["ETag"]
    assert body(s3, "m") == b"".join(parts)
    second = s3.get_object(Bucket="bkt", Key="m", PartNumber=2)
    assert second["Body"].read() == parts[1] and second["PartsCount"] == 3
    assert body(s3, "m", Range=f"bytes={5 * MIB - 10}-{5 * MIB + 9}") == parts[0][-10:] + parts[1][:10]
    assert s3.head_object(Bucket="bkt", Key="m")["Metadata"] == {"k": "v"}
    copy = s3.create_multipart_upload(Bucket="bkt", Key="c")["UploadId"]
    got = s3.upload_part_copy(Bucket="bkt", Key="c", UploadId=copy, PartNumber=1, CopySource="bkt/m", CopySourceRange=f"bytes=10-{5 * MIB + 9}")
    s3.complete_multipart_upload(Bucket="bkt", Key="c", UploadId=copy, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": got["CopyPartResult"]["ETag"]}]})
    assert body(s3, "c") == b"".join(parts)[10:5 * MIB + 10]
    small = s3.create_multipart_upload(Bucket="bkt", Key="s")["UploadId"]
    tag = [s3.upload_part(Bucket="bkt", Key="s", UploadId=small, PartNumber=i, Body=b"tiny")["ETag"] for i in (1, 2)]
    assert code(s3.complete_multipart_upload, Bucket="bkt", Key="s", UploadId=small,
                MultipartUpload={"Parts": [{"PartNumber": i + 1, "ETag": t} for i, t in enumerate(tag)]})[0] == "EntityTooSmall"
    s3.abort_multipart_upload(Bucket="bkt", Key="s", UploadId=small)
    assert code(s3.list_parts, Bucket="bkt", Key="s", UploadId=small)[0] == "NoSuchUpload"
    assert code(s3.abort_multipart_upload, Bucket="bkt", Key="s", UploadId=small)[0] == "NoSuchUpload"


def test_versions_markers_and_their_removal(s3):
    s3.put_object(Bucket="bkt", Key="k", Body=b"null version")
    s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
    ids = [s3.put_object(Bucket="bkt", Key="k", Body=str(i).encode())["VersionId"] for i in range(3)]
    assert len(set(ids)) == 3 and body(s3, "k", VersionId=ids[1]) == b"1" and body(s3, "k", VersionId="null") == b"null version"
    marker = s3.delete_object(Bucket="bkt", Key="k")
    assert marker["DeleteMarker"] and code(s3.get_object, Bucket="bkt", Key="k")[0] == "NoSuchKey"
    assert code(s3.get_object, Bucket="bkt", Key="k", VersionId=marker["VersionId"]) == ("MethodNotAllowed", 405)
    listed = s3.list_object_versions(Bucket="bkt")
    assert [v["VersionId"] for v in listed["Versions"]] == ids[::-1] + ["null"]
    assert [v["IsLatest"] for v in listed["Versions"]] == [False] * 4 and listed["DeleteMarkers"][0]["IsLatest"]
    s3.delete_object(Bucket="bkt", Key="k", VersionId=marker["VersionId"])
    assert body(s3, "k") == b"2"
    s3.delete_object(Bucket="bkt", Key="k", VersionId=ids[2])
    assert body(s3, "k") == b"1"
    s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(Bucket="bkt", Key="k", Body=b"new null").get("VersionId") in (None, "null")
    assert body(s3, "k") == b"new null" and body(s3, "k", VersionId="null") == b"new null"
    assert s3.get_bucket_versioning(Bucket="bkt")["Status"] == "Suspended"
    paged = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="bkt", PaginationConfig={"PageSize": 1}):
        paged += [v["VersionId"] for v in page.get("Versions", [])]
    assert paged == ["null", ids[1], ids[0]]
    assert code(s3.delete_bucket, Bucket="bkt") == ("BucketNotEmpty", 409)


def test_tags_of_objects_and_buckets(s3):
    s3.put_object(Bucket="bkt", Key="k", Body=b"", Tagging="a=1&b=%20x")
    assert s3.get_object_tagging(Bucket="bkt", Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": " x"}]
    assert s3.get_object(Bucket="bkt", Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket="bkt", Key="k", Tagging={"TagSet": [{"Key": "钱", "Value": "三"}]})
    assert s3.get_object_tagging(Bucket="bkt", Key="k")["TagSet"] == [{"Key": "钱", "Value": "三"}]
    s3.delete_object_tagging(Bucket="bkt", Key="k")
    assert s3.get_object_tagging(Bucket="bkt", Key="k")["TagSet"] == []
    assert code(s3.put_object_tagging, Bucket="bkt", Key="k", Tagging={"TagSet": [{"Key": str(i), "Value": ""} for i in range(11)]})[1] == 400
    assert code(s3.get_bucket_tagging, Bucket="bkt") == ("NoSuchTagSet", 404)
    s3.put_bucket_tagging(Bucket="bkt", Tagging={"TagSet": [{"Key": "dept", "Value": "x"}]})
    assert s3.get_bucket_tagging(Bucket="bkt")["TagSet"] == [{"Key": "dept", "Value": "x"}]


def test_checksums_are_verified_kept_and_shown(s3):
    data = os.urandom(200_000)
    sha = base64.b64encode(hashlib.sha256(data).digest()).decode()
    put = s3.put_object(Bucket="bkt", Key="k", Body=data, ChecksumAlgorithm="SHA256")
    assert put["ChecksumSHA256"] == sha
    assert s3.head_object(Bucket="bkt", Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == sha
    s3.put_object(Bucket="bkt", Key="c", Body=io.BytesIO(data), ChecksumAlgorithm="CRC32")
    assert "ChecksumCRC32" in s3.head_object(Bucket="bkt", Key="c", ChecksumMode="ENABLED")
    wrong = base64.b64encode(b"\0" * 32).decode()
    assert code(s3.put_object, Bucket="bkt", Key="w", Body=data, ChecksumSHA256=wrong)[1] == 400
    assert code(s3.put_object, Bucket="bkt", Key="w", Body=data, ContentMD5=base64.b64encode(b"\0" * 16).decode()) == ("BadDigest", 400)
    assert code(s3.head_object, Bucket="bkt", Key="w")[1] == 404
    attributes = s3.get_object_attributes(Bucket="bkt", Key="k", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"])
    assert attributes["ObjectSize"] == len(data) and attributes["Checksum"]["ChecksumSHA256"] == sha


NOT_CONFIGURED = [("get_bucket_policy", "NoSuchBucketPolicy"), ("get_bucket_cors", "NoSuchCORSConfiguration"),
                  ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"), ("get_bucket_website", "NoSuchWebsiteConfiguration"),
                  ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"), ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
                  ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"), ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
                  ("get_bucket_ownership_controls", "OwnershipControlsNotFoundError")]


@pytest.mark.parametrize("call,want", NOT_CONFIGURED)
def test_subresources_that_are_not_built_read_as_not_configured(s3, call, want):
    assert code(getattr(s3, call), Bucket="bkt") == (want, 404)


def test_subresources_that_are_not_built_refuse_writes(s3):
    assert code(s3.put_bucket_policy, Bucket="bkt", Policy="{}") == ("NotImplemented", 501)
    assert code(s3.put_bucket_cors, Bucket="bkt", CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}) == ("NotImplemented", 501)
    assert code(s3.put_bucket_lifecycle_configuration, Bucket="bkt", LifecycleConfiguration={"Rules": []}) == ("NotImplemented", 501)
    assert code(s3.put_object, Bucket="bkt", Key="k", Body=b"", ACL="public-read") == ("NotImplemented", 501)
    assert s3.get_bucket_acl(Bucket="bkt")["Grants"][0]["Permission"] == "FULL_CONTROL"


def test_buckets_belong_to_who_made_them(daemon, s3):
    daemon.cli("account", "create", "other", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos")
    daemon.cli("account", "topup", "other", "10")
    key = daemon.json("key", "create", "--account", "other")
    other = daemon.s3_client(key["access_key"], key["secret_key"])
    s3.put_object(Bucket="bkt", Key="k", Body=b"mine")
    assert code(other.get_object, Bucket="bkt", Key="k") == ("AccessDenied", 403)
    assert code(other.put_object, Bucket="bkt", Key="k", Body=b"") == ("AccessDenied", 403)
    assert code(other.list_objects_v2, Bucket="bkt") == ("AccessDenied", 403)
    assert code(other.create_bucket, Bucket="bkt") == ("BucketAlreadyExists", 409)
    assert code(s3.create_bucket, Bucket="bkt") == ("BucketAlreadyOwnedByYou", 409)
    other.create_bucket(Bucket="own")
    assert code(s3.list_objects_v2, Bucket="own") == ("AccessDenied", 403)
    assert [x["Name"] for x in other.list_buckets()["Buckets"]] == ["own"]
    daemon.cli("key", "revoke", key["access_key"])
    assert code(other.list_buckets)[0] == "InvalidAccessKeyId"


def test_wrong_keys_and_names_say_so(daemon, s3):
    assert code(daemon.s3_client(secret="wrong").list_buckets) == ("SignatureDoesNotMatch", 403)
    assert code(daemon.s3_client(access="NOBODY").list_buckets) == ("InvalidAccessKeyId", 403)
    assert code(s3.get_object, Bucket="nobody-s", Key="k") == ("NoSuchBucket", 404)
    assert code(s3.get_object, Bucket="bkt", Key="none") == ("NoSuchKey", 404)
    assert code(s3.create_bucket, Bucket="xn")[0] == "InvalidBucketName"
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(daemon.s3 + "/bkt/k")
    assert e.value.code == 403 and b"<Code>AccessDenied</Code>" in e.value.read()


@pytest.fixture
def localhost_names(monkeypatch):
    """NAME.localhost is this machine (RFC 6761), also where the resolver does not know."""
    ask = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: ask(
        "127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more))


def test_virtual_host_style(daemon, localhost_names):
    c = daemon.s3_client()
    c.create_bucket(Bucket="vhost")
    c.put_object(Bucket="vhost", Key="k", Body=b"v")
    url = c.generate_presigned_url("get_object", Params={"Bucket": "vhost", "Key": "k"})
    assert urllib.request.urlopen(url).read() == b"v"
    import boto3
    from botocore.config import Config
    port = daemon.s3.rsplit(":", 1)[1]
    v = boto3.client("s3", endpoint_url=f"http://localhost:{port}", aws_access_key_id=c._request_signer._credentials.access_key,
                     aws_secret_access_key=c._request_signer._credentials.secret_key, region_name="us-east-1",
                     config=Config(s3={"addressing_style": "virtual"}))
    assert v.get_object(Bucket="vhost", Key="k")["Body"].read() == b"v"
    url = v.generate_presigned_url("get_object", Params={"Bucket": "vhost", "Key": "k",
                                                         "ResponseContentType": "text/x; a=b"})
    assert url.startswith(f"http://vhost.localhost:{port}/k?")
    answer = urllib.request.urlopen(url)
    assert answer.read() == b"v" and answer.headers["Content-Type"] == "text/x; a=b"


def test_presigned_urls_of_signature_version_2(daemon):
    c = daemon.s3_client()
    c.create_bucket(Bucket="bkt")
    put = c.generate_presigned_url("put_object", Params={"Bucket": "bkt", "Key": "a b+ü", "ContentType": "text/x",
                                                         "Metadata": {"who": "me"}})
    assert "AWSAccessKeyId=" in put and "X-Amz-" not in put
    request = urllib.request.Request(put, b"body", {"Content-Type": "text/x"}, method="PUT")
    assert urllib.request.urlopen(request).status == 200
    head = c.head_object(Bucket="bkt", Key="a b+ü")
    assert head["ContentType"] == "text/x" and head["Metadata"] == {"who": "me"}
    upload = c.create_multipart_upload(Bucket="bkt", Key="m")["UploadId"]
    part = c.generate_presigned_url("upload_part", Params={"Bucket": "bkt", "Key": "m", "UploadId": upload,
                                                           "PartNumber": 1})
    request = urllib.request.Request(part, b"part", {"Content-Type": ""}, method="PUT")
    parts = [{"ETag": urllib.request.urlopen(request).headers["ETag"], "PartNumber": 1}]
    c.complete_multipart_upload(Bucket="bkt", Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    assert c.get_object(Bucket="bkt", Key="m")["Body"].read() == b"part"
    get = c.generate_presigned_url("get_object", Params={"Bucket": "bkt", "Key": "m"})
    late = c.generate_presigned_url("get_object", Params={"Bucket": "bkt", "Key": "m"}, ExpiresIn=-1)
    for url, want in ((get + "&acl", b"SignatureDoesNotMatch"), (get.replace("/m?", "/n?"), b"SignatureDoesNotMatch"),
                      (get.replace("AWSAccessKeyId=", "AWSAccessKeyId=X"), b"InvalidAccessKeyId"),
                      (late, b"AccessDenied")):
        with pytest.raises(urllib.error.HTTPError) as e:
            urllib.request.urlopen(url)
        assert e.value.code == 403 and b"<Code>" + want + b"</Code>" in e.value.read()


def test_ten_thousand_keys(daemon, s3):
    want = [f"k{i:05d}" for i in range(10_000)]
    clients = [daemon.s3_client() for _ in range(8)]

    def write(n):
        for k in want[n::8]:
            clients[n].put_object(Bucket="bkt", Key=k, Body=k.encode())
    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    got = [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket="bkt") for o in p["Contents"]]
    assert got == want
    assert daemon.json("status")["objects"] == 10_000
    for i in range(0, 10_000, 1000):
        gone = s3.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": k} for k in want[i:i + 1000]], "Quiet": True})
        assert "Errors" not in gone
    assert s3.list_objects_v2(Bucket="bkt")["KeyCount"] == 0
    s3.delete_bucket(Bucket="bkt")
