"""nginx and HAProxy before a server: with the settings of docs/proxies.md, below a path, and with none at all.

Run: check.py RAINCHECK PROXIES.md
"""
import base64, hashlib, http.client, json, os, re, socket, struct, subprocess, sys, tempfile, threading, time, urllib.parse

raincheck, page = sys.argv[1:]
blocks = re.findall(r"```(\w+)\n(.*?)```", open(page).read(), re.S)
folder = tempfile.mkdtemp(prefix="raincheck-proxies-")
processes = []
LARGE = 1 << 30
IDLE_SECONDS = 70


def block(language, number=0):
    return [text for name, text in blocks if name == language][number]


def replaced(text, *pairs):
    """The page's settings with the names and ports of this run; each must be there."""
    for old, new in pairs:
        assert re.search(old, text), (old, text)
        text = re.sub(old, new, text)
    return text


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def serve(name, public_url):
    """A server of its own, and its port."""
    command = [raincheck, "serve", "--listen", "127.0.0.1:0", "--data", f"{folder}/{name}"]
    command += ["--public-url", public_url] if public_url else []
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=folder)
    processes.append(process)
    for line in process.stderr:
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("msg") == "ready":
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return urllib.parse.urlsplit(said["url"]).port
    raise SystemExit(f"{name}: the server did not start")


def nginx(name, port, inside):
    path = f"{folder}/{name}.conf"
    temp = "".join(f"{kind}_temp_path {folder}/{name}-{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(path, "w") as out:
        out.write(f"daemon off;\nuser root;\npid {folder}/{name}.pid;\nerror_log {folder}/{name}.log;\nevents {{}}\n")
        out.write(f"http {{\naccess_log off;\n{temp}{inside}\n}}\n")
    start(["nginx", "-c", path, "-p", folder], port)


def haproxy(name, port, text):
    path = f"{folder}/{name}.cfg"
    open(path, "w").write(text)
    start(["haproxy", "-db", "-f", path], port)


def start(command, port):
    processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status in (200, 404):  # below a path there is nothing at the top
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"{command}: no answer from port {port}")


class Site:
    """One way to a server."""

    def __init__(self, name, port, prefix=""):
        self.name, self.port, self.prefix = name, port, prefix

    def open(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request(method, self.prefix + path, body, headers or {})
        return connection.getresponse()

    def json(self, method, path, body=None, status=(200, 202), headers=None):
        answer = self.open(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json", **(headers or {})})
        text = answer.read()
        assert answer.status in status, (self.name, path, answer.status, text)
        return json.loads(text or "null"), answer.headers

    def lease(self, kind):
        taken, _ = self.json("POST", "/leases", {"worker": {"name": "w"}, "kinds": [kind], "wait": "10s", "ttl": "5m"})
        return taken["leases"][0]["lease"]

    def complete(self, kind, result):
        self.json("POST", f"/leases/{self.lease(kind)}/complete", {"result": result})


def check_handle(site, public_url):
    job, headers = site.json("POST", "/jobs", {"kind": "handle"}, status=(202,))
    assert headers["Location"] == f"{public_url}/jobs/{job['id']}", (site.name, headers["Location"])
    site.json("GET", "/jobs/" + job["id"], status=(202,))
    for page in ("/", "/docs", f"/jobs/{job['id']}"):
        answer = site.open("GET", page, headers={"Accept": "text/html,application/xhtml+xml"})
        text = answer.read().decode()
        for link in re.findall(r'(?:href|src)="([^"]+)"', text):
            target = urllib.parse.urlsplit(urllib.parse.urljoin(f"http://127.0.0.1:{site.port}{site.prefix}{page}", link))
            assert target.path.startswith(site.prefix + "/"), (site.name, page, link)
            if "/assets/" in link:
                found = Site(site.name, site.port).open("GET", target.path)
                assert found.status == 200, (site.name, page, link, found.status)
    answer = site.open("POST", "/jobs", '{"kind":"page"}', {"Content-Type": "application/json", "Origin": "http://evil.test"})
    assert answer.status == 403, (site.name, answer.status)


def events(answer):
    """The job as a stream begins with it, then its events; not what is said beside them."""
    name = b""
    for line in answer:
        field, _, value = line.strip().partition(b": ")
        if field == b"event":
            name = value
        elif field == b"data" and name in (b"", b"snapshot"):
            yield json.loads(value)
        elif not field:
            name = b""


def check_stream(site):
    job, _ = site.json("POST", "/jobs", {"kind": "stream"})
    begin = time.monotonic()
    answer = site.open("GET", f"/jobs/{job['id']}/events", headers={"Accept": "text/event-stream"})
    stream = events(answer)
    assert next(stream)["state"] == "queued"
    assert time.monotonic() - begin < 1, (site.name, "the first event", time.monotonic() - begin)
    waited, _ = site.json("GET", f"/jobs/{job['id']}?wait=45s", status=(202,))
    time.sleep(IDLE_SECONDS - 45)
    site.complete("stream", {"late": True})
    assert [event["type"] for event in stream] == ["started", "succeeded"], site.name
    assert waited["state"] == "queued"


def check_socket(site):
    job, _ = site.json("POST", "/jobs", {"kind": "socket"})
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as line:
        head = f"GET {site.prefix}/jobs/{job['id']}/events HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nConnection: Upgrade\r\n"
        head += f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: raincheck.v1\r\n\r\n"
        line.sendall(head.encode())
        reader = line.makefile("rb")
        assert b" 101 " in reader.readline(), site.name
        while reader.readline().strip():
            pass
        kind, size = reader.read(2)
        size = struct.unpack(">H", reader.read(2))[0] if size == 126 else size
        assert kind == 0x81 and json.loads(reader.read(size))["data"]["state"] == "queued", site.name


def check_large(site):
    """A GiB goes up as an input and down again, whole and in a part of it."""
    piece = os.urandom(1 << 20)
    sent = hashlib.sha256()

    def pieces():
        for n in range(LARGE >> 20):
            part = n.to_bytes(8, "big") + piece[8:]
            sent.update(part)
            yield part

    answer = site.open("POST", "/kinds/large/jobs", pieces(), {"Content-Type": "application/octet-stream", "Content-Length": str(LARGE)}, 300)
    assert answer.status == 202, (site.name, answer.status, answer.read())
    lease = site.lease("large")
    answer = site.open("GET", f"/leases/{lease}/input", timeout=300)
    got, size = hashlib.sha256(), 0
    while part := answer.read(1 << 20):
        got.update(part)
        size += len(part)
    assert (answer.status, size, got.digest()) == (200, LARGE, sent.digest()), (site.name, answer.status, size)
    answer = site.open("GET", f"/leases/{lease}/input", headers={"Range": f"bytes={(5 << 20) - 4}-{(5 << 20) + 7}"}, timeout=60)
    assert (answer.status, answer.read()) == (206, piece[-4:] + (5).to_bytes(8, "big")), site.name
    site.json("POST", f"/leases/{lease}/complete", {"result": size})


def run(site, public_url, *checks):
    check_handle(site, public_url)
    for check in checks:
        begin = time.monotonic()
        check(site)
        print(f"{site.name}: {check.__name__[6:]} ok in {time.monotonic() - begin:.1f} s", flush=True)


def main():
    threads, failed = [], []

    def go(*args):
        def guarded():
            try:
                run(*args)
            except BaseException as error:
                failed.append(args[0].name)
                raise error

        threads.append(threading.Thread(target=guarded))
        threads[-1].start()

    plain = lambda port, back: f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{back}; }} }}"
    port = free_port()
    back = serve("stock", None)
    nginx("stock-nginx", port, plain(port, back))
    # nginx sends its own idea of the Host, and puts its address into the Location again.
    go(Site("nginx, nothing set", port), f"http://127.0.0.1:{port}", check_stream)

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    back = serve("ours", url)
    here = replaced(
        block("nginx"), (r"server 127\.0\.0\.1:8202", f"server 127.0.0.1:{back}"), ("listen 443 ssl http2", f"listen 127.0.0.1:{port}"),
        (r" *ssl_certificate\w* .*\n", ""), (r"jobs\.example\.com", "127.0.0.1"),
    )
    nginx("ours-nginx", port, here)
    go(Site("nginx", port), url, check_socket, check_large, check_stream)

    below = free_port()
    inner = re.search(r"location / \{\n(.*?)\n    \}", here, re.S).group(1)
    path = replaced(block("nginx", 1), (r"(?m)^    proxy_pass .*$", r"\g<0>\n" + re.sub(r".*proxy_pass.*\n", "", inner)))
    url = f"http://127.0.0.1:{below}/jobs-api"
    back = serve("below", url)
    upstream = replaced(here[: here.index("server {\n")], (r"server 127\.0\.0\.1:\d+", f"server 127.0.0.1:{back}"))
    nginx("below-nginx", below, f"{upstream}server {{\nlisten 127.0.0.1:{below};\n{path}}}")
    go(Site("nginx, below a path", below, "/jobs-api"), url, check_socket)

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    back = serve("haproxy", url)
    text = replaced(
        block("haproxy"), (r"bind :443 .*", f"bind 127.0.0.1:{port}"), (r"127\.0\.0\.1:8202", f"127.0.0.1:{back}"), ("inter 2s", "inter 200ms"),
    )
    haproxy("ours-haproxy", port, text)
    go(Site("HAProxy", port), url, check_socket, check_large, check_stream)

    # What stock HAProxy can't do without is a time limit; these are those of its own example.
    port = free_port()
    back = serve("stock-haproxy", None)
    stock = f"defaults\nmode http\ntimeout connect 5s\ntimeout client 50s\ntimeout server 50s\nlisten all\nbind 127.0.0.1:{port}\noption httpchk GET /readyz\nserver one 127.0.0.1:{back} check inter 200ms\n"
    haproxy("stock-haproxy", port, stock)
    go(Site("HAProxy, nothing set", port), f"http://127.0.0.1:{port}", check_stream)

    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")
    # A probe by HTTP/1.0 without a Host.
    with socket.create_connection(("127.0.0.1", back), timeout=5) as line:
        line.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        assert b" 200 " in line.makefile("rb").readline()


try:
    main()
finally:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
    subprocess.run(["rm", "-rf", folder])
