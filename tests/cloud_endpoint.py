"""An HTTP endpoint for tests of src/cloud: plays what it is told, once per request, and checks the signature of each (S3 by
botocore, which shares no code with ours).

    with Endpoint() as e:
        e.script(Answer(500), Answer(200, body=b"x"))      # then the last one for ever
        e.seen: [(method, path, headers, body)], e.forged: what was not signed as it should be
"""
import email.utils
import http.server
import ssl
import threading
import time
import urllib.parse

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS, SECRET = "CLOUDTESTKEY00000001", "cloud-test-secret-that-no-log-may-hold"


class Answer:
    def __init__(self, status=200, body=b"", headers=None, code="", cut=None, length=None, hang=False, skew=0):
        self.status, self.headers, self.cut, self.length, self.hang, self.skew = status, headers or {}, cut, length, hang, skew
        self.body = f"<Error><Code>{code}</Code><Message>as told</Message><RequestId>r-1</RequestId></Error>".encode() if code else body


class Replay(S3SigV4Auth):
    """Signs what came, for the time that it says."""

    def __init__(self, region, stamp):
        super().__init__(Credentials(ACCESS, SECRET), "s3", region)
        self.stamp = stamp

    def again(self, request):
        request.context["timestamp"] = self.stamp
        return self.signature(self.string_to_sign(request, self.canonical_request(request)), request)


def is_signed(method, target, headers):
    """The S3 signature of a request as it came over the wire."""
    words = dict(w.strip().split("=", 1) for w in headers["authorization"].removeprefix("AWS4-HMAC-SHA256").split(","))
    names = words["SignedHeaders"].split(";")
    path, _, query = target.partition("?")
    request = AWSRequest(method=method, url=f"http://{headers['host']}{path}", headers={n: headers[n] for n in names})
    request.params = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    signer = Replay(words["Credential"].split("/")[2], headers["x-amz-date"])
    signer.headers_to_sign = lambda r: r.headers
    return {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names) and signer.again(request) == words["Signature"]


class Endpoint:
    def __init__(self, certificate=None):
        self.answers, self.seen, self.forged = [Answer()], [], []
        self.lock = threading.Lock()
        self.over = threading.Event()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                endpoint.answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
            self.server.handle_error = lambda *_: None  # a client that does not trust us hangs up
        self.port = self.server.server_address[1]

    def script(self, *answers):
        with self.lock:
            self.answers, self.seen, self.forged = list(answers), [], []

    def answer(self, handler):
        headers = {k.lower(): v for k, v in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", 0)))
        with self.lock:
            now = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self.seen.append((handler.command, handler.path, headers, body))
            if headers.get("authorization", "").startswith("AWS4") and not is_signed(handler.command, handler.path, headers):
                self.forged.append(handler.path)
        if now.hang:
            self.over.wait(30)
            handler.close_connection = True
            return
        self.send(handler, now)

    def send(self, handler, now):
        handler.send_response_only(now.status)
        handler.send_header("Date", email.utils.formatdate(time.time() + now.skew, usegmt=True))
        for name, value in now.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(now.body) if now.length is None else now.length))
        handler.end_headers()
        handler.wfile.write(now.body if now.cut is None else now.body[: now.cut])
        handler.wfile.flush()
        if now.cut is not None or now.length is not None:
            handler.close_connection = True

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
