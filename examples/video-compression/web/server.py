"""Serves the page and passes what it needs on to Raincheck, so that the browser has one origin to talk to.

Run: RAINCHECK_SERVER=http://127.0.0.1:8202 python3 server.py [PORT]

A browser must not be able to submit jobs from any page it happens to show: Raincheck refuses requests with
a foreign origin, and so does this server, which stands where your own application would stand.
"""
import http.client
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

RAINCHECK = urlsplit(os.environ.get("RAINCHECK_SERVER", "http://127.0.0.1:8202"))
TOKEN = os.environ.get("RAINCHECK_TOKEN")
HERE = Path(__file__).parent
PAGES = {"/": ("index.html", "text/html"), "/app.js": ("app.js", "text/javascript"), "/style.css": ("style.css", "text/css")}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; media-src 'self'"

# What the page may ask for, and what that is called over there. Nothing else is passed on.
ID = "([0-9a-f-]{36})"
ROUTES = [
    ("POST", re.compile(r"/api/clips(\?label=[\w.%~-]*)?"), "/kinds/video.compress/jobs{}"),
    ("GET", re.compile(f"/api/jobs/{ID}"), "/jobs/{}?on_failure=200"),
    ("GET", re.compile(f"/api/jobs/{ID}/events"), "/jobs/{}/events"),
    ("GET", re.compile(f"/api/jobs/{ID}/result"), "/jobs/{}/result"),
    ("POST", re.compile(f"/api/jobs/{ID}/cancel"), "/jobs/{}/cancel"),
]
TO_RAINCHECK = ["Accept", "Content-Type", "Content-Length", "Idempotency-Key", "If-Range", "Last-Event-ID", "Range"]
TO_BROWSER = ["Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Length", "Content-Range",
              "Content-Type", "ETag", "Retry-After"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path in PAGES:
            name, kind = PAGES[self.path]
            body = (HERE / name).read_bytes()
            self.answer(200, {"Content-Type": kind + "; charset=utf-8", "Content-Length": len(body),
                              "Content-Security-Policy": POLICY})
            self.wfile.write(body)
        else:
            self.pass_on("GET")

    def do_POST(self):
        origin = self.headers.get("Origin")
        if origin and urlsplit(origin).netloc != self.headers.get("Host"):
            self.refuse(403, "requests from other sites are not taken")
        else:
            self.pass_on("POST")

    def pass_on(self, method):
        if urlsplit("//" + self.headers.get("Host", "")).hostname not in ("localhost", "127.0.0.1"):
            return self.refuse(421, "this page is for this machine only")
        for allowed, path, target in ROUTES:
            match = path.fullmatch(self.path)
            if match and allowed == method:
                return self.forward(method, target.format(*(part or "" for part in match.groups())))
        self.refuse(404, "no such page")

    def forward(self, method, target):
        headers = {name: self.headers[name] for name in TO_RAINCHECK if name in self.headers}
        if TOKEN:
            headers["Authorization"] = "Bearer " + TOKEN
        kind = http.client.HTTPSConnection if RAINCHECK.scheme == "https" else http.client.HTTPConnection
        upstream = kind(RAINCHECK.netloc, timeout=60)
        try:
            # The clip goes through in pieces; it is never whole in memory.
            body = Pieces(self.rfile, int(self.headers.get("Content-Length", 0)))
            upstream.request(method, target, body=body if method == "POST" else None, headers=headers)
            answer = upstream.getresponse()
        except OSError as error:
            return self.refuse(502, f"Raincheck can't be reached: {error}")
        try:
            self.answer(answer.status, {name: answer.headers[name] for name in TO_BROWSER if name in answer.headers})
            while piece := answer.read1(65536):
                self.wfile.write(piece)  # events are passed on as they come
        except OSError:
            pass  # one side went away; a reader comes back with Range or Last-Event-ID
        finally:
            upstream.close()

    def refuse(self, status, why):
        body = why.encode()
        self.answer(status, {"Content-Type": "text/plain; charset=utf-8", "Content-Length": len(body)})
        self.wfile.write(body)

    def answer(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_):
        pass


class Pieces:
    """The next `left` bytes of a stream, as the file that http.client reads from."""

    def __init__(self, stream, left):
        self.stream, self.left = stream, left

    def read(self, most):
        piece = self.stream.read(min(most, self.left))
        if self.left and not piece:
            raise ConnectionError("the browser stopped sending")
        self.left -= len(piece)
        return piece


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8203), Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
