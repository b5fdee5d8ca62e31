"""Accounts by the virtual clock: a month's statement computed by hand, the stages as a real client sees them, top-ups that lift them."""
from decimal import ROUND_HALF_UP, Decimal
import os

import pytest
from botocore.exceptions import ClientError

GIB = Decimal(1 << 30)
NANO = Decimal("0.000000001")


def nano(x):
    return x.quantize(NANO, ROUND_HALF_UP)


@pytest.fixture
def acme(make):
    d = make(virtual=True)
    d.cli("account", "create", "acme", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos")
    key = d.json("key", "create", "--account", "acme")
    d.client = d.s3_client(key["access_key"], key["secret_key"])
    return d


def error(call, **words):
    with pytest.raises(ClientError) as e:
        call(**words)
    return e.value.response["ResponseMetadata"]["HTTPStatusCode"], e.value.response["Error"]


def test_a_month_against_a_statement_computed_by_hand(acme):
    acme.cli("account", "topup", "acme", "100.00")
    size = 50_000_000
    acme.client.create_bucket(Bucket="photos")
    acme.client.put_object(Bucket="photos", Key="a", Body=os.urandom(size))
    for _ in range(7):
        acme.client.get_object(Bucket="photos", Key="a", Range="bytes=0-999999")["Body"].read()
    acme.cli("clock", "advance", "48h")
    months = [m for m in (acme.json("account", "statement", "acme", "--month", f"{y}-{n:02d}")
                          for y in (2026, 2027, 2028) for n in range(1, 13)) if m["lines"]]
    lines = {}
    for m in months:
        assert "+08:00" in m["time_zone"] or "UTC+8" in m["time_zone"] or "Shanghai" in m["time_zone"], m["time_zone"]
        assert sum(Decimal(x["amount"]) for x in m["lines"]) == Decimal(m["total"])
        for x in m["lines"]:
            if x["bucket"] == "photos":
                lines[x["item"]] = lines.get(x["item"], 0) + Decimal(x["amount"])
    # 48 hours of 12 samples each, every hour rounded by itself; the first and the last hour may be partial.
    hour = nano(12 * size * Decimal("0.118") / (30 * 288) / GIB)
    assert 47 * hour <= lines["storage.STANDARD"] <= 48 * hour + 24 * NANO
    # create, put and seven gets: nine requests in one hour.
    assert lines["requests.STANDARD"] == nano(9 * Decimal("0.01") / 10_000)
    assert lines["egress.internet"] == nano(7 * 1_000_000 * Decimal("0.5") / GIB)
    spent = sum(Decimal(m["total"]) for m in months)
    assert Decimal(acme.account("acme")["balance"]) == 100 - spent


def test_stages_as_a_client_sees_them_and_a_top_up_that_lifts_them_at_once(acme):
    c = acme.client
    acme.cli("account", "topup", "acme", "0.01")
    c.create_bucket(Bucket="bkt")
    c.put_object(Bucket="bkt", Key="k", Body=os.urandom(30_000_000))
    assert acme.account("acme")["stage"] == "active"
    burn = Decimal(acme.account("acme")["burn_per_day"])
    assert burn >= nano(Decimal(30_000_000) / GIB * Decimal("0.118") / 30)
    hours = 0
    while acme.account("acme")["stage"] == "active":
        acme.cli("clock", "advance", "24h")
        hours += 24
        assert hours < 24 * 400
    assert acme.account("acme")["stage"] == "warn"
    c.put_object(Bucket="bkt", Key="still", Body=b"works")
    left = acme.account("acme")["hours_to_stop"]
    assert 0 <= left <= 24
    acme.cli("clock", "advance", "25h")
    now = acme.account("acme")
    assert now["stage"] == "stop" and now["hours_to_stop"] == 0 and now["hours_to_destroy"] > 24 * 100
    for call in (lambda: error(c.get_object, Bucket="bkt", Key="k"), lambda: error(c.put_object, Bucket="bkt", Key="n", Body=b""),
                 lambda: error(c.list_objects_v2, Bucket="bkt"), lambda: error(c.delete_object, Bucket="bkt", Key="k")):
        status, err = call()
        assert (status, err["Code"]) == (403, "AccountProblem")
        assert "CNY" in err["Message"] and "recharge" in err["Message"].lower()
    owed = -Decimal(acme.account("acme")["balance"])
    assert owed > 0
    acme.cli("account", "topup", "acme", str(owed + Decimal("0.001")))
    assert acme.account("acme")["stage"] == "active"
    assert c.get_object(Bucket="bkt", Key="still")["Body"].read() == b"works"
    # And once more, to the very end: nothing is purged, paying still brings all of it back.
    acme.cli("clock", "advance", "3000h")
    acme.cli("clock", "advance", "2904h")
    assert acme.account("acme")["stage"] == "purgeable"
    assert error(c.get_object, Bucket="bkt", Key="k")[1]["Code"] == "AccountProblem"
    acme.cli("account", "topup", "acme", "1000")
    assert len(c.get_object(Bucket="bkt", Key="k")["Body"].read()) == 30_000_000


def test_a_top_up_with_a_reference_counts_once_and_bad_amounts_are_refused(acme):
    acme.cli("account", "topup", "acme", "10.00", "--ref", "order-1")
    acme.cli("account", "topup", "acme", "10.00", "--ref", "order-1")
    assert Decimal(acme.account("acme")["balance"]) == 10
    for bad in ("-1", "0", "NaN", "1e5", "1" + "0" * 40, "0.0000000001", "abc", ""):
        done = acme.cli("account", "topup", "acme", "--", bad, check=False)
        assert done.returncode in (1, 2) and done.stderr, bad
    assert Decimal(acme.account("acme")["balance"]) == 10
    assert acme.cli("account", "topup", "nobody", "1", check=False).returncode == 1
    assert acme.cli("account", "create", "acme", "--currency", "CNY", check=False).returncode == 1
    assert acme.cli("account", "create", "x", "--prices", "none-such", check=False).returncode == 1


def test_the_default_account_is_not_charged(acme):
    c = acme.s3_client()
    c.create_bucket(Bucket="free")
    c.put_object(Bucket="free", Key="k", Body=os.urandom(1_000_000))
    acme.cli("clock", "advance", "100h")
    d = acme.account("default")
    assert Decimal(d["balance"]) == 0 and d["stage"] == "active"


def test_the_virtual_clock_stands_still_and_survives_a_restart(acme):
    first = acme.json("clock", "show")["now"]
    assert acme.json("clock", "show")["now"] == first
    acme.cli("clock", "advance", "25h")
    later = acme.json("clock", "show")["now"]
    acme.stop()
    acme.start()
    assert acme.json("clock", "show")["now"] == later
    acme.stop()
    acme.virtual = False
    with pytest.raises(Exception, match="virtual"):
        acme.start()
    acme.virtual = True
    acme.start()
    assert acme.cli("clock", "advance", "-1h", check=False).returncode != 0


def test_restart_and_kill_keep_the_ledger(acme):
    acme.cli("account", "topup", "acme", "3.00")
    acme.client.create_bucket(Bucket="bkt")
    acme.client.put_object(Bucket="bkt", Key="k", Body=os.urandom(9_000_000))
    acme.cli("clock", "advance", "50h")
    before = acme.account("acme")
    acme.kill()
    acme.start()
    assert acme.account("acme") == before
