"""One exchange over a socket: what was sent and what came, byte for byte."""

import json
import socket
import urllib.parse


class Answer:
    """An answer as it came: status line, fields in their order, content."""

    def __init__(self, method, target, sent, raw):
        self.method, self.target, self.sent = method, target, sent
        head, _, rest = raw.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        self.version, self.code, self.phrase = (first.split(b" ", 2) + [b""])[:3]
        self.status = int(self.code)
        self.fields = [(name, value.strip(b" \t")) for name, value in (line.split(b":", 1) for line in lines)]
        is_chunked = self.get("transfer-encoding") == "chunked"
        self.content = unchunked(rest) if is_chunked and method != "HEAD" else rest

    def get(self, name):
        found = [value for field, value in self.fields if field.decode().lower() == name]
        return found[0].decode("latin-1") if found else None

    def json(self):
        return json.loads(self.content)


def unchunked(rest):
    content = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        size = int(size.split(b";")[0], 16)
        if size == 0:
            break
        content, rest = content + rest[:size], rest[size + 2 :]
    return content


def exchange(base, method, target, fields=(), body=None, until=None):
    """Sends a request and reads until the server closes, or until `until` has come."""
    place = urllib.parse.urlsplit(base)
    fields = list(fields)
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        fields.insert(0, ("Host", place.netloc))
    if "connection" not in names:
        fields.append(("Connection", "close"))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(len(body))))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=20) as line:
        line.sendall(head.encode("latin-1") + (body or b""))
        raw = b""
        while until is None or until not in raw:
            piece = line.recv(65536)
            if not piece:
                break
            raw += piece
    return Answer(method, target, fields, raw)
