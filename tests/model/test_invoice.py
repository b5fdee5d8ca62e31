"""A month of a COS customer, invoiced as the cloud does it: each line to eight places, then their sum to the fen.

The usage is in tests/fixtures/invoice/cos-2026-11.json. The calculation below uses nothing of the model and nothing of the
price book: it is done from the published rules (prices per GB-month, 10 000 requests and GB; 1 GB = 1024^3 bytes; a day of
storage costs a thirtieth of the month's price; 288 samples a day; every request is billed, failed ones too; an object of
STANDARD_IA counts as 64 KB at least and as 30 days at least), and each hour's amount is rounded half-up to 10^-9 CNY, as
the ledger posts it.
"""
import json
import pathlib
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from drive import drive

FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "invoice" / "cos-2026-11.json"
NS = 10 ** 9
GB = 1 << 30


def half_up(x):
    return (2 * x.numerator + x.denominator) // (2 * x.denominator)


def nano(yuan):
    """An hour's amount as it is posted."""
    return half_up(Fraction(yuan) * NS)


def yuan(nano_amount):
    return Decimal(nano_amount).scaleb(-9)


def line_of_invoice(nano_amount):
    return yuan(nano_amount).quantize(Decimal("0.00000001"), ROUND_HALF_UP)


def fen(amount):
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def storage_hour(gb, price):
    """Twelve samples of an hour, of the 30 x 288 of a month."""
    return nano(Fraction(gb) * 12 * Fraction(price) / (30 * 288))


def invoice_by_hand():
    """[(bucket, item, covered by the pack, nano)], in the order of the statement."""
    lines = []

    # backup, storage.STANDARD_IA, 0.08 per GB-month.
    # db.dump, 10 GB, is there from the sample of 4 Nov 12:00 to that of 14 Nov 11:55: ten days.
    # A thousand notes of 1000 bytes count as 64 KB each: 65 536 000 bytes, from 14 Nov 00:00 to the month's end.
    notes = Fraction(1000 * 65536, GB)
    only_dump = 228 * storage_hour(10, "0.08")          # 4 Nov 12:00 to 13 Nov 24:00
    both = 12 * storage_hour(10 + notes, "0.08")        # 14 Nov, until noon
    only_notes = 396 * storage_hour(notes, "0.08")      # 14 Nov noon to 30 Nov 24:00
    lines.append(("backup", "storage.STANDARD_IA", False, only_dump + both + only_notes))

    # backup, requests.STANDARD_IA, 0.05 per 10 000: the put, three gets, a thousand puts, the delete, 250 refused (403).
    each = Fraction("0.05") / 10_000
    lines.append(("backup", "requests.STANDARD_IA", False, sum(nano(n * each) for n in (1, 3, 1000, 1, 250))))

    # backup, retrieval.STANDARD_IA: 10 GB at 0.02.
    lines.append(("backup", "retrieval.STANDARD_IA", False, nano(10 * Fraction("0.02"))))

    # backup, early-delete.STANDARD_IA: 10 GB lived ten days of thirty; twenty are paid at once.
    lines.append(("backup", "early-delete.STANDARD_IA", False, nano(10 * Fraction("0.08") * 20 / 30)))

    # backup, egress.internet: 64 000 bytes of error answers at 0.5 per GB; the pack has been used up for twelve days.
    lines.append(("backup", "egress.internet", False, nano(Fraction(64_000, GB) * Fraction("0.5"))))

    # backup, egress.internal: 10 GB, free.
    lines.append(("backup", "egress.internal", False, 0))

    # photos, storage.STANDARD, 0.118 per GB-month: 500 GB for ten days, 750 GB for twenty.
    lines.append(("photos", "storage.STANDARD", False,
                  240 * storage_hour(500, "0.118") + 480 * storage_hour(750, "0.118")))

    # photos, requests.STANDARD, 0.01 per 10 000: reads, the 404s and 503s too, and the second library's put. (The buckets
    # and the first library were made in October.)
    each = Fraction("0.01") / 10_000
    lines.append(("photos", "requests.STANDARD", False, sum(nano(n * each) for n in (1_200_000, 35_000, 7_000, 90_000, 1, 4_100))))

    # photos, egress.internet. The pack of 50 GB covers 40 GB on 4 Nov, 8 960 000 bytes on 5 Nov, and of the 30 GB of 8 Nov
    # what is left of it; the rest is paid at 0.5.
    left = 50 * GB - 40 * GB - 8_960_000
    lines.append(("photos", "egress.internet", True, 0))
    lines.append(("photos", "egress.internet", False, nano(Fraction(30 * GB - left, GB) * Fraction("0.5"))))

    # photos, egress.cdn: 100 GB at 0.15.
    lines.append(("photos", "egress.cdn", False, nano(100 * Fraction("0.15"))))

    # What was bought and charged.
    lines.append(("", "pack", False, nano("22.50")))
    lines.append(("", "charge", False, nano("3.33")))
    return lines


# ---- the same month, as records ----
def ns(text):
    return int(datetime.fromisoformat(text).timestamp()) * NS


class Script:
    def __init__(self, fixture):
        self.lines, self.seq, self.buckets, self.objects = [{"op": "open"}], 1, {}, {}
        self.tick(ns("2026-10-31T23:55:00+08:00"))
        self.account = self.record("account", self.now + 1, name=fixture["account"], currency="CNY", prices=fixture["prices"],
                                   timetable="tencent-cos")
        for name in fixture["buckets"]:
            self.buckets[name] = self.record("bucket", self.now + 1, account=self.account, name=name, requests=1)
        for event in fixture["events"]:
            self.ticks_before(ns(event["at"]))
            getattr(self, event["do"].replace("-", "_"))(event, ns(event["at"]))
        self.ticks_before(ns("2026-12-01T01:00:00+08:00"))
        self.lines.append({"op": "ask", "what": "statement", "account": fixture["account"], "month": fixture["month"], "now": self.now})

    def record(self, kind, time_ns, **fields):
        self.seq += 1
        self.now = max(time_ns, getattr(self, "now", 0) + 1)
        self.lines.append({"op": "record", "type": kind, "seq": self.seq, "time": self.now, **fields})
        return self.seq

    def tick(self, at):
        self.last = at
        self.record("tick", at)

    def ticks_before(self, time_ns):
        while self.last + 300 * NS < time_ns:
            self.tick(self.last + 300 * NS)

    def topup(self, e, at):
        self.record("topup", at, account=self.account, amount=nano(e["amount"]), ref=e["ref"])

    def pack(self, e, at):
        self.record("money", at, money="pack", account=self.account, scope=e["item"], quantity=e["gb"], until=ns(e["until"]),
                    amount=nano(e["cost"]))

    def charge(self, e, at):
        self.record("money", at, money="charge", account=self.account, amount=nano(e["amount"]), note=e["note"])

    def object(self, kind, e, at, key, **fields):
        self.record(kind, at, account=self.account, bucket=self.buckets[e["bucket"]], name=e["bucket"], object=key, requests=1,
                    key="HFKEY", **fields)

    def put(self, e, at):
        cls = ["STANDARD", "STANDARD_IA"].index(e["class"])
        self.object("object", e, at, e["key"], size=e["bytes"], delta=[[cls, e["bytes"], 1]], **{"class": e["class"]})
        self.objects[e["key"]] = cls, e["bytes"], self.now, e["class"]

    def put_many(self, e, at):
        for i in range(e["count"]):
            self.put({**e, "key": f"{e['key']}{i}"}, at)

    def delete(self, e, at):
        cls, size, created, name = self.objects.pop(e["key"])
        self.object("delete", e, at, e["key"], delta=[[cls, -size, -1]], gone=[[cls, size, created]], **{"class": name})

    def read(self, e, at):
        self.record("usage", at, lines=[{
            "account": self.account, "bucket": self.buckets[e["bucket"]], "name": e["bucket"], "key": "HFKEY", "kind": "read",
            "class": e["class"], "status": e["status"], "requests": e["requests"], "egress": e["bytes"], "direction": e["direction"],
            "retrieved": e.get("retrieved", 0)}])


def test_a_month_is_invoiced_to_the_fen():
    fixture = json.loads(FIXTURE.read_text())
    statement = drive(Script(fixture).lines)[0]
    expected = invoice_by_hand()

    got = {(x["bucket"], x["item"], x["covered_by"] is not None): (x["amount"], invoiced)
           for x, invoiced in zip(statement["lines"], statement["invoice"]["lines"], strict=True)}
    assert {k: (Decimal(a), Decimal(i)) for k, (a, i) in got.items()} == \
        {(b, item, covered): (yuan(n), line_of_invoice(n)) for b, item, covered, n in expected}
    assert Decimal(statement["total"]) == yuan(sum(n for *_, n in expected))
    assert Decimal(statement["invoice"]["total"]) == fen(sum(line_of_invoice(n) for *_, n in expected)) == Decimal("131.85")
    assert (statement["invoice"]["lines_places"], statement["invoice"]["total_places"]) == (8, 2)
