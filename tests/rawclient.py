"""A small S3 client on http.client: signs requests itself, so that tests can also send what no SDK would."""
import datetime
import hashlib
import hmac
import http.client
import urllib.parse

from harness import ACCESS, SECRET

EMPTY = hashlib.sha256(b"").hexdigest()


def sign(method, path, query, headers, payload_hash, access=ACCESS, secret=SECRET, region="us-east-1"):
    """Adds x-amz-date, x-amz-content-sha256 and Authorization to headers (lower-case names, host included)."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers.setdefault("x-amz-date", now)
    headers["x-amz-content-sha256"] = payload_hash
    names = sorted(headers)
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical_query = "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}" for k, v in pairs)
    canonical = "\n".join([method, path, canonical_query, *(f"{n}:{' '.join(headers[n].split())}" for n in names), "", ";".join(names), payload_hash])
    scope = f"{headers['x-amz-date'][:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return headers


class RawClient:
    def __init__(self, endpoint, timeout=30, access=ACCESS, secret=SECRET):
        self.access, self.secret = access, secret
        self.host = endpoint.removeprefix("http://")
        self.connection = http.client.HTTPConnection(self.host, timeout=timeout)

    def request(self, method, key, body=b"", query="", headers=None, payload_hash=None):
        path = urllib.parse.quote(key, safe="/-_.~")
        sent = {"host": self.host, **(headers or {})}
        sign(method, path, query, sent, payload_hash or hashlib.sha256(body).hexdigest(), self.access, self.secret)
        self.connection.request(method, path + ("?" + query if query else ""), body=body or None, headers=sent)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), answer.headers

    def put(self, key, body, **more):
        return self.request("PUT", key, body, **more)

    def get(self, key, **more):
        return self.request("GET", key, **more)

    def close(self):
        self.connection.close()
