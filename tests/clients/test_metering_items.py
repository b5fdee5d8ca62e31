"""What real requests become in a statement: the direction of egress by address, retrieval, minimum size, early deletion, and who used it."""
from decimal import Decimal
import os

import pytest

GIB = Decimal(1 << 30)
MIB = 1 << 20


def start(make, config=None, **options):
    d = make(virtual=True, start=False, **options)
    if config:
        file = d.folder / "holdfast.yaml"
        file.write_text(config)
        d.extra += ["--config", str(file)]
    d.start()
    d.cli("account", "create", "acme", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos")
    d.cli("account", "topup", "acme", "1000")
    d.key = d.json("key", "create", "--account", "acme")
    d.client = d.s3_client(d.key["access_key"], d.key["secret_key"])
    d.client.create_bucket(Bucket="photos")
    return d


def months(d):
    now = d.json("clock", "show")["now"]
    year, month = int(now[:4]), int(now[5:7])
    for _ in range(3):
        yield f"{year}-{month:02d}"
        month += 1
        if month > 12:
            year, month = year + 1, 1


def lines(d, at=None):
    """Quantities and amounts by item, over the month the test began in and those behind it."""
    sums = {}
    for m in at or months(d):
        for x in d.json("account", "statement", "acme", "--month", m)["lines"]:
            q, a = sums.get(x["item"], (0, 0))
            sums[x["item"]] = q + Decimal(x["quantity"]), a + Decimal(x["amount"])
    return sums


@pytest.mark.parametrize("word,item", [("internal", "egress.internal"), ("cdn", "egress.cdn"), ("cross-region", "egress.cross-region"),
                                       (None, "egress.internet")])
def test_the_clients_address_gives_the_direction(make, word, item):
    d = start(make, f"egress:\n  {word}: [127.0.0.0/8]\n" if word else None)
    d.client.put_object(Bucket="photos", Key="k", Body=os.urandom(MIB))
    for _ in range(3):
        d.client.get_object(Bucket="photos", Key="k")["Body"].read()
    got = lines(d)
    assert got[item][0] == 3 * MIB / GIB
    assert not [i for i in got if i.startswith("egress.") and i != item]


def test_the_narrowest_network_counts(make):
    d = start(make, "egress:\n  internal: [127.0.0.0/8]\n  cdn: [127.0.0.1]\n")
    d.client.put_object(Bucket="photos", Key="k", Body=os.urandom(MIB))
    d.client.get_object(Bucket="photos", Key="k")["Body"].read()
    got = lines(d)
    assert got["egress.cdn"][0] == MIB / GIB and "egress.internal" not in got


def test_a_network_that_is_none_is_refused_at_the_start(make):
    with pytest.raises(Exception, match="10.0.0.0/33"):
        start(make, "egress:\n  internal: [10.0.0.0/33]\n")


def test_reading_a_class_that_charges_for_it_is_retrieval(make):
    d = start(make)
    c = d.client
    c.put_object(Bucket="photos", Key="k", Body=os.urandom(10 * MIB), StorageClass="STANDARD_IA")
    c.put_object(Bucket="photos", Key="s", Body=os.urandom(MIB))
    c.get_object(Bucket="photos", Key="k", Range=f"bytes=0-{MIB - 1}")["Body"].read()
    c.get_object(Bucket="photos", Key="k")["Body"].read()
    c.get_object(Bucket="photos", Key="s")["Body"].read()
    c.head_object(Bucket="photos", Key="k")
    assert lines(d)["retrieval.STANDARD_IA"][0] == 11 * MIB / GIB
    # The reading side of a copy is retrieval too; its bytes stay inside.
    egress = lines(d)["egress.internet"][0]
    c.copy_object(Bucket="photos", Key="copy", CopySource="photos/k", StorageClass="STANDARD")
    upload = c.create_multipart_upload(Bucket="photos", Key="m")["UploadId"]
    c.upload_part_copy(Bucket="photos", Key="m", UploadId=upload, PartNumber=1, CopySource="photos/k", CopySourceRange=f"bytes=0-{5 * MIB - 1}")
    got = lines(d)
    assert got["retrieval.STANDARD_IA"][0] == 26 * MIB / GIB
    assert got["retrieval.STANDARD_IA"][1] > 0
    assert got["egress.internet"][0] - egress < Decimal(4096) / GIB


def test_what_goes_before_its_minimum_days_pays_for_those_left(make):
    d = start(make)
    c = d.client
    at = list(months(d))
    size = 8 * MIB
    for key in ("deleted", "overwritten", "expected"):
        c.put_object(Bucket="photos", Key=key, Body=os.urandom(size), StorageClass="STANDARD_IA")
    c.put_object(Bucket="photos", Key="standard", Body=os.urandom(size))
    d.cli("clock", "advance", "240h")  # 10 of 30 days
    c.delete_object(Bucket="photos", Key="deleted")
    c.delete_object(Bucket="photos", Key="standard")
    c.put_object(Bucket="photos", Key="overwritten", Body=b"x")
    quantity, amount = lines(d, at)["early-delete.STANDARD_IA"]
    # Two objects, 20 of 30 days each; quantities are GB-months of 30 days.
    assert abs(quantity - 2 * Decimal(size) / GIB * 20 / 30) < Decimal("0.00002")
    assert amount > 0
    d.cli("clock", "advance", "504h")  # past the 30 days
    c.delete_object(Bucket="photos", Key="expected")
    assert lines(d, at)["early-delete.STANDARD_IA"] == (quantity, amount)


def test_who_used_it_is_known_by_kind_key_and_result(make):
    d = start(make)
    c = d.client
    c.put_object(Bucket="photos", Key="k", Body=b"x")
    for _ in range(3):
        c.get_object(Bucket="photos", Key="k")["Body"].read()
    for _ in range(2):
        c.list_objects_v2(Bucket="photos")
    with pytest.raises(Exception):
        c.get_object(Bucket="photos", Key="none")
    c.delete_object(Bucket="photos", Key="k")
    used = {}
    for x in d.json("account", "usage", "acme")["lines"]:
        if x["item"].startswith("requests.") and x["bucket"] == "photos":
            assert x["access_key"] == d.key["access_key"]
            kind = x["item"], int(x["status"])
            used[kind] = used.get(kind, 0) + int(Decimal(x["quantity"]))
    assert used["requests.STANDARD.read", 200] == 3
    assert used["requests.STANDARD.read", 404] == 1
    # create, put and two lists; how a record's status is told apart is the meter's matter.
    assert sum(n for (item, status), n in used.items() if item == "requests.STANDARD.write" and status < 300) == 4
    assert sum(n for (item, _), n in used.items() if item == "requests.STANDARD.delete") == 1
