"""aws-cli from Debian, with its default settings."""
import json
import os

from harness import run

AWS = "/usr/bin/aws"


def aws(daemon, *words, **options):
    return run([AWS, "--endpoint-url", daemon.s3, *words], daemon.env(), **options)


def test_first_five_minutes_of_the_readme(daemon, folder):
    (folder / "hello.txt").write_text("hello\n")
    aws(daemon, "s3", "mb", "s3://photos")
    aws(daemon, "s3", "cp", folder / "hello.txt", "s3://photos/hello.txt")
    assert b"hello.txt" in aws(daemon, "s3", "ls", "s3://photos").stdout
    aws(daemon, "s3", "cp", "s3://photos/hello.txt", folder / "back.txt")
    assert (folder / "back.txt").read_text() == "hello\n"
    aws(daemon, "s3", "rm", "s3://photos/hello.txt")
    aws(daemon, "s3", "rb", "s3://photos")


def test_sync_of_a_tree_with_odd_names_there_and_back(daemon, folder):
    names = ["plain", "with space", "plus+sign", "percent%2Fslash", "文件/照片.jpg", "deep/a/b/c/d", "tilde~", "quote'\"", "empty"]
    for i, name in enumerate(names):
        path = folder / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty" else os.urandom(1000 * i + 1))
    aws(daemon, "s3", "mb", "s3://tree")
    aws(daemon, "s3", "sync", folder / "tree", "s3://tree/p/")
    aws(daemon, "s3", "sync", "s3://tree/p/", folder / "back")
    for name in names:
        assert (folder / "back" / name).read_bytes() == (folder / "tree" / name).read_bytes(), name
    listed = {o["Key"] for o in json.loads(aws(daemon, "s3api", "list-objects-v2", "--bucket", "tree").stdout)["Contents"]}
    assert listed == {"p/" + n for n in names}


def test_multipart_upload_and_download(daemon, folder):
    data = os.urandom(40 << 20)
    (folder / "big").write_bytes(data)
    aws(daemon, "s3", "mb", "s3://big")
    aws(daemon, "s3", "cp", folder / "big", "s3://big/big")
    head = json.loads(aws(daemon, "s3api", "head-object", "--bucket", "big", "--key", "big").stdout)
    assert head["ContentLength"] == len(data) and "-" in head["ETag"]
    aws(daemon, "s3", "cp", "s3://big/big", folder / "back")
    assert (folder / "back").read_bytes() == data
    aws(daemon, "s3", "cp", "s3://big/big", "s3://big/copy")
    aws(daemon, "s3", "cp", "s3://big/copy", folder / "back2")
    assert (folder / "back2").read_bytes() == data


def test_presigned_url_works_without_credentials(daemon, folder):
    aws(daemon, "s3", "mb", "s3://pre")
    aws(daemon, "s3", "cp", "-", "s3://pre/a b+c", stdin=b"signed")
    url = aws(daemon, "s3", "presign", "s3://pre/a b+c").stdout.decode().strip()
    assert run(["curl", "-sf", url], daemon.env()).stdout == b"signed"
    assert run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url.replace("Signature=", "Signature=0")], daemon.env()).stdout == b"403"
    assert run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url.split("?")[0]], daemon.env()).stdout == b"403"


def test_versions_and_tags_by_s3api(daemon):
    aws(daemon, "s3api", "create-bucket", "--bucket", "ver")
    aws(daemon, "s3api", "put-bucket-versioning", "--bucket", "ver", "--versioning-configuration", "Status=Enabled")
    aws(daemon, "s3", "cp", "-", "s3://ver/k", stdin=b"one")
    aws(daemon, "s3", "cp", "-", "s3://ver/k", stdin=b"two")
    aws(daemon, "s3", "rm", "s3://ver/k")
    v = json.loads(aws(daemon, "s3api", "list-object-versions", "--bucket", "ver").stdout)
    assert len(v["Versions"]) == 2 and len(v["DeleteMarkers"]) == 1 and v["DeleteMarkers"][0]["IsLatest"]
    old = [x for x in v["Versions"] if x["Size"] == 3][-1]
    aws(daemon, "s3api", "put-object-tagging", "--bucket", "ver", "--key", "k", "--version-id", old["VersionId"], "--tagging",
        "TagSet=[{Key=a,Value=b}]")
    t = json.loads(aws(daemon, "s3api", "get-object-tagging", "--bucket", "ver", "--key", "k", "--version-id", old["VersionId"]).stdout)
    assert t["TagSet"] == [{"Key": "a", "Value": "b"}]
