"""The edges of S3 that client suites look at: arguments out of range, conditions, copies, parts, versions, tags, and that each request is billed once."""
import base64
import datetime
from decimal import Decimal
import hashlib
import http.client
import os
import pathlib
import re
import shutil
import socket
import tempfile
import threading
import urllib.error
import urllib.request
import zlib

import pytest
from botocore.exceptions import ClientError

from harness import Daemon
from rawclient import RawClient, sign

MIB = 1 << 20
OLD, NEW = datetime.datetime(2001, 1, 1), datetime.datetime(2100, 1, 1)


@pytest.fixture(scope="module")
def shared():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-edges-"))
    d = Daemon(folder).start()
    d.buckets = 0
    yield d
    d.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def s3(shared):
    return shared.s3_client(signature_version="s3v4")


@pytest.fixture
def bucket(shared, s3):
    shared.buckets += 1
    name = f"bkt{shared.buckets:03}"
    s3.create_bucket(Bucket=name)
    return name


def outcome(call, **words):
    """Code and status of a refusal; None and status of success."""
    try:
        return None, call(**words)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as e:
        return e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]


def send(daemon, method, path, body=b"", **more):
    raw = RawClient(daemon.s3)
    status, answer, _ = raw.request(method, path, body, **more)
    raw.close()
    found = re.search(rb"<Code>(\w+)</Code>", answer)
    return found.group(1).decode() if found else None, status


def fetch(url, method="GET", data=None):
    try:
        return None, urllib.request.urlopen(urllib.request.Request(url, method=method, data=data)).status
    except urllib.error.HTTPError as e:
        found = re.search(rb"<Code>(\w+)</Code>", e.read())
        return found.group(1).decode() if found else None, e.code


# ---- buckets and their names ----
@pytest.mark.parametrize("name", ["aa", "x" * 64, "Upper", "under_score", "dash-", "-dash", ".dot", "dot.", "two..dots", "dot.-dash", "dash-.dot",
                                  "192.168.5.4", "xn--punycode"])
def test_bucket_names_that_are_refused(shared, name):
    assert send(shared, "PUT", "/" + name) == ("InvalidBucketName", 400)


def test_bucket_names_that_are_taken_and_requests_without_a_bucket(shared):
    for name in ("y" * 63, "with.dot", "1digit", "a-b.c-d"):
        assert send(shared, "PUT", "/" + name) == (None, 200)
        assert send(shared, "DELETE", "/" + name) == (None, 204)
    assert send(shared, "PUT", "/") == ("MethodNotAllowed", 405)
    assert send(shared, "GET", "/no-such-bucket") == ("NoSuchBucket", 404)
    assert send(shared, "DELETE", "/no-such-bucket") == ("NoSuchBucket", 404)


def test_acls_and_expected_owners(shared, s3, bucket):
    owner = s3.get_bucket_acl(Bucket=bucket)["Owner"]
    for acl, want in [("private", (None, 200)), ("public-read", ("NotImplemented", 501)), ("public-ready", ("InvalidArgument", 400))]:
        assert outcome(s3.put_object, Bucket=bucket, Key="k", ACL=acl) == want
    assert outcome(s3.put_object, Bucket=bucket, Key="k", ExpectedBucketOwner=owner["ID"]) == (None, 200)
    assert outcome(s3.put_object, Bucket=bucket, Key="k", ExpectedBucketOwner="123456789012") == ("AccessDenied", 403)
    assert outcome(s3.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/k", ExpectedSourceBucketOwner="123456789012") == ("AccessDenied", 403)
    assert s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"] == owner


# ---- listings ----
@pytest.mark.parametrize("query,want", [("max-keys=blah", 400), ("max-keys=-1", 400), ("max-keys=", 200), ("max-keys=2000", 200), ("encoding-type=foo", 400),
                                        ("uploads=&encoding-type=foo", 400), ("uploads=&max-uploads=x", 400), ("versions=&version-id-marker=null", 400),
                                        ("list-type=2&continuation-token=x", 400), ("list-type=2&continuation-token=", 200), ("list-type=3", 400)])
def test_arguments_of_listings(shared, bucket, query, want):
    assert send(shared, "GET", "/" + bucket, query=query) == (None if want == 200 else "InvalidArgument", want)


def test_where_listings_begin_and_what_they_echo(s3, bucket):
    for k in ("bar", "baz", "foo", "quxx"):
        s3.put_object(Bucket=bucket, Key=k, Body=b"x")
    first = s3.list_objects_v2(Bucket=bucket, StartAfter="bar", MaxKeys=1)
    second = s3.list_objects_v2(Bucket=bucket, StartAfter="bar", ContinuationToken=first["NextContinuationToken"])
    assert [o["Key"] for o in second["Contents"]] == ["foo", "quxx"] and second["KeyCount"] == 2
    assert (second["StartAfter"], second["ContinuationToken"]) == ("bar", first["NextContinuationToken"])
    for marker, want in [("aaa", 4), ("bar", 3), ("blah", 2), ("zzz", 0), ("\n", 4)]:
        page = s3.list_objects(Bucket=bucket, Marker=marker)
        assert (len(page.get("Contents", [])), page["Marker"]) == (want, marker)
    page = s3.list_objects(Bucket=bucket, MaxKeys=2)
    assert page["IsTruncated"] and "NextMarker" not in page and "Delimiter" not in page and page["Prefix"] == ""
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (page["IsTruncated"], page["MaxKeys"], page["KeyCount"]) == (False, 0, 0)


@pytest.mark.parametrize("delimiter,prefix,contents,prefixes", [
    ("\n", "", ["p%q", "w x/y"], ["b\n"]), ("%", "", ["b\nar", "b\naz", "w x/y"], ["p%"]), (" ", "", ["b\nar", "b\naz", "p%q"], ["w "]),
    ("/", "w x", [], ["w x/"]), ("", "b\n", ["b\nar", "b\naz"], []), ("/", "none", [], []), ("ar", "b", ["b\naz"], ["b\nar"])])
def test_odd_delimiters_and_prefixes(s3, bucket, delimiter, prefix, contents, prefixes):
    for k in ("b\nar", "b\naz", "p%q", "w x/y"):
        s3.put_object(Bucket=bucket, Key=k, Body=b"")
    for call in (s3.list_objects, s3.list_objects_v2, s3.list_object_versions):
        page = call(Bucket=bucket, Delimiter=delimiter, Prefix=prefix)
        assert [o["Key"] for o in page.get("Contents", page.get("Versions", []))] == contents
        assert [p["Prefix"] for p in page.get("CommonPrefixes", [])] == prefixes
        assert page["Prefix"] == prefix and page.get("Delimiter", "") == delimiter


def test_url_encoding_of_listed_keys(shared, s3, bucket):
    for k in ("foo+1/bar", "foo/bar/xyzzy", "quux ab/thud", "asdf+b", "a\x01"):
        s3.put_object(Bucket=bucket, Key=k, Body=b"")
    raw = RawClient(shared.s3)
    text = raw.get("/" + bucket, query="delimiter=%2F&encoding-type=url")[1]
    assert re.findall(rb"<(?:Key|Prefix)>([^<]+)<", text) == [b"a%01", b"asdf%2Bb", b"foo%2B1/", b"foo/", b"quux%20ab/"]


# ---- reading ----
CONDITIONS = [(dict(IfMatch="E"), 200), (dict(IfMatch='"x"'), 412), (dict(IfNoneMatch="E"), 304), (dict(IfNoneMatch='"x"'), 200), (dict(IfModifiedSince=OLD), 200),
              (dict(IfModifiedSince="T"), 304), (dict(IfUnmodifiedSince=OLD), 412), (dict(IfUnmodifiedSince=NEW), 200), (dict(IfMatch="E", IfUnmodifiedSince=OLD), 200),
              (dict(IfNoneMatch="E", IfModifiedSince=OLD), 304), (dict(IfNoneMatch='"x"', IfModifiedSince="T"), 200)]


def test_conditions_of_reads_and_of_copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789ab")
    head = s3.head_object(Bucket=bucket, Key="k")
    for words, want in CONDITIONS:
        words = {k: {"E": head["ETag"], "T": head["LastModified"]}.get(v, v) for k, v in words.items()}
        assert outcome(s3.get_object, Bucket=bucket, Key="k", **words)[1] == want, words
        assert outcome(s3.head_object, Bucket=bucket, Key="k", **words)[1] == want, words
        copy = {"CopySource" + k: v for k, v in words.items()}
        assert outcome(s3.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/k", **copy)[1] == (412 if want == 304 else want), copy


@pytest.mark.parametrize("words,want", [
    (dict(Range="bytes=40-50"), ("InvalidRange", 416)), (dict(Range="bytes=12-"), ("InvalidRange", 416)), (dict(Range="bytes=-0"), ("InvalidRange", 416)),
    (dict(Range="bytes=5-2"), (None, 200)), (dict(Range="bytes=0-1,3-4"), (None, 200)), (dict(Range="bytes=11-99"), (None, 206)), (dict(PartNumber=1), (None, 206)),
    (dict(PartNumber=2), ("InvalidPartNumber", 416)), (dict(PartNumber=0), ("InvalidArgument", 400)), (dict(PartNumber=1, Range="bytes=0-1"), ("InvalidRequest", 400)),
    (dict(VersionId="null"), (None, 200)), (dict(VersionId="nonsense"), ("InvalidArgument", 400))])
def test_ranges_parts_and_versions_that_a_plain_object_may_not_have(s3, bucket, words, want):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789ab")
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert outcome(s3.get_object, Bucket=bucket, Key="k", **words) == want
    assert outcome(s3.head_object, Bucket=bucket, Key="k", **words)[1] == want[1]
    assert outcome(s3.get_object, Bucket=bucket, Key="empty", Range="bytes=0-0") == ("InvalidRange", 416)


def test_headers_of_an_object_come_back_and_can_be_overridden(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"empty": "", "Two": "a  b"}, ContentEncoding="gzip", ContentLanguage="de", Expires=NEW,
                  WebsiteRedirectLocation="/x")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {"empty": "", "two": "a  b"}
    assert (head["ContentEncoding"], head["ContentLanguage"], head["WebsiteRedirectLocation"]) == ("gzip", "de", "/x")
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="a/b", ResponseCacheControl="none", ResponseContentEncoding="br", ResponseContentLanguage="")
    assert (got["ContentType"], got["CacheControl"], got["ContentEncoding"], got.get("ContentLanguage", "")) == ("a/b", "none", "br", "")


# ---- heads that are not right ----
@pytest.mark.parametrize("value,want", [("YWJyYWNhZGFicmE=", "InvalidDigest"), ("rL0Y20xC+Fzt72VPzMSk2A==", "BadDigest"), ("", "InvalidDigest"), ("AWS", "InvalidDigest")])
def test_content_md5(shared, bucket, value, want):
    assert send(shared, "PUT", f"/{bucket}/k", b"bar", headers={"content-md5": value}) == (want, 400)


def test_a_write_without_its_length_is_refused_and_nothing_is_made(shared, s3, bucket):
    host = shared.s3.removeprefix("http://")
    head = sign("PUT", f"/{bucket}/k", "", {"host": host}, "UNSIGNED-PAYLOAD")
    with socket.create_connection(host.split(":"), timeout=10) as s:
        s.sendall((f"PUT /{bucket}/k HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n").encode())
        answer = http.client.HTTPResponse(s)
        answer.begin()
        assert answer.status == 411 and b"MissingContentLength" in answer.read()
    assert outcome(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_a_part_or_version_in_the_query_never_becomes_an_object(shared, s3, bucket):
    for query in ("partNumber=1", "versionId=null", "partNumber=1&x-id=UploadPart"):
        assert send(shared, "PUT", f"/{bucket}/k", b"x", query=query) == ("InvalidArgument", 400)
    assert send(shared, "PUT", f"/{bucket}/k", b"x", query="somethingNew=") == ("NotImplemented", 501)
    assert outcome(s3.head_object, Bucket=bucket, Key="k")[1] == 404


def test_a_connection_goes_on_after_errors(shared, bucket):
    raw = RawClient(shared.s3)
    raw.put(f"/{bucket}/ok", b"fine")
    wire = raw.connection.sock
    for _ in range(3):
        assert raw.get(f"/{bucket}/none")[0] == 404 and raw.put("/no-such-bucket/k", b"x" * 100_000)[0] == 404
        assert raw.put(f"/{bucket}/k", b"z", headers={"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="})[0] == 400
        assert raw.request("HEAD", f"/{bucket}/none")[:2] == (404, b"") and raw.get(f"/{bucket}/ok")[1] == b"fine"
        assert raw.connection.sock is wire


# ---- presigned ----
def test_presigned_requests_do_what_they_were_signed_for_and_no_more(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b+c", Body=b"x")
    where = dict(Bucket=bucket, Key="a b+c")
    get = s3.generate_presigned_url("get_object", Params={**where, "ResponseContentType": "x/y"})
    assert urllib.request.urlopen(get).headers["content-type"] == "x/y"
    for url, method in [(get + "&more=1", "GET"), (get, "PUT"), (get, "DELETE"), (get.replace("a%20b", "other"), "GET")]:
        assert fetch(url, method, b"" if method == "PUT" else None) == ("SignatureDoesNotMatch", 403)
    for seconds in ("604801", "-7", "x"):
        assert fetch(get.replace("X-Amz-Expires=3600", "X-Amz-Expires=" + seconds)) == ("AuthorizationQueryParametersError", 400)
    for call, method, want in [("head_object", "HEAD", 200), ("create_multipart_upload", "POST", 200), ("delete_object", "DELETE", 204)]:
        assert fetch(s3.generate_presigned_url(call, Params=where), method) == (None, want)


# ---- copies ----
def test_what_a_copy_takes_along(shared, s3, bucket):
    s3.put_object(Bucket=bucket, Key="s", Body=b"foo", Metadata={"a": "1"}, ContentType="q/w", WebsiteRedirectLocation="/r", StorageClass="STANDARD_IA", Tagging="t=1")
    src = f"{bucket}/s"
    s3.copy_object(Bucket=bucket, Key="d", CopySource=src)
    head = s3.head_object(Bucket=bucket, Key="d")
    assert (head["Metadata"], head["ContentType"], head.get("WebsiteRedirectLocation"), head.get("StorageClass")) == ({"a": "1"}, "q/w", None, None)
    s3.copy_object(Bucket=bucket, Key="s", CopySource=src, WebsiteRedirectLocation="/new")
    head = s3.head_object(Bucket=bucket, Key="s")
    assert (head["WebsiteRedirectLocation"], head["Metadata"]) == ("/new", {"a": "1"})
    s3.copy_object(Bucket=bucket, Key="d", CopySource=src, TaggingDirective="REPLACE", Tagging="u=2")
    assert s3.get_object_tagging(Bucket=bucket, Key="d")["TagSet"] == [{"Key": "u", "Value": "2"}]
    for words, want in [({}, ("InvalidRequest", 400)), ({"StorageClass": "STANDARD"}, (None, 200)), ({"MetadataDirective": "FOO"}, ("InvalidArgument", 400)),
                        ({"TaggingDirective": "FOO"}, ("InvalidArgument", 400)), ({"CopySource": "no-such-bucket/k"}, ("NoSuchBucket", 404)),
                        ({"CopySource": f"{bucket}/none"}, ("NoSuchKey", 404))]:
        assert outcome(s3.copy_object, **{"Bucket": bucket, "Key": "s", "CopySource": src, **words}) == want, words
    for source, want in [(src, (None, 200)), ("/" + src, (None, 200)), (src.replace("/", "%2F"), (None, 200)), (bucket, ("InvalidArgument", 400)),
                         (src + "?versionId=nonsense", ("InvalidArgument", 400)), (src + "?versionId=null", (None, 200))]:
        assert send(shared, "PUT", f"/{bucket}/e", headers={"x-amz-copy-source": source}) == want, source


@pytest.mark.parametrize("text", ["bytes=0-21", "0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-4", "bytes=0-", "bytes=-2", "bytes=3-1"])
def test_ranges_that_no_part_can_be_copied_from(s3, bucket, text):
    s3.put_object(Bucket=bucket, Key="five", Body=b"12345")
    up = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    words = dict(Bucket=bucket, Key="m", UploadId=up, PartNumber=1, CopySource=f"{bucket}/five")
    assert outcome(s3.upload_part_copy, **words, CopySourceRange=text) == ("InvalidArgument", 400)
    assert outcome(s3.upload_part_copy, **words, CopySourceRange="bytes=1-2") == (None, 200)


# ---- multipart ----
def test_parts_and_lists_of_parts_that_are_refused(s3, bucket):
    where = dict(Bucket=bucket, Key="m", UploadId=s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"])
    tag = s3.upload_part(**where, PartNumber=1, Body=b"x")["ETag"]
    for number in (0, 10001):
        assert outcome(s3.upload_part, **where, PartNumber=number, Body=b"") == ("InvalidArgument", 400)
    assert outcome(s3.upload_part, **{**where, "Key": "other"}, PartNumber=1, Body=b"") == ("NoSuchUpload", 404)
    assert outcome(s3.upload_part, **{**where, "UploadId": "56788"}, PartNumber=1, Body=b"") == ("NoSuchUpload", 404)
    for parts, want in [([], "MalformedXML"), ([(9999, tag)], "InvalidPart"), ([(1, "f" * 32)], "InvalidPart"), ([(1, tag), (1, tag)], "InvalidPartOrder")]:
        listed = {"Parts": [{"PartNumber": n, "ETag": t} for n, t in parts]}
        assert outcome(s3.complete_multipart_upload, **where, MultipartUpload=listed) == (want, 400)
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag.strip('"')}]})
    assert done["ETag"].endswith('-1"') and done["Location"].endswith(f"/{bucket}/m")


def test_a_part_sent_again_and_the_parts_of_an_object(s3, bucket):
    where = dict(Bucket=bucket, Key="m", UploadId=s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"])
    first, second = os.urandom(5 * MIB), os.urandom(5 * MIB)
    s3.upload_part(**where, PartNumber=1, Body=first)
    tags = [s3.upload_part(**where, PartNumber=n, Body=b)["ETag"] for n, b in ((1, second), (7, b"tail"))]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": n, "ETag": t} for n, t in zip((1, 7), tags)]})
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == second + b"tail"
    head = s3.head_object(Bucket=bucket, Key="m", PartNumber=2)
    assert (head["ContentLength"], head["PartsCount"], head["ResponseMetadata"]["HTTPStatusCode"]) == (4, 2, 206)
    assert outcome(s3.get_object, Bucket=bucket, Key="m", PartNumber=3) == ("InvalidPartNumber", 416)
    wanted = dict(Bucket=bucket, Key="m", ObjectAttributes=["ObjectParts", "ObjectSize"])
    got = s3.get_object_attributes(**wanted)
    assert got["ObjectSize"] == 5 * MIB + 4 and got["ObjectParts"]["TotalPartsCount"] == 2
    assert [(p["PartNumber"], p["Size"]) for p in got["ObjectParts"]["Parts"]] == [(1, 5 * MIB), (2, 4)]
    page = s3.get_object_attributes(**wanted, MaxParts=1, PartNumberMarker=1)["ObjectParts"]
    assert (page["IsTruncated"], page["NextPartNumberMarker"], [p["PartNumber"] for p in page["Parts"]]) == (False, 2, [2])


def test_attributes_that_do_not_exist(shared, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    for headers, want in [({"x-amz-object-attributes": "Foo"}, "InvalidArgument"), ({}, "InvalidRequest"), ({"x-amz-object-attributes": "ETag", "x-amz-max-parts": "x"}, "InvalidArgument")]:
        assert send(shared, "GET", f"/{bucket}/k", query="attributes=", headers=headers) == (want, 400)
    assert outcome(s3.get_object_attributes, Bucket=bucket, Key="none", ObjectAttributes=["ETag"]) == ("NoSuchKey", 404)


@pytest.mark.parametrize("kind", ["CRC32", "SHA1", "SHA256"])
def test_checksums_of_parts_and_of_the_whole(s3, bucket, kind):
    def sum_of(data):
        raw = zlib.crc32(data).to_bytes(4, "big") if kind == "CRC32" else getattr(hashlib, kind.lower())(data).digest()
        return raw, base64.b64encode(raw).decode()
    where = dict(Bucket=bucket, Key="m", UploadId=s3.create_multipart_upload(Bucket=bucket, Key="m", ChecksumAlgorithm=kind)["UploadId"])
    bodies, field = (b"a" * 5 * MIB, b"tail"), "Checksum" + kind
    assert outcome(s3.upload_part, **where, PartNumber=1, Body=b"x", **{field: sum_of(b"y")[1]}) == ("BadDigest", 400)
    parts = [{"PartNumber": i + 1, "ETag": s3.upload_part(**where, PartNumber=i + 1, Body=b, ChecksumAlgorithm=kind)["ETag"], field: sum_of(b)[1]} for i, b in enumerate(bodies)]
    wrong = [{**parts[0], field: parts[1][field]}, parts[1]]
    assert outcome(s3.complete_multipart_upload, **where, MultipartUpload={"Parts": wrong}) == ("InvalidPart", 400)
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    want = sum_of(b"".join(sum_of(b)[0] for b in bodies))[1] + "-2"
    assert done[field] == want == s3.head_object(Bucket=bucket, Key="m", ChecksumMode="ENABLED")[field]


def test_the_size_that_a_client_expects_of_more_parts_than_a_page(shared, s3, bucket):
    where = dict(Bucket=bucket, Key="m", UploadId=s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"])
    tags = {}

    def fill(n):
        c = shared.s3_client()
        for i in range(n + 1, 1102, 8):
            tags[i] = c.upload_part(**where, PartNumber=i, Body=b"p")["ETag"]
    threads = [threading.Thread(target=fill, args=(n,)) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    body = "".join(f"<Part><PartNumber>{i}</PartNumber><ETag>{tags[i]}</ETag></Part>" for i in range(1, 1102))
    for size, want in [("1100", "InvalidRequest"), ("x", "InvalidRequest"), ("1101", "EntityTooSmall")]:  # the last: its size was right
        assert send(shared, "POST", f"/{bucket}/m", f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>".encode(),
                    query="uploadId=" + where["UploadId"], headers={"x-amz-mp-object-size": size}) == (want, 400)


def test_uploads_are_listed_by_key_then_age(s3, bucket):
    ids = [s3.create_multipart_upload(Bucket=bucket, Key=k)["UploadId"] for k in ("l1", "l1", "l2", "d/x", "d/y")]
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [u["UploadId"] for u in page["Uploads"]] == ids[:3] and [p["Prefix"] for p in page["CommonPrefixes"]] == ["d/"]
    page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=3)
    assert (page["IsTruncated"], page["NextKeyMarker"], page["NextUploadIdMarker"]) == (True, "l1", ids[0])
    page = s3.list_multipart_uploads(Bucket=bucket, KeyMarker="l1", UploadIdMarker=ids[0])
    assert [u["UploadId"] for u in page["Uploads"]] == ids[1:3]


# ---- versions ----
def test_markers_as_every_call_sees_them(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"]
    asked = dict(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    with pytest.raises(ClientError) as e:
        s3.head_object(Bucket=bucket, Key="k")
    assert e.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert outcome(s3.head_object, **asked)[1] == 405 and outcome(s3.get_object_tagging, **asked) == ("MethodNotAllowed", 405)
    assert outcome(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": []}) == ("NoSuchKey", 404)
    assert outcome(s3.copy_object, Bucket=bucket, Key="c", CopySource=f"{bucket}/k") == ("NoSuchKey", 404)
    assert outcome(s3.copy_object, Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k", "VersionId": marker["VersionId"]}) == ("InvalidRequest", 400)
    assert outcome(s3.get_object, Bucket=bucket, Key="other", VersionId=marker["VersionId"]) == ("NoSuchVersion", 404)
    gone = s3.delete_object(**asked)
    assert gone["DeleteMarker"] and gone["VersionId"] == marker["VersionId"]
    assert outcome(s3.delete_object, **asked) == (None, 204)


def test_suspended_versioning_has_one_null_version(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    kept = s3.put_object(Bucket=bucket, Key="k", Body=b"kept")["VersionId"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    for body in (b"1", b"2"):
        assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    for _ in range(2):
        gone = s3.delete_object(Bucket=bucket, Key="k")
        assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")
    listed = s3.list_object_versions(Bucket=bucket)
    assert ([v["VersionId"] for v in listed["Versions"]], [m["VersionId"] for m in listed["DeleteMarkers"]]) == ([kept], ["null"])
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


def test_a_thousand_versions_and_markers_are_listed_and_deleted_at_once(shared, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    made = []

    def fill(n):
        c = shared.s3_client()
        for i in range(n, 500, 8):
            key = f"k{i % 100:03}"
            made.extend([(key, c.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"]), (key, c.delete_object(Bucket=bucket, Key=key)["VersionId"])])
    threads = [threading.Thread(target=fill, args=(n,)) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    listed, latest = [], 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 77}):
        both = page.get("Versions", []) + page.get("DeleteMarkers", [])
        listed += [(v["Key"], v["VersionId"]) for v in both]
        latest += sum(v["IsLatest"] for v in both)
    assert sorted(listed) == sorted(made) and latest == 100
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k, "VersionId": v} for k, v in made]})
    assert len(gone["Deleted"]) == 1000 and sum(d.get("DeleteMarker", False) for d in gone["Deleted"]) == 500 and "Errors" not in gone
    s3.delete_bucket(Bucket=bucket)


# ---- deleting on conditions ----
def test_conditions_of_deletes(shared, s3, bucket):
    tag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    for headers, want in [({"if-match": '"0"'}, ("PreconditionFailed", 412)), ({"x-amz-if-match-size": "9"}, ("NotImplemented", 501)),
                          ({"x-amz-if-match-last-modified-time": "Mon, 01 Jan 2001 00:00:00 GMT"}, ("NotImplemented", 501))]:
        assert send(shared, "DELETE", f"/{bucket}/k", headers=headers) == want
    assert send(shared, "DELETE", f"/{bucket}/none", headers={"if-match": "*"}) == ("NoSuchKey", 404)
    many = '<Delete><Object><Key>k</Key><ETag>"0"</ETag></Object><Object><Key>k</Key><Size>9</Size></Object></Delete>'.encode()
    raw = RawClient(shared.s3)
    assert re.findall(rb"<Code>(\w+)<", raw.request("POST", "/" + bucket, many, query="delete=")[1]) == [b"PreconditionFailed", b"NotImplemented"]
    assert send(shared, "DELETE", f"/{bucket}/k", headers={"if-match": tag}) == (None, 204)


# ---- tags ----
@pytest.mark.parametrize("tags,want", [([("a", "")] * 2, "InvalidTag"), ([(str(i), "") for i in range(11)], "BadRequest"), ([("k" * 129, "")], "InvalidTag"),
                                       ([("k", "v" * 257)], "InvalidTag"), ([("aws:k", "")], "InvalidTag"), ([("a?b", "")], "InvalidTag"), ([("a", "b*")], "InvalidTag"),
                                       ([("k" * 128, "v" * 256)], None), ([("é/+ -=._:@", "值")], None), ([(str(i), str(i)) for i in range(10)], None)])
def test_tags_that_are_refused_leave_the_old_ones(s3, bucket, tags, want):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="old=1")
    listed = [{"Key": k, "Value": v} for k, v in tags]
    assert outcome(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": listed}) == (want, 400 if want else 200)
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == ([{"Key": "old", "Value": "1"}] if want else listed)
    assert outcome(s3.put_object, Bucket=bucket, Key="k", Body=b"", Tagging="a=1&a=2") == ("InvalidArgument", 400)


# ---- each request is billed once ----
def test_each_request_is_billed_once_whatever_became_of_it(make):
    d = make(virtual=True)
    d.cli("account", "create", "acme", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos")
    d.cli("account", "topup", "acme", "100.00")
    key = d.json("key", "create", "--account", "acme")
    c, b = d.s3_client(key["access_key"], key["secret_key"]), dict(Bucket="billed")
    up = {}

    def begin():
        up["UploadId"] = c.create_multipart_upload(**b, Key="m")["UploadId"]

    def complete():
        tag = hashlib.md5(b"x" * 10).hexdigest()
        c.complete_multipart_upload(**b, Key="m", **up, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    calls = [
        lambda: c.create_bucket(**b), lambda: c.put_object(**b, Key="k", Body=b"x"), lambda: c.put_object(**b, Key="k", Body=b"y" * 300_000), begin,
        lambda: c.upload_part(**b, Key="m", **up, PartNumber=1, Body=b"x" * 10), lambda: c.list_parts(**b, Key="m", **up), complete, complete,
        lambda: c.copy_object(**b, Key="c", CopySource="billed/k"), lambda: c.get_object(**b, Key="k", Range="bytes=0-999"), lambda: c.head_object(**b, Key="k"),
        lambda: c.get_object(**b, Key="none"), lambda: c.get_object(**b, Key="k", IfMatch='"0"'), lambda: c.put_bucket_policy(**b, Policy="{}"),
        lambda: c.get_bucket_policy(**b), lambda: c.delete_object(**b, Key="none"), lambda: c.list_objects_v2(**b), lambda: c.list_buckets(),
        lambda: c.delete_objects(**b, Delete={"Objects": [{"Key": k} for k in ("c", "m", "none")]}), lambda: c.delete_objects(**b, Delete={"Objects": [{"Key": "none"}, {"Key": "k"}]}),
        lambda: c.get_object(Bucket="no-such-bucket", Key="k"), begin, lambda: c.abort_multipart_upload(**b, Key="m", **up), lambda: c.abort_multipart_upload(**b, Key="m", **up),
    ]
    for call in calls:
        try:
            call()
        except ClientError:
            pass
    d.cli("clock", "advance", "2h")
    now = d.json("clock", "show")["now"]
    months = {(datetime.datetime.fromisoformat(now.replace("Z", "+00:00")) + datetime.timedelta(hours=h)).strftime("%Y-%m") for h in (-3, 8)}
    lines = [line for m in months for line in d.json("account", "statement", "acme", "--month", m)["lines"]]
    assert sum(Decimal(x["quantity"]) for x in lines if x["item"].startswith("requests.")) == len(calls)
    assert sum(Decimal(x["amount"]) for x in lines if x["item"].startswith("requests.")) == len(calls) * Decimal("0.000001")
