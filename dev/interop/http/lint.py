"""Drives a server to every route and status that can be reached, and has httplint read each answer.

    lint.py OPEN GUARDED TOKEN

OPEN is a server without a token, with the settings of `serve.toml`; GUARDED asks for TOKEN.
"""

import gzip
import json
import sys
import time

from exchange import exchange
from httplint import HttpRequestLinter, HttpResponseLinter, levels

OPEN, GUARDED, TOKEN = sys.argv[1:]
JSON = ("Content-Type", "application/json")
HTML = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
STREAM = ("Accept", "text/event-stream")
NOBODY = "00000000-0000-7000-8000-000000000000"

# What httplint finds bad or doubtful and is done on purpose: the note, of which answers, and why. One that is not needed
# any more is a complaint, too.
JUSTIFIED = [
    ("REQUEST_HDR_IN_RESPONSE", lambda a: a.status == 415,
     "a 415 says in Accept or Accept-Encoding what would be taken: RFC 9110 sections 12.5.1, 12.5.3 and 15.5.16"),
    ("LOCATION_UNDEFINED", lambda a: a.status == 202,
     "202 leads to its status monitor, as RFC 9110 section 15.3.3 wants it: pollers look for it in Location"),
    ("LOCATION_UNDEFINED", lambda a: a.status == 200 and a.method in ("PUT", "POST"),
     "a submit that is repeated answers the handle that the first one had"),
    ("STATUS_BAD_REQUEST", lambda a: a.status == 400, "a 400 says with its problem what was not understood"),
    ("STATUS_416_WITHOUT_RANGE", lambda a: "/stream?offset=" in a.target,
     "where a worker's bytes belong is said by `offset`, and these do not follow what is there"),
    ("DISPOSITION_OMITS_FILENAME", lambda a: a.get("content-disposition") == "attachment",
     "bytes that were sent without a name are for saving all the same, not for showing"),
]

seen, answers, complaints, needed = set(), 0, [], set()


def judge(answer):
    """What httplint says of an answer."""
    request = HttpRequestLinter()
    request.process_request_topline(answer.method.encode(), (OPEN + answer.target).encode("latin-1"), b"1.1")
    request.process_headers([(name.encode(), value.encode("latin-1")) for name, value in answer.sent])
    request.finish_content(True)
    response = HttpResponseLinter(start_time=time.time(), _related=request, no_content=answer.method == "HEAD")
    response.process_response_topline(answer.version.split(b"/")[1], answer.code, answer.phrase)
    response.process_headers(answer.fields)
    response.feed_content(answer.content)
    response.finish_content(True)
    return [note for note in response.notes if note.level in (levels.BAD, levels.WARN)]


def ask(method, target, *fields, status, body=None, base=OPEN, until=None, route=None):
    """One exchange, judged."""
    global answers
    if isinstance(body, (dict, list)):
        body, fields = json.dumps(body).encode(), (*fields, JSON)
    answer = exchange(base, method, target, fields, body, until)
    assert answer.status == status, f"{method} {target} is {answer.status}, not {status}: {answer.content[:500]}"
    answers += 1
    seen.add((method, route or target.split("?")[0], status))
    for note in judge(answer):
        name = type(note).__name__
        why = next((why for known, where, why in JUSTIFIED if name == known and where(answer)), None)
        needed.add(why)
        if why is None:
            complaints.append(f"{method} {target} {status}: {note.level.value} {name}: {note.summary}")
    return answer


def job(kind="k", status=202, **more):
    return ask("POST", "/jobs", body={"kind": kind, **more}, status=status).json()


def lease(kind="k"):
    got = ask("POST", "/leases", body={"kinds": [kind], "worker": {"name": "lint"}}, status=200).json()
    return got["leases"][0]["lease"]


def of_job(method, job, rest="", *fields, **more):
    return ask(method, f"/jobs/{job['id']}{rest}", *fields, route="/jobs/{id}" + rest.split("?")[0], **more)


def of_lease(method, held, rest, *fields, **more):
    return ask(method, f"/leases/{held}{rest}", *fields, route="/leases/{lease}" + rest.split("?")[0], **more)


def submits():
    text = ("Content-Type", "text/plain; charset=utf-8")
    raw = dict(route="/kinds/{kind}/jobs")
    ask("POST", "/kinds/raw/jobs", text, body=b"bytes", status=202, **raw)
    form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nbytes\r\n--x--\r\n'
    multipart = ("Content-Type", "multipart/form-data; boundary=x")
    ask("POST", "/kinds/raw/jobs", multipart, body=form, status=202, **raw)
    ask("POST", "/kinds/raw/jobs", multipart, body=b"--x--", status=415, **raw)
    ask("POST", "/kinds/raw/jobs", text, ("Content-Encoding", "gzip"), body=gzip.compress(b"x"), status=202, **raw)
    ask("POST", "/kinds/raw/jobs", text, ("Content-Encoding", "br"), body=b"x", status=415, **raw)
    ask("POST", "/kinds/raw/jobs", ("Content-Type", "/"), body=b"x", status=415, **raw)
    ask("POST", "/kinds/raw/jobs", text, body=b"x" * (1 << 20) + b"x", status=413, **raw)
    ask("POST", "/kinds/raw/jobs", ("Transfer-Encoding", "gzip, chunked"), body=b"0\r\n\r\n", status=501, **raw)
    ask("POST", "/jobs/batch", body={"jobs": [{"kind": "b"}], "request_id": "r"}, status=202)
    ask("POST", "/jobs/batch", body={"jobs": [{"kind": "b"}], "request_id": "r"}, status=202)
    ask("POST", "/jobs/batch", body={"jobs": [{"kind": "c"}], "request_id": "r"}, status=422)
    ask("POST", "/jobs", text, body=b"x", status=415)
    ask("POST", "/jobs", JSON, body=b"{", status=400)
    ask("POST", "/jobs", body={}, status=422)
    ask("POST", "/jobs", ("Idempotency-Key", '"'), body={"kind": "k"}, status=400)
    ask("POST", "/jobs", ("Prefer", "wait=1"), body={"kind": "waits"}, status=202)
    job("full", queue="full")
    job("full", queue="full", status=503)
    for _ in range(2):
        ask("POST", "/jobs", ("Idempotency-Key", '"x"; v=1'), body={"kind": "keyed"}, status=202)
    put = dict(route="/jobs/{id}")
    chosen = "/jobs/11111111-1111-4111-8111-111111111111"
    ask("PUT", chosen, ("If-Match", "*"), body={"kind": "put"}, status=412, **put)
    ask("PUT", chosen, body={"kind": "put"}, status=201, **put)
    ask("PUT", chosen, body={"kind": "put"}, status=200, **put)
    ask("PUT", chosen, body={"kind": "other"}, status=409, **put)
    ask("PUT", chosen, ("If-None-Match", "*"), body={"kind": "put"}, status=412, **put)


def a_life():
    """Of a job that waits, runs and succeeds, in every form that it is shown in."""
    made = job(delay="1h", input={"a": 1})
    for method in ("GET", "HEAD"):
        of_job(method, made, status=202)
        of_job(method, made, "/result", status=202)
        of_job(method, made, "", HTML, status=200)
        of_job(method, made, "", ("If-None-Match", 'W/"1"'), status=304)
        of_job(method, made, "?wait=0s", ("Prefer", "wait=0"), status=202)
    of_job("GET", made, "", ("If-Match", 'W/"7"'), status=412)
    of_job("GET", made, "?nope=1", status=400)
    of_job("DELETE", made, status=409)
    of_job("POST", made, "/rerun", status=409)
    of_job("POST", made, "/run-now", status=202)
    of_job("POST", made, "/run-now", status=409)
    held = lease()
    of_lease("GET", held, "/input", status=200)
    of_lease("HEAD", held, "/input", status=200)
    of_lease("GET", held, "/input", ("Range", "bytes=0-1"), status=206)
    of_lease("GET", held, "/input", ("Range", "bytes=99-"), status=416)
    of_lease("POST", held, "/heartbeat", body={"progress": {"percent": 1}}, status=200)
    ask("POST", "/leases/heartbeat", body={"heartbeats": [{"lease": held}]}, status=200)
    text = ("Content-Type", "text/plain; charset=utf-8")
    of_lease("POST", held, "/stream", text, body=b"streamed", status=200)
    of_lease("POST", held, "/stream?offset=99", text, body=b"x", status=416)
    of_lease("POST", held, "/log", text, body=b"logged\n", status=200)
    name = ("Content-Disposition", "attachment; filename=\"a.txt\"; filename*=UTF-8''%C3%A4.txt")
    of_lease("POST", held, "/complete", text, name, body="ä result".encode(), status=200)
    of_lease("POST", held, "/complete", text, body=b"another", status=409)
    of_lease("GET", held, "/input", status=409)
    for method in ("GET", "HEAD"):
        whole = of_job(method, made, "/result", status=200)
        of_job(method, made, "/result", ("If-None-Match", whole.get("etag")), status=304)
        of_job(method, made, status=200)
        of_job(method, made, "", HTML, status=200)
        for rest in ("/stream", "/log", "/events"):
            of_job(method, made, rest, status=200)
    of_job("GET", made, "/result", ("Range", "bytes=1-3"), status=206)
    of_job("GET", made, "/result", ("Range", "bytes=99-"), status=416)
    of_job("GET", made, "/result", ("If-Match", '"x"'), status=412)
    of_job("GET", made, "/stream", STREAM, status=200)
    of_job("GET", made, "/events", STREAM, status=200)
    last = str(of_job("GET", made, status=200).json()["seq"])
    of_job("GET", made, "/events", STREAM, ("Last-Event-ID", last), status=204)
    of_job("GET", made, "/events", ("Accept", "image/png"), status=406)
    of_job("POST", made, "/cancel", status=409)
    of_job("POST", made, "/cancel", ("If-Match", '"1"'), status=412)
    of_job("POST", made, "/rerun?force=true", ("Idempotency-Key", "again"), status=202)
    of_job("POST", made, "/rerun?force=true", ("Idempotency-Key", "again"), status=202)
    of_job("DELETE", made, status=204)
    for method in ("GET", "HEAD", "DELETE"):
        of_job(method, made, status=410)
    of_lease("POST", lease(), "/release", body={}, status=200)
    ask("GET", f"/events?job={made['id']}&after=0", status=200)


def other_ends():
    ask("POST", "/leases", body={"kinds": ["nobody"]}, status=204)
    ask("POST", "/leases", body={"kinds": []}, status=422)
    failed = job("fails")
    of_lease("POST", lease("fails"), "/fail", body={"error": {"title": "no"}, "retryable": False}, status=200)
    for method in ("GET", "HEAD"):
        of_job(method, failed, status=400)
        of_job(method, failed, "?on_failure=200", status=200)
        of_job(method, failed, "/result", status=400)
    canceled = job("cancels")
    of_job("POST", canceled, "/cancel", status=200)
    of_job("GET", canceled, status=400)
    running = job("runs")
    lease("runs")
    of_job("POST", running, "/cancel", status=202)
    job("none")
    of_lease("POST", lease("none"), "/complete", ("Content-Length", "0"), status=200)
    job("empty")
    held = lease("empty")
    of_lease("POST", held, "/complete", ("Content-Type", "text/plain"), ("Content-Length", "0"), status=200)
    for done, status in (("none", 204), ("empty", 200)):
        found = ask("GET", f"/jobs?kind={done}", status=200, route="/jobs").json()["items"][0]
        for method in ("GET", "HEAD"):
            of_job(method, found, "/result", status=status)
            of_job(method, found, "/stream", status=204)
            of_job(method, found, "/log", status=204)


def the_rest():
    for target in ("/jobs", "/queues", "/kinds", "/workers", "/readers", "/metrics", "/livez", "/readyz", "/docs", "/",
                   "/openapi.json", "/assets/raincheck.css", "/assets/job.js", "/assets/api.js"):
        for method in ("GET", "HEAD"):
            ask(method, target, status=200)
        ask("PUT", target, ("Content-Length", "0"), status=405)
    for target, route in (("/queues/default", "/queues/{name}"), ("/kinds/k", "/kinds/{kind}")):
        ask("GET", target, route=route, status=200)
        ask("GET", target + "nope", route=route, status=404)
    for page in ("purged", "validation"):
        ask("GET", f"/problems/{page}", status=200)
        ask("GET", f"/problems/{page}", HTML, status=200)
    ask("GET", "/problems/nope", status=404)
    queue = dict(route="/queues/{name}")
    etag = ask("PATCH", "/queues/default", body={"paused": True}, status=200, **queue).get("etag")
    ask("PATCH", "/queues/default", ("If-Match", etag), body={"paused": False}, status=200, **queue)
    ask("PATCH", "/queues/default", ("If-Match", etag), body={"paused": False}, status=412, **queue)
    ask("PATCH", "/queues/full", body={"max_queued": 7}, status=409, **queue)
    reader = dict(route="/readers/{name}")
    ask("PUT", "/readers/r", body={}, status=201, **reader)
    ask("PUT", "/readers/r", body={}, status=200, **reader)
    ask("PUT", "/readers/r", ("If-Match", '"0"'), body={}, status=412, **reader)
    ask("GET", "/readers/r", status=200, **reader)
    ask("DELETE", "/readers/r", status=204, **reader)
    ask("DELETE", "/readers/r", status=404, **reader)
    ask("GET", "/events?after=0", status=200)
    ask("GET", "/events?after=nope", status=400)
    ask("GET", "/events", STREAM, status=200, until=b"\n\n")
    ask("GET", "/events", ("Accept", "image/png"), status=406)
    socket = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
              ("Sec-WebSocket-Protocol", "raincheck.v1")]
    ask("GET", "/events", *socket, ("Sec-WebSocket-Version", "13"), status=101, until=b"\r\n\r\n")
    ask("GET", "/events", *socket, ("Sec-WebSocket-Version", "8"), status=426, until=b"}")
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        ask(method, "/nope", status=404)
        ask(method, f"/jobs/{NOBODY}", status=405 if method in ("POST", "OPTIONS") else 404)
    ask("GET", "/jobs", ("Host", "elsewhere.example"), status=421)
    ask("GET", "/jobs", ("Host", "localhost:99999"), status=400)
    ask("GET", "/jobs", ("X-Long", "x" * 40_000), status=431)
    ask("POST", "/jobs", JSON, ("Content-Length", "99"), body=b"{", status=408)


def pages_and_tokens():
    page = ("Origin", "https://page.example")
    ask("POST", "/jobs", ("Origin", "https://other.example"), body={"kind": "k"}, status=403)
    ask("POST", "/jobs", page, body={"kind": "k"}, status=403)
    ask("GET", "/jobs", page, status=200)
    asks = ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization, content-type")
    bearer = ("Authorization", f"Bearer {TOKEN}")
    ask("OPTIONS", "/jobs", page, *asks, base=GUARDED, status=204)
    ask("OPTIONS", "/jobs", ("Origin", "https://other.example"), *asks, base=GUARDED, status=401)
    ask("POST", "/jobs", page, bearer, body={"kind": "k"}, base=GUARDED, status=202)
    ask("POST", "/jobs", page, body={"kind": "k"}, base=GUARDED, status=403)
    ask("GET", "/jobs", base=GUARDED, status=401)
    ask("GET", "/jobs", ("Authorization", "Bearer wrong"), base=GUARDED, status=401)
    ask("GET", "/jobs", bearer, base=GUARDED, status=200)


for step in (submits, a_life, other_ends, the_rest, pages_and_tokens):
    step()

described = json.loads(exchange(OPEN, "GET", "/openapi.json").content)["paths"]
operations = {(method.upper(), path) for path, item in described.items() for method in item if method != "parameters"}
missed = operations - {(method, path) for method, path, _ in seen}
assert not missed, f"no answer of these was looked at: {sorted(missed)}"
wanted = {101, 200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 415, 416, 421, 422,
          426, 431, 501, 503}
assert wanted <= {status for *_, status in seen}, f"not reached: {wanted - {status for *_, status in seen}}"
complaints += [f"no answer needs this any more: {name}: {why}" for name, _, why in JUSTIFIED if why not in needed]
for complaint in dict.fromkeys(complaints):
    print(complaint)
print(f"{answers} answers to {len(operations)} operations, {len(wanted)} statuses, {len(complaints)} complaints")
sys.exit(bool(complaints))
