"""Random months: a script of records for drive.py and model.py, made from one seed.

A script is a list of dicts. Records carry seq and time; questions stand where they were asked. What a record may refer to
(objects, buckets, refs) is kept here, so that every record is one that a live run could have written.
"""
import random
from fractions import Fraction

from model import CELLS, CLASSES, DAY, DIRECTIONS, HOUR, KINDS, NANO, NS, SLOT, Book, Tier, decimal_text

NOVEMBER = 1793462400 * NS  # 2026-11-01T00:00:00+08:00
GIB = 1 << 30
ORIGIN = 'source: "made by a test", as_of: 2026-11'


# ---- price books: the numbers, and the YAML that says them ----
def figure(value, unit):
    return f"{{value: {value}, unit: {unit}, {ORIGIN}}}"


def price(rng, scale):
    """Mostly plain, sometimes awkward, sometimes free."""
    x = Fraction(rng.choice([0, 1, 7, 118, 333, 999, rng.randrange(1, 10 ** 6)]), 1000) * scale
    return Fraction(int(x * NANO), NANO)


def tiers_of(rng, scale, unit_sizes):
    tiers = [Tier(0, price(rng, scale))]
    if rng.random() < 0.4:
        for start in sorted(rng.sample(unit_sizes, rng.randint(1, 3))):
            tiers.append(Tier(start, price(rng, scale)))
    return tiers


def rate_text(schedules, unit, factor=1):
    """factor: requests are written in thousands and kept by one."""
    (_, _, tiers), night = schedules[0], schedules[1:]
    if len(tiers) == 1:
        text = f"value: {decimal_text(tiers[0].price * factor)}"
    else:
        listed = ", ".join(f"{{from: {t.start // factor}, value: {decimal_text(t.price * factor)}}}" for t in tiers)
        text = f"tiers: [{listed}]"
    for start, end, other in night:
        text += f', hours: {{from: "{start:02d}:00", to: "{end:02d}:00", value: {decimal_text(other[0].price)}}}'
    return f"{{{text}, unit: {unit}, {ORIGIN}}}"


def request_rates(rng, book, cls):
    unit, factor = rng.choice([("request", 1), ("1000 requests", 1000), ("10000 requests", 10000)])
    texts = []
    for kind in KINDS[1:] if cls in book.kinds_apart else KINDS[:1]:
        tiers = [Tier(t.start * factor, t.price / factor) for t in tiers_of(rng, Fraction(1), [1, 2, 5, 20])]
        schedules = [(0, 0, tiers)]
        book.rates[book.request_cell(cls, kind)] = schedules
        texts.append((kind, rate_text(schedules, f'"{unit}"' if factor > 1 else unit, factor)))
    if cls in book.kinds_apart:
        return "{" + ", ".join(f"{k}: {t}" for k, t in texts) + "}"
    return texts[0][1]


COS_UNITS = GIB, 30, 288


def random_units(rng):
    return COS_UNITS if rng.random() < 0.5 else (rng.choice([GIB, 10 ** 9]), rng.choice([30, 31, 0]), rng.choice([288, 24, 96]))


def random_book(rng, name, zone, units, valid_from_day=None):
    book = Book(name, "", zone_hours=zone)
    book.bytes_per_gb, book.days_per_month, book.samples_per_day = units
    book.failed = rng.choice(["billed", "free", "4xx", "4xx"])
    book.excepted = tuple(rng.sample([403, 404, 412], rng.randint(0, 2))) if book.failed == "4xx" else ()
    book.kinds_apart = frozenset(c for c in CLASSES if rng.random() < 0.4)
    lines = [f"name: {name}", "title: made by a test", "currency: CNY", f'time_zone: "{zone:+03d}:00"']
    if valid_from_day is not None:
        book.valid_from = NOVEMBER + 8 * HOUR - zone * HOUR + (valid_from_day - 1) * DAY
        lines.append(f"valid_from: 2026-11-{valid_from_day:02d}")
    days = book.days_per_month or "calendar"
    lines += ["units:", f"  bytes_per_gb: {figure(book.bytes_per_gb, 'bytes')}", f"  days_per_month: {figure(days, 'days')}",
              f"  samples_per_day: {figure(book.samples_per_day, 'samples')}", "storage:"]
    for cls in CLASSES:
        tiers = tiers_of(rng, Fraction(1), [1, 2, 10, 50])
        book.rates[f"storage.{cls}"] = book.rates[f"early-delete.{cls}"] = [(0, 0, tiers)]
        lines.append(f"  {cls}: {rate_text(book.rates[f'storage.{cls}'], 'GB-month')}")
    lines.append("requests:")
    lines += [f"  {cls}: {request_rates(rng, book, cls)}" for cls in CLASSES]
    lines.append("retrieval:")
    for cls in CLASSES[1:]:
        book.rates[f"retrieval.{cls}"] = [(0, 0, tiers_of(rng, Fraction(1), [1, 2, 10]))]
        lines.append(f"  {cls}: {rate_text(book.rates[f'retrieval.{cls}'], 'GB')}")
    lines.append("minimum:")
    for cls in CLASSES[1:]:
        book.min_size[cls] = rng.choice([1, 4096, 65536, 131072, 1 << 20])
        book.min_days[cls] = rng.choice([1, 2, 30, 90])
        lines.append(f"  {cls}: {{size: {figure(book.min_size[cls], 'bytes')}, days: {figure(book.min_days[cls], 'days')}}}")
    excepted = f", except: [{', '.join(map(str, book.excepted))}]" if book.excepted else ""
    lines += [f"failed_requests: {{value: {book.failed}, unit: rule, {ORIGIN}{excepted}}}", "egress:"]
    for direction in DIRECTIONS:
        schedules = [(0, 0, tiers_of(rng, Fraction(1), [1, 3, 9]))]
        if rng.random() < 0.3:
            start = rng.randrange(24)
            schedules.append((start, (start + rng.randrange(1, 23)) % 24, [Tier(0, price(rng, 1))]))
        book.rates[f"egress.{direction}"] = schedules
        lines.append(f"  {direction}: {rate_text(schedules, 'GB')}")
    book.line = (rng.choice([2, 4, 8]), rng.choice(["half-up", "down", "up"]))
    book.total = (2, rng.choice(["half-up", "down", "up"]))
    lines.append("rounding:")
    lines += [f"  {what}: {{places: {places}, mode: {mode}, {ORIGIN}}}" for what, (places, mode) in (("line", book.line), ("total", book.total))]
    book.text = "\n".join(lines) + "\n"
    return book


# ---- a life ----
class Month:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.script = []
        self.seq = 1
        self.now = NOVEMBER + self.rng.randrange(30 * DAY // NS) * NS
        self.zone = self.rng.choice([8, 8, 0, -5])
        if self.rng.random() < 0.5:  # near the end of the month in its zone
            self.now = NOVEMBER + 30 * DAY + (8 - self.zone) * HOUR - self.rng.randrange(6 * HOUR)
        self.units, self.one_unit = random_units(self.rng), self.rng.random() < 0.6
        self.packed = self.rng.choice(["egress.internet", "storage.STANDARD", "requests.STANDARD"])  # most packs are of this
        self.prepaid = self.rng.choice([0, 0, 0.8])  # some months have many packs and vouchers at a time
        self.accounts, self.buckets = [], []

    def record(self, kind, **fields):
        self.seq += 1
        self.now += self.rng.randrange(1, NS)
        fields = {k: v for k, v in fields.items() if v is not None}
        self.script.append({"op": "record", "type": kind, "seq": self.seq, "time": self.now, **fields})
        return self.seq

    def record_book(self, name, ahead=False):
        day = self.rng.randrange(1, 31) if ahead and self.rng.random() < 0.6 else None
        units = self.units if self.one_unit else random_units(self.rng)
        book = random_book(self.rng, name, self.zone, units, day)
        self.record("prices", name=name, book="prices", text=book.text, _book=book)

    def book_names(self):
        return ["model-a", "model-b"] + (["tencent-cos"] if self.units == COS_UNITS and self.zone == 8 else [])

    # -- time --
    def tick(self, at):
        self.seq += 1
        self.now = at
        self.script.append({"op": "record", "type": "tick", "seq": self.seq, "time": at})

    def advance(self):
        rng = self.rng
        how = rng.random()
        if how < 0.5:  # every tick
            steps, stride = rng.randrange(1, 20), 1
        elif how < 0.8:  # with holes
            steps, stride = rng.randrange(1, 8), rng.choice([2, 5, 12, 13])
        else:  # a daemon that was off
            steps, stride = 1, rng.choice([30, 288, 300, 1000])
        at = self.now // SLOT * SLOT
        for _ in range(steps):
            at += stride * SLOT
            if at > self.now:
                self.tick(at + rng.choice([0, 0, 0, rng.randrange(SLOT)]))
                if rng.random() < 0.05:  # twice in five minutes
                    self.tick(self.now + 1)

    def key(self):
        return self.rng.choice(["HFKEY1", "HFKEY2"])

    # -- the catalog --
    def bucket(self):
        account = self.rng.choice(self.accounts)
        name = self.rng.choice(["photos", "logs", "backup"]) + str(account)
        if any(b["name"] == name for b in self.buckets):
            return
        seq = self.record("bucket", account=account, name=name, requests=1)
        self.buckets.append({"id": seq, "account": account, "name": name, "keys": {}})

    def some_bucket(self):
        return self.rng.choice(self.buckets) if self.buckets else None

    def put(self):
        b, rng = self.some_bucket(), self.rng
        if not b:
            return
        key, cls = rng.choice("abcdefgh"), rng.randrange(4)
        size = rng.choice([0, 1, 4095, 4096, 65535, 65536, 100_000, 131_072, 1 << 20, rng.randrange(1 << 31), rng.randrange(1 << 34)])
        delta, gone = {cls: [size, 1]}, []
        old = b["keys"].get(key)
        if old:
            self.take_off(delta, gone, old)
        self.record("object", account=b["account"], bucket=b["id"], name=b["name"], object=key, size=size, requests=1, key=self.key(),
                    delta=[[c, *v] for c, v in delta.items()], gone=gone, **{"class": CLASSES[cls]})
        b["keys"][key] = (cls, size, self.now)

    @staticmethod
    def take_off(delta, gone, old):
        cls, size, created = old
        bytes_, objects = delta.get(cls, [0, 0])
        delta[cls] = [bytes_ - size, objects - 1]
        if cls:
            gone.append([cls, size, created])

    def delete(self):
        b = self.some_bucket()
        if not b or not b["keys"]:
            return
        key = self.rng.choice(sorted(b["keys"]))
        delta, gone = {}, []
        old = b["keys"].pop(key)
        self.take_off(delta, gone, old)
        self.record("delete", account=b["account"], bucket=b["id"], name=b["name"], object=key, requests=self.rng.choice([0, 1, 1]), key=self.key(),
                    delta=[[c, *v] for c, v in delta.items()], gone=gone, **{"class": CLASSES[old[0]]})

    def bucket_delete(self):
        b = self.some_bucket()
        if b and not b["keys"]:
            self.record("bucket-delete", account=b["account"], bucket=b["id"], name=b["name"], requests=1)
            self.buckets.remove(b)

    def part(self):
        b = self.some_bucket()
        if not b:
            return
        # Its delta says so much that tiers of storage are passed within hours; what counts is the delta.
        cls, more = self.rng.randrange(4), self.rng.choice([5 << 20, 1 << 40, self.rng.randrange(1 << 43)])
        self.record("part", account=b["account"], bucket=b["id"], name=b["name"], object="m", upload=b["id"], part=1, size=5 << 20,
                    requests=1, delta=[[cls, more, 0]], **{"class": CLASSES[cls]})

    def usage(self):
        rng, lines = self.rng, []
        for _ in range(rng.randrange(1, 6)):
            b = self.some_bucket() if rng.random() < 0.9 else None
            account = b["account"] if b else rng.choice(self.accounts + [1])
            lines.append({"account": account, "bucket": b["id"] if b else 0, "name": b["name"] if b else "", "key": self.key(),
                          "class": rng.choice(CLASSES), "kind": rng.choice(KINDS[1:]),
                          "status": rng.choice([200, 200, 206, 304, 403, 404, 412, 429, 500, 503]), "requests": rng.randrange(5000),
                          "egress": rng.choice([0, rng.randrange(1 << 20), rng.randrange(1 << 33)]), "direction": rng.choice(DIRECTIONS),
                          "retrieved": rng.choice([0, rng.randrange(1 << 32)])})
        self.record("usage", lines=lines)

    # -- money --
    def ref(self):
        return self.rng.choice([None, None, "r1", "r2", "r3", f"r{self.rng.randrange(100)}"])

    def ahead(self):
        """Often the end of an hour, sometimes within one."""
        whole = (self.now // HOUR + self.rng.randrange(2, 60)) * HOUR
        return whole + self.rng.choice([0, 0, -1, 1, self.rng.randrange(HOUR)])

    def money(self):
        rng = self.rng
        account = rng.choice(self.accounts)
        amount = rng.choice([1, rng.randrange(1, 10 ** 6), rng.randrange(1, 20) * NANO])
        kind = rng.choice(["voucher", "pack"]) if rng.random() < self.prepaid else \
            rng.choice(["topup", "topup", "voucher", "voucher", "pack", "pack", "pack", "reserve", "release", "refund", "charge", "credit"])
        if kind == "voucher" and rng.random() < 0.5:
            amount *= 10 ** 5  # lasts for some hours
        if kind == "topup":
            self.record("topup", account=account, amount=amount, ref=self.ref())
        elif kind == "voucher":
            scope = rng.choice(["", "", "storage", "egress.internet", "requests.STANDARD", "egress,storage.STANDARD_IA"])
            self.record("money", money=kind, account=account, amount=amount, until=self.ahead(), scope=scope, ref=self.ref())
        elif kind == "pack":
            item = rng.choice([self.packed, self.packed, "egress.cdn", "storage.STANDARD", "requests.STANDARD", "retrieval.STANDARD_IA"])
            sizes = [7, 500, 50_000, 10 ** 6] if item.startswith("requests.") else ["0.5", "0.0625", "3", "40", "9000"]
            quantity = rng.choice(sizes)
            self.record("money", money=kind, account=account, scope=item, quantity=str(quantity), amount=rng.choice([0, amount]),
                        until=self.ahead(), ref=self.ref(), **{"from": rng.choice([0, (self.now // HOUR + 1) * HOUR])})
        elif kind in ("reserve", "release"):
            self.record("money", money=kind, account=account, amount=amount if kind == "reserve" else None,
                        ref=rng.choice(["h1", "h2", "h3"]))
        else:
            self.record("money", money=kind, account=account, amount=amount, note="by a test", ref=self.ref())

    def account_set(self):
        rng = self.rng
        changes = {"prices": rng.choice(self.book_names()), "credit": rng.choice([0, 3 * NANO]),
                   "late_fee": rng.choice(["0.0005", "0.01", "0"])}
        some = rng.sample(sorted(changes), rng.randint(1, 3))
        self.record("account-set", account=rng.choice(self.accounts), **{k: changes[k] for k in some})

    def ask(self):
        self.script.append({"op": "ask", "now": self.now})

    def live(self, steps):
        acts = [self.put] * 5 + [self.delete] * 2 + [self.usage] * 4 + [self.advance] * 7
        acts += [self.money] * (10 if self.prepaid else 3)
        acts += [self.bucket, self.bucket_delete, self.part, self.part, self.account_set, self.later_book, self.ask]
        for _ in range(steps):
            self.rng.choice(acts)()

    def later_book(self):
        if self.rng.random() < 0.4:
            self.record_book(self.rng.choice(["model-a", "model-b"]), ahead=True)


def random_month(seed):
    """Its script."""
    m = Month(seed)
    m.tick(m.now // SLOT * SLOT)
    for name in ["model-a", "model-b"]:
        m.record_book(name)
    m.tick((m.now // HOUR + 1) * HOUR)  # recorded books are in force from the next hour on
    for name in ["acme", "beta"][:m.rng.randint(1, 2)]:
        book = m.rng.choice(m.book_names())
        m.accounts.append(m.record("account", name=name, currency="CNY", prices=book, timetable="tencent-cos"))
    m.bucket()
    m.live(m.rng.randrange(20, 120))
    m.ask()
    return m.script
