"""The verbs of money: each once, each with what it must refuse, and the forms a statement comes in."""
import csv
from decimal import Decimal
import html.parser
import io
import json
import os
import subprocess
import urllib.request

import pytest

from harness import ROOT

BOOK = ROOT / "share" / "prices" / "tencent-cos.yaml"
TIMETABLE = ROOT / "share" / "timetables" / "tencent-cos.yaml"
RATES = ROOT / "share" / "rates" / "rates.yaml"
EVIL = "<script>alert(1)</script>&\"'"


@pytest.fixture
def acme(make):
    d = make(virtual=True)
    d.cli("account", "create", "acme", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos")
    yield d
    d.stop()
    assert "runtime error" not in d.log.read_text()  # the undefined behaviour sanitizer goes on after its report


def year(d, ahead=0):
    return int(d.json("clock", "show")["now"][:4]) + ahead


def later(d):
    return f"{year(d, 1)}-12-31"


def month(d):
    """The account's present month, in its book's zone."""
    return d.json("account", "statement", "acme")["month"]


def in_language(d, language, *words):
    env = {**os.environ, "LC_ALL": language}
    done = subprocess.run([d.binary, "--data", str(d.data), *words], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def money_of(d):
    """All that the verbs could have changed."""
    return (d.json("account", "show", "acme"), d.json("account", "statement", "acme"), d.json("account", "clock", "acme"),
            d.json("budget", "list"), d.json("quota", "list"), d.json("price", "list"))


# ---- each verb once ----

def test_every_verb_prints_exactly_one_json_value_and_something_for_people(acme):
    until = later(acme)
    verbs = [
        ["account", "topup", "acme", "100.00", "--ref", "t1"], ["account", "set", "acme", "--credit", "5", "--late-fee", "0.0005"],
        ["account", "voucher", "acme", "3.00", "--until", until, "--scope", "storage.STANDARD", "--ref", "v1"],
        ["account", "pack", "acme", "egress.internet", "50", "--until", until, "--cost", "20", "--ref", "p1"],
        ["account", "reserve", "acme", "2", "--ref", "r1"], ["account", "release", "acme", "--ref", "r1"],
        ["account", "refund", "acme", "1", "--ref", "b1"], ["account", "charge", "acme", "2", "--note", "support", "--ref", "c1"],
        ["account", "credit", "acme", "1", "--note", "sorry", "--ref", "c2"],
        ["account", "due", "acme", "9.99", "--on", until, "--note", "renewal", "--ref", "d1"], ["account", "due", "acme", "--cancel", "--ref", "d1"],
        ["account", "grace", "acme", "--until", until, "--proof", "letter 1"], ["account", "grace", "acme", "--cancel"],
        ["account", "show", "acme"], ["account", "list"], ["account", "clock", "acme"], ["account", "statement", "acme"],
        ["account", "usage", "acme"], ["price", "list"], ["price", "what-if", "--account", "acme"], ["price", "check", str(BOOK)],
        ["budget", "create", "--account", "acme", "--month", "500.00"], ["budget", "list"], ["budget", "list", "--account", "acme"],
        ["quota", "set", "--account", "acme", "--bytes", "10GiB"], ["quota", "list"], ["quota", "list", "--account", "acme"],
        ["account", "create", "tc-prod", "--upstream", "tencent", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos"],
        ["account", "set-balance", "tc-prod", "1234.56", "--burn", "80.00"], ["account", "clock", "tc-prod"], ["status"],
    ]
    for words in verbs:
        assert json.loads(acme.cli(*words, "--json").stdout) is not None, words
    for words in verbs:  # the same references and steps again: nothing new, and the words for people
        if words[:2] not in (["account", "create"], ["account", "due"], ["account", "reserve"], ["account", "release"]):
            assert acme.cli(*words).stdout.strip(), words


def test_an_account_is_shown_after_each_change(acme):
    made = acme.json("account", "create", "other")
    assert (made["name"], made["currency"], made["prices"], made["timetable"], Decimal(made["balance"])) == ("other", "CNY", "tencent-cos", "tencent-cos", 0)
    assert Decimal(acme.json("account", "topup", "acme", "12.34")["balance"]) == Decimal("12.34")
    assert Decimal(acme.json("account", "set", "acme", "--credit", "5")["available"]) == Decimal("17.34")
    held = acme.json("account", "reserve", "acme", "2.34", "--ref", "r")
    assert (Decimal(held["balance"]), Decimal(held["reserved"]), Decimal(held["available"])) == (Decimal("12.34"), Decimal("2.34"), 15)
    assert Decimal(acme.json("account", "release", "acme", "--ref", "r")["reserved"]) == 0
    assert Decimal(acme.json("account", "refund", "acme", "2.34")["balance"]) == 10
    assert Decimal(acme.json("account", "charge", "acme", "1.5", "--note", "support")["balance"]) == Decimal("8.5")
    assert Decimal(acme.json("account", "credit", "acme", "0.5", "--note", "sorry")["balance"]) == 9
    assert Decimal(acme.json("account", "voucher", "acme", "7", "--until", later(acme))["vouchers"]) == 7
    assert Decimal(acme.json("account", "pack", "acme", "egress.internet", "10", "--until", later(acme), "--cost", "4")["balance"]) == 5


def test_the_currency_of_an_account_follows_its_price_book(acme):
    assert acme.json("account", "create", "abroad", "--prices", "aws-s3")["currency"] == "USD"
    at = acme.json("account", "create", "at-aws", "--upstream", "aws")
    assert (at["upstream"], at["currency"], at["prices"], at["timetable"]) == ("aws", "USD", "aws-s3", "aws")
    refused = acme.cli("account", "create", "wrong", "--prices", "aws-s3", "--currency", "CNY", check=False)
    assert refused.returncode == 1 and "USD" in refused.stderr


# ---- what is refused, and changes nothing ----

NOT_AMOUNTS = ["-1", "NaN", "1e40", "1" + "0" * 40, "0.0000000001", "abc", "", "1,5", "¥5"]


TAKES_AMOUNT = [
    (["account", "topup", "acme"], []), (["account", "voucher", "acme"], ["--until", "2199-01-01"]), (["account", "reserve", "acme"], ["--ref", "x"]),
    (["account", "refund", "acme"], []), (["account", "charge", "acme"], ["--note", "n"]), (["account", "credit", "acme"], ["--note", "n"]),
    (["account", "due", "acme"], ["--on", "2199-01-01", "--note", "n"]), (["account", "set", "acme", "--credit"], []),
    (["account", "pack", "acme", "egress.internet"], ["--until", "2199-01-01"]),
    (["account", "pack", "acme", "egress.internet", "1", "--until", "2199-01-01", "--cost"], []),
    (["budget", "create", "--account", "acme", "--month"], []), (["budget", "create", "--account", "acme", "--quarter"], []),
    (["budget", "request", "--account", "acme", "--month"], []), (["account", "set", "acme", "--late-fee"], [])]


def test_amounts_that_are_none_are_refused_everywhere(acme):
    acme.cli("account", "topup", "acme", "10.00")
    same = money_of(acme)
    for before, after in TAKES_AMOUNT:
        for bad in NOT_AMOUNTS if before[1] == "topup" else NOT_AMOUNTS[:4]:
            done = acme.cli(*before, bad, *after, check=False)
            assert done.returncode == 1 and done.stderr.startswith("holdfast: ") and not done.stdout, (before, bad, done.stderr)
    assert money_of(acme) == same


def test_what_makes_no_sense_is_refused_with_a_reason_and_changes_nothing(acme):
    acme.cli("account", "topup", "acme", "10.00", "--ref", "t1")
    acme.cli("account", "reserve", "acme", "1.00", "--ref", "r1")
    until = later(acme)
    same = money_of(acme)
    for reason, words in [
        ("CNY", ["account", "topup", "acme", "1", "--currency", "USD"]), ("nobody", ["account", "topup", "nobody", "1"]),
        ("above zero", ["account", "topup", "acme", "0"]), ("t1", ["account", "topup", "acme", "11.00", "--ref", "t1"]),
        ("", ["account", "topup", "acme", "1", "--ref", "x" * 200]),
        ("", ["account", "voucher", "acme", "1", "--until", "2001-01-01"]), ("date", ["account", "voucher", "acme", "1", "--until", "tomorrow"]),
        ("date", ["account", "voucher", "acme", "1", "--until", "2027-02-30"]), ("date", ["account", "voucher", "acme", "1"]),
        ("", ["account", "voucher", "acme", "1", "--until", until, "--scope", "storage.PAPER"]),
        ("", ["account", "pack", "acme", "storage.PAPER", "1", "--until", until]), ("", ["account", "pack", "acme", "egress.internet", "0", "--until", until]),
        ("", ["account", "pack", "acme", "egress.internet", "1", "--until", "2001-01-01"]),
        ("", ["account", "reserve", "acme", "9.50", "--ref", "r2"]), ("ref", ["account", "reserve", "acme", "1"]),
        ("r9", ["account", "release", "acme", "--ref", "r9"]), ("", ["account", "refund", "acme", "11"]), ("note", ["account", "charge", "acme", "1"]),
        ("note", ["account", "credit", "acme", "1"]), ("", ["account", "charge", "acme", "1", "--note", "x" * 2000]),
        ("proof", ["account", "grace", "acme", "--until", until]), ("", ["account", "grace", "acme", "--until", "2001-01-01", "--proof", "p"]),
        ("cancel", ["account", "grace", "acme", "--cancel", "--until", until]), ("note", ["account", "due", "acme", "1", "--on", until]),
        ("date", ["account", "due", "acme", "1", "--note", "n"]), ("cancel", ["account", "due", "acme", "1", "--cancel", "--ref", "d"]),
        ("", ["account", "due", "acme", "--cancel", "--ref", "none-such"]), ("", ["account", "set-balance", "acme", "5"]),
        ("nothing to set", ["account", "set", "acme"]), ("span", ["account", "set", "acme", "--max-age", "soon"]),
        ("none-such", ["account", "set", "acme", "--prices", "none-such"]), ("none-such", ["account", "set", "acme", "--timetable", "none-such"]),
        ("", ["account", "set", "acme", "--late-fee", "1.5"]), ("", ["account", "set", "acme", "--prices", "aws-s3"]),
        ("none-such", ["account", "create", "x1", "--prices", "none-such"]), ("none-such", ["account", "create", "x1", "--timetable", "none-such"]),
        ("upstream", ["account", "create", "x1", "--max-age", "1h"]), ("known", ["account", "create", "x1", "--upstream", "azure"]),
        ("", ["account", "create", "acme"]), ("", ["account", "create", "no/slash"]), ("nobody", ["account", "clock", "nobody"]),
        ("nobody", ["account", "statement", "nobody"]), ("nobody", ["account", "usage", "nobody"]), ("month", ["account", "statement", "acme", "--month", "2026-13"]),
        ("month", ["account", "usage", "acme", "--month", "x"]), ("nobody", ["price", "what-if", "--account", "nobody"]), ("account", ["price", "what-if"]),
        ("none-such", ["price", "what-if", "--account", "acme", "--to", "none-such"]), ("PAPER", ["price", "what-if", "--account", "acme", "--to-class", "PAPER"]),
        ("", ["budget", "create", "--account", "nobody", "--month", "1"]), ("account", ["budget", "create", "--month", "1"]),
        ("scope", ["budget", "create", "--account", "acme", "--scope", "planet:earth", "--month", "1"]),
        ("quarter", ["budget", "create", "--account", "acme"]), ("quarter", ["budget", "create", "--account", "acme", "--month", "1", "--quarter", "1"]),
        ("such budget", ["budget", "show", "999999"]), ("number", ["budget", "show", "x"]), ("such budget", ["budget", "close", "999999"]),
        ("nobody", ["quota", "set", "--account", "nobody", "--bytes", "1"]), ("account", ["quota", "set", "--bytes", "1"]),
        ("size", ["quota", "set", "--account", "acme", "--bytes", "10 potatoes"]), ("size", ["quota", "set", "--account", "acme", "--bytes", "-1"]),
        ("size", ["quota", "set", "--account", "acme", "--egress-per-day", "9999999TiB"]), ("size", ["quota", "set", "--account", "acme", "--bytes", "1" + "0" * 40]),
        ("number", ["quota", "set", "--account", "acme", "--objects", "1KiB"]), ("nothing to set", ["quota", "set", "--account", "acme"]),
    ]:
        done = acme.cli(*words, check=False)
        assert done.returncode == 1 and not done.stdout, (words, done.stdout, done.stderr)
        assert reason in done.stderr and len(done.stderr) > 20, (words, done.stderr)
    assert money_of(acme) == same


def test_a_reference_counts_once_and_something_else_under_it_is_refused(acme):
    until = later(acme)
    for words in (["account", "topup", "acme", "10", "--ref", "a"], ["account", "voucher", "acme", "3", "--until", until, "--ref", "b"],
                  ["account", "pack", "acme", "egress.internet", "5", "--until", until, "--cost", "1", "--ref", "c"],
                  ["account", "charge", "acme", "2", "--note", "n", "--ref", "d"], ["account", "credit", "acme", "1", "--note", "n", "--ref", "e"],
                  ["account", "refund", "acme", "1", "--ref", "f"], ["account", "due", "acme", "1", "--on", until, "--note", "n", "--ref", "g"]):
        first = acme.json(*words)
        sequence = acme.json("status")["journal"]["sequence"]
        assert acme.json(*words) == first
        assert acme.json("status")["journal"]["sequence"] == sequence, words
        other = [("4" if w in ("10", "3", "5", "2", "1") else w) for w in words]
        assert acme.cli(*other, check=False).returncode == 1, words
    assert Decimal(acme.account("acme")["balance"]) == 7


def test_options_that_a_verb_does_not_take_are_usage_errors(acme):
    for words in (["account", "topup", "acme", "1", "--burn", "1"], ["status", "--ref", "x"], ["account", "topup", "acme", "1", "--ref", "a", "--ref", "b"],
                  ["account", "topup"], ["account", "topup", "acme", "1", "2"], ["account", "topup", "acme", "1", "--ref"], ["account", "nonsense"],
                  ["account", "statement", "acme", "--format", "pdf"], ["account", "statement", "acme", "--bom"], ["price", "check"],
                  ["account", "statement", "acme", "--json", "--format", "csv"], ["budget", "review", "1", "--approve=yes"], ["budget"]):
        done = acme.cli(*words, check=False)
        assert done.returncode == 2 and done.stderr.strip() and not done.stdout, words
    assert "budget review ID" in acme.cli("budget", "--help").stdout
    assert "account topup" not in acme.cli("budget", "--help").stdout


# ---- the statement ----

@pytest.fixture
def month_of_acme(acme):
    key = acme.json("key", "create", "--account", "acme")
    c = acme.s3_client(key["access_key"], key["secret_key"])
    acme.cli("account", "topup", "acme", "100.00", "--ref", 'order "1", first')
    c.create_bucket(Bucket="photos")
    c.put_object(Bucket="photos", Key="a", Body=os.urandom(3_000_000))
    c.get_object(Bucket="photos", Key="a")["Body"].read()
    acme.cli("account", "charge", "acme", "1.00", "--note", EVIL)
    acme.cli("clock", "advance", "2h")
    return acme


def test_a_statement_is_the_same_in_every_form(month_of_acme):
    d = month_of_acme
    m = month(d)
    v = d.json("account", "statement", "acme", "--month", m)
    assert json.loads(d.cli("account", "statement", "acme", "--month", m, "--format", "json").stdout) == v
    assert v["lines"] and sum(Decimal(x["amount"]) for x in v["lines"]) == Decimal(v["total"])

    raw = subprocess.run([d.binary, "--data", str(d.data), "account", "statement", "acme", "--month", m, "--format", "csv"], capture_output=True).stdout
    assert raw.endswith(b"\r\n") and raw.count(b"\n") == raw.count(b"\r\n") and not raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode(), newline="")))
    for row, line in zip(rows, v["lines"], strict=True):
        assert (row["account"], row["month"], row["currency"]) == ("acme", m, "CNY")
        assert all(row[k] == (line[k] or "") for k in ("item", "bucket", "quantity", "unit", "price", "amount", "book", "covered_by"))
    with_bom = subprocess.run([d.binary, "--data", str(d.data), "account", "statement", "acme", "--month", m, "--format", "csv", "--bom"],
                              capture_output=True).stdout
    assert with_bom == b"\xef\xbb\xbf" + raw

    text = d.cli("account", "statement", "acme", "--month", m).stdout
    for line in v["lines"]:
        assert line["item"] in text and line["amount"] in text
    assert f"total {v['total']} CNY" in text


class Page(html.parser.HTMLParser):
    VOID = {"meta", "br", "link", "img"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.seen, self.text, self.attributes = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("language, heading", [("en_US.UTF-8", "Statement of acme"), ("zh_CN.UTF-8", "账单 acme")])
def test_the_html_statement_is_one_page_that_needs_nothing_else(month_of_acme, language, heading):
    d = month_of_acme
    v = d.json("account", "statement", "acme")
    page = Page()
    text = in_language(d, language, "account", "statement", "acme", "--format", "html")
    page.feed(text)
    page.close()
    shown = "".join(page.text)
    assert text.startswith("<!DOCTYPE html>") and not page.open and heading in shown and "@media print" in text
    assert not page.seen & {"script", "link", "img", "iframe"} and not {"src", "href", "onload"} & {k for k, _ in page.attributes}
    assert "url(" not in text and "@import" not in text
    assert EVIL in page.text and 'order "1", first' in page.text
    for line in v["lines"]:
        assert line["item"] in page.text and line["amount"] in page.text


def test_people_are_answered_in_their_language(month_of_acme):
    d = month_of_acme
    d.cli("budget", "create", "--account", "acme", "--month", "500")
    d.cli("quota", "set", "--account", "acme", "--objects", "5")
    for words, english, chinese in [(["account", "statement", "acme"], "AMOUNT", "金额"), (["account", "clock", "acme"], "balance", "余额"),
                                    (["account", "usage", "acme"], "ACCESS KEY", "访问密钥"), (["price", "list"], "VALID FROM", "生效时间"),
                                    (["price", "what-if", "--account", "acme"], "would be", "若迁移"), (["budget", "list"], "SPENT", "已用"),
                                    (["quota", "list"], "REQUESTS TODAY", "今日请求")]:
        assert english in in_language(d, "C.UTF-8", *words) and chinese not in in_language(d, "C.UTF-8", *words), words
        assert chinese in in_language(d, "zh_CN.UTF-8", *words) and english not in in_language(d, "zh_CN.UTF-8", *words), words


def test_usage_says_who_asked_for_what_with_which_result(month_of_acme):
    d = month_of_acme
    v = d.json("account", "usage", "acme")
    key = d.json("key", "list", "--account", "acme")[0]["access_key"]
    reads = [x for x in v["lines"] if x["bucket"] == "photos" and x["access_key"] == key and x["item"] == "requests.STANDARD.read"]
    assert [(str(x["status"]), Decimal(x["quantity"])) for x in reads] == [("200", 1)]
    assert d.json("account", "usage", "acme", "--month", "2001-01")["lines"] == []


# ---- price books ----

def test_price_check_needs_no_daemon_and_tells_what_a_file_is(make, folder):
    d = make(start=False)
    for file, kind in ((BOOK, "prices"), (TIMETABLE, "timetable"), (RATES, "rates")):
        v = json.loads(d.cli("price", "check", str(file), "--json").stdout)
        assert v["valid"] is True and v["kind"] == kind and v["name"], file
        assert (v["currency"] == "CNY") == (kind == "prices")
        assert d.cli("price", "check", str(file)).stdout.startswith(f"{file}: ok")


def test_price_check_names_file_line_and_column(make, folder):
    d = make(start=False)
    good = BOOK.read_text().splitlines()
    bad = folder / "bad.yaml"
    for text, line in [("\n".join(good).replace("0.118", "-0.118"), None), ("\n".join(good).replace("0.118", "NaN"), None),
                       ("\n".join(good).replace("0.118", "1" + "0" * 40), None), ("\n".join(good + ["surprise: 1"]), len(good) + 1),
                       ("", 1), ("name: [", None), ("name: x\n", 1), ("name: " + "\x00", None)]:
        bad.write_text(text)
        done = d.cli("price", "check", str(bad), check=False)
        assert done.returncode == 1 and not done.stdout, text[:40]
        place = done.stderr.removeprefix(f"holdfast: {bad}:").split(":")
        assert place[0].isdigit() and place[1].isdigit() and (line is None or int(place[0]) == line), done.stderr
        as_json = d.cli("price", "check", str(bad), "--json", check=False)
        assert as_json.returncode == 1 and json.loads(as_json.stdout)["valid"] is False
    bad.write_bytes(b"name: \xff\xfe\n")
    assert d.cli("price", "check", str(bad), check=False).returncode == 1
    assert d.cli("price", "check", str(folder / "none.yaml"), check=False).returncode == 1


def test_a_loaded_book_is_listed_and_priced_by_from_its_date_on(acme, folder):
    dear = folder / "dear.yaml"
    dear.write_text(BOOK.read_text().replace("name: tencent-cos", f"name: tencent-cos\nvalid_from: {year(acme, 1)}-06-01").replace("0.118", "0.236"))
    before = acme.json("price", "list")
    after = acme.json("price", "load", str(dear))
    assert after == acme.json("price", "list") and len(after) == len(before) + 1
    new = [b for b in after if b not in before]
    assert [(b["name"], b["kind"], b["state"]) for b in new] == [("tencent-cos", "prices", "ahead")]
    broken = folder / "broken.yaml"
    broken.write_text(BOOK.read_text() + "surprise: 1\n")
    done = acme.cli("price", "load", str(broken), check=False)
    assert done.returncode == 1 and f"{broken}:" in done.stderr
    assert acme.cli("price", "load", str(folder / "none.yaml"), check=False).returncode == 1
    assert acme.json("price", "list") == after


def test_every_promised_book_and_timetable_is_there(acme):
    names = {(b["name"], b["kind"]) for b in acme.json("price", "list")}
    assert {(n, "prices") for n in ("tencent-cos", "aliyun-oss", "huawei-obs", "aws-s3")} <= names
    assert {(n, "timetable") for n in ("tencent-cos", "aliyun-oss-cn", "aliyun-oss-intl", "aws", *(f"huawei-obs-v{i}" for i in range(6)))} <= names


def test_what_if_prices_the_same_usage_elsewhere(month_of_acme):
    d = month_of_acme
    v = d.json("price", "what-if", "--account", "acme", "--to", "aliyun-oss")
    assert (v["account"], v["from"]["prices"], v["to"]["prices"]) == ("acme", "tencent-cos", "aliyun-oss")
    for side in ("from", "to"):
        assert v[side]["lines"] and sum(Decimal(x["amount"]) for x in v[side]["lines"]) == Decimal(v[side]["total"])
    assert Decimal(v["difference"]) == Decimal(v["to"]["total"]) - Decimal(v["from"]["total"])
    moving = v["moving"]
    assert Decimal(moving["total"]) == sum(Decimal(moving[k]) for k in ("egress", "requests", "retrieval", "early_delete")) > 0
    same = d.json("price", "what-if", "--account", "acme")
    assert Decimal(same["difference"]) == 0
    colder = d.json("price", "what-if", "--account", "acme", "--to-class", "ARCHIVE")
    assert any(x["item"] == "storage.ARCHIVE" for x in colder["to"]["lines"])
    assert not any(x["item"] == "storage.STANDARD" for x in colder["to"]["lines"])


# ---- accounts at a cloud ----

def test_the_balance_of_an_account_at_a_cloud_is_unknown_until_set_and_when_it_is_old(acme):
    d = acme
    d.cli("account", "create", "tc-prod", "--upstream", "tencent", "--currency", "CNY", "--prices", "tencent-cos", "--timetable", "tencent-cos", "--max-age", "24h")
    v = d.json("account", "show", "tc-prod")
    assert (v["upstream"], v["balance"], v["stage"], v["hours_to_stop"]) == ("tencent", "unknown", "unknown", None)
    d.cli("account", "set-balance", "tc-prod", "80.00", "--burn", "80.00")
    clock = d.json("account", "clock", "tc-prod")
    assert Decimal(clock["balance"]) == 80 and abs(clock["zero_in_hours"] - 24) < 0.01
    assert abs(clock["destroy_in_hours"] - (24 + 15 * 24)) < 0.01  # the earliest date that any source gives
    d.cli("clock", "advance", "25h")
    assert d.json("account", "show", "tc-prod")["stage"] == "unknown"
    d.cli("account", "set-balance", "tc-prod", "-5")
    assert Decimal(d.json("account", "show", "tc-prod")["balance"]) == -5
    d.cli("account", "topup", "tc-prod", "5", "--ref", "paid-1")  # moves what was said, until the next balance is
    d.cli("account", "topup", "tc-prod", "5", "--ref", "paid-1")
    assert Decimal(d.json("account", "show", "tc-prod")["balance"]) == 0
    refused = d.cli("account", "voucher", "tc-prod", "5", "--until", "2099-01-01", check=False)  # is at the cloud
    assert refused.returncode == 1 and "set-balance" in refused.stderr
    d.cli("account", "create", "unsaid", "--upstream", "tencent")
    refused = d.cli("account", "topup", "unsaid", "5", check=False)
    assert refused.returncode == 1 and "unknown" in refused.stderr
    for bad in ("NaN", "1e5", ""):
        assert d.cli("account", "set-balance", "tc-prod", bad, check=False).returncode == 1
    assert d.cli("account", "set-balance", "tc-prod", "5", "--burn", "-1", check=False).returncode == 1


def test_one_account_at_the_edge_of_what_money_can_count_stops_nobody(acme):
    d = acme
    d.cli("account", "create", "edge", "--upstream", "tencent")
    d.cli("account", "set-balance", "edge", "9223372036.00", "--burn", "9223372036.00")
    d.cli("account", "set", "edge", "--credit", "9223372036.854775807")
    d.cli("account", "create", "debtor")
    d.cli("account", "set", "debtor", "--late-fee", "1")
    d.cli("account", "charge", "debtor", "1.00", "--note", "what doubles every day")
    d.cli("clock", "advance", "1200h")  # 2^50 would be past the range of money
    d.cli("account", "topup", "acme", "1.00")
    shown = {a["name"]: a for a in d.json("status")["accounts"]}
    assert shown["acme"]["balance"] != "unknown" and shown["debtor"]["hours_to_stop"] in (0, None)
    d.stop()
    d.start()
    assert d.json("account", "show", "debtor")["balance"] == shown["debtor"]["balance"]


# ---- budgets, quotas, configuration, metrics ----

def test_a_budget_goes_from_request_to_allocation_to_its_end(acme):
    b = acme.json("budget", "request", "--account", "acme", "--scope", "bucket:photos", "--quarter", "300.00", "--by", "li", "--note", "campaign")
    assert (b["account"], b["scope"], b["period"], b["state"]) == ("acme", "bucket:photos", "quarter", "requested")
    i = str(b["id"])
    assert acme.cli("budget", "allocate", i, check=False).returncode == 1  # not reviewed yet
    assert acme.cli("budget", "review", i, check=False).returncode == 1  # neither yes nor no
    assert acme.cli("budget", "review", i, "--approve", "--role", "owner", check=False).returncode == 1
    assert acme.json("budget", "review", i, "--approve", "--by", "wang", "--note", "fine")["state"] == "approved"
    b = acme.json("budget", "allocate", i, "--amount", "250.00", "--by", "wang")
    assert b["state"] == "active" and Decimal(b["amount"]) == 250
    assert [(h["step"], h["actor"]) for h in b["history"]][:3] == [("request", "li"), ("approve", "wang"), ("allocate", "wang")]
    assert acme.json("budget", "show", i) == b
    assert acme.json("budget", "close", i)["state"] == "closed"
    assert acme.cli("budget", "close", i, check=False).returncode == 1
    rejected = acme.json("budget", "request", "--account", "acme", "--month", "1")
    assert acme.json("budget", "review", str(rejected["id"]), "--reject")["state"] == "rejected"


def test_budget_create_is_the_whole_flow_by_one_person(acme):
    b = acme.json("budget", "create", "--account", "acme", "--scope", "bucket:photos", "--month", "500.00", "--by", "li")
    assert b["state"] == "active" and Decimal(b["amount"]) == 500 and Decimal(b["spent"]) == 0 and b["period"] == "month"
    assert [h["actor"] for h in b["history"]] == ["li"] * 3
    assert acme.json("budget", "list", "--account", "acme") == [b]
    acme.cli("account", "create", "other")
    assert acme.json("budget", "list", "--account", "other") == []


def test_quotas_keep_what_is_not_named_and_none_takes_away(acme):
    q = acme.json("quota", "set", "--account", "acme", "--bucket", "photos", "--bytes", "10GiB", "--requests-per-day", "1000000")
    assert (q["account"], q["bucket"]) == ("acme", "photos")
    assert q["limits"] == {"bytes": 10 << 30, "objects": None, "requests_per_day": 1_000_000, "egress_per_day": None}
    q = acme.json("quota", "set", "--account", "acme", "--bucket", "photos", "--egress-per-day", "1TB", "--requests-per-day", "none")
    assert q["limits"] == {"bytes": 10 << 30, "objects": None, "requests_per_day": None, "egress_per_day": 10**12}
    whole = acme.json("quota", "set", "--account", "acme", "--objects", "0")
    assert whole["bucket"] is None and whole["limits"]["objects"] == 0
    assert len(acme.json("quota", "list", "--account", "acme")) == 2
    gone = acme.json("quota", "set", "--account", "acme", "--objects", "none")
    assert set(gone["limits"].values()) == {None}


def test_metrics_have_hours_quotas_and_budgets(month_of_acme):
    d = month_of_acme
    d.cli("quota", "set", "--account", "acme", "--bucket", "photos", "--bytes", "10GiB")
    b = d.json("budget", "create", "--account", "acme", "--month", "500")
    d.cli("account", "create", "tc-prod", "--upstream", "tencent")
    text = urllib.request.urlopen(d.api + "/metrics").read().decode()
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    account = d.account("acme")
    assert Decimal(samples['holdfast_account_balance{account="acme",currency="CNY"}']) == Decimal(account["balance"])
    for name, key in (("zero", "runway_hours"), ("stop", "hours_to_stop"), ("destroy", "hours_to_destroy")):
        assert abs(float(samples[f'holdfast_account_hours_to_{name}{{account="acme"}}']) - account[key]) < 0.01
    assert samples['holdfast_account_stage{account="acme"}'] == "0" and samples['holdfast_account_stage{account="tc-prod"}'] == "-1"
    assert not any(name.startswith("holdfast_account_balance") and "tc-prod" in name for name in samples)
    assert samples['holdfast_quota_used{account="acme",bucket="photos",limit="bytes"}'] == "3000000"
    assert samples['holdfast_quota_limit{account="acme",bucket="photos",limit="bytes"}'] == str(10 << 30)
    assert float(samples[f'holdfast_budget_percent{{id="{b["id"]}",account="acme",scope="account"}}']) >= 0


def test_networks_of_the_configuration_direct_the_egress(make, folder):
    config = folder / "holdfast.yaml"
    config.write_text("egress:\n  internal: [127.0.0.0/8]\n  cdn: [192.0.2.0/24]\n  cross-region: ['2001:db8::/32']\n")
    d = make(virtual=True, extra=["--config", str(config)])
    shown = json.loads(d.cli("config", "check", str(config), "--json").stdout)["egress"]
    assert shown == {"internal": ["127.0.0.0/8"], "cdn": ["192.0.2.0/24"], "cross-region": ["2001:db8::/32"]}
    d.cli("account", "create", "acme")
    d.cli("account", "topup", "acme", "10")
    key = d.json("key", "create", "--account", "acme")
    c = d.s3_client(key["access_key"], key["secret_key"])
    c.create_bucket(Bucket="photos")
    c.put_object(Bucket="photos", Key="a", Body=os.urandom(100_000))
    c.get_object(Bucket="photos", Key="a")["Body"].read()
    items = {x["item"] for x in d.json("account", "statement", "acme")["lines"]}
    assert "egress.internal" in items and "egress.internet" not in items
    config.write_text("")
    assert d.cli("config", "check", str(config)).stdout.strip() == f"{config}: ok"
    config.write_text("egress: [127.0.0.0/8]\n")
    assert f"{config}:1:" in d.cli("config", "check", str(config), check=False).stderr
    config.write_text("egress: {moon: [127.0.0.0/8]}\n")
    assert f"{config}:1:" in d.cli("config", "check", str(config), check=False).stderr
