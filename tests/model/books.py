"""The price books that come with the program, as their publishers state them: numbers typed in again, not read from the YAML."""
import pathlib
from fractions import Fraction

from model import CLASSES, DIRECTIONS, Book, Tier

SHARE = pathlib.Path(__file__).resolve().parent.parent.parent / "share" / "prices"


def flat(text):
    return [(0, 0, [Tier(0, Fraction(text))])]


def tencent_cos():
    """Beijing, Shanghai, Guangzhou: CNY per GB-month, per 10 000 requests, per GB."""
    book = Book("tencent-cos", (SHARE / "tencent-cos.yaml").read_text())
    book.min_days = {"STANDARD_IA": 30, "ARCHIVE": 90, "DEEP_ARCHIVE": 180}
    book.min_size = dict.fromkeys(CLASSES[1:], 64 << 10)
    book.line, book.total = (8, "half-up"), (2, "half-up")
    for cls, storage, requests in zip(CLASSES, ["0.118", "0.08", "0.033", "0.01"], ["0.01", "0.05", "0.01", "0.5"]):
        book.rates[f"storage.{cls}"] = book.rates[f"early-delete.{cls}"] = flat(storage)
        book.rates[f"requests.{cls}"] = [(0, 0, [Tier(0, Fraction(requests) / 10_000)])]
    book.rates["retrieval.STANDARD_IA"] = flat("0.02")
    book.rates["retrieval.ARCHIVE"] = flat("0.06")  # the standard restore
    for direction, price in zip(DIRECTIONS, ["0.5", "0.15", "0.5", "0"]):
        book.rates[f"egress.{direction}"] = flat(price)
    return book
