"""A worker in plain Python: serves the kind text.count. Its input is a text, or JSON: {"text": "...", "seconds": 0}.

Run: RAINCHECK_SERVER=http://127.0.0.1:8202 python3 worker.py
"""
import json, os, sys, threading, time, urllib.error, urllib.request

SERVER = os.environ.get("RAINCHECK_SERVER", "http://127.0.0.1:8202")
HEADERS = {"Content-Type": "application/json"}
if "RAINCHECK_TOKEN" in os.environ:
    HEADERS["Authorization"] = "Bearer " + os.environ["RAINCHECK_TOKEN"]
# As many as are worked on at once: others would only wait here. For more, start more workers.
ASK = {"worker": {"name": "worker.py"}, "kinds": ["text.count"], "max": 1, "ttl": "10s", "wait": "20s"}

def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(SERVER + path, data, HEADERS), timeout=60) as answer:
        data = answer.read()
        return json.loads(data or "{}") if answer.headers.get_content_subtype() == "json" else {"text": data.decode()}

def count(stop, text, seconds=0):  # the work; `seconds` makes it slow, and slow work looks whether it is still wanted
    if stop.wait(seconds):
        raise InterruptedError("canceled")
    return {"words": len(text.split()), "lines": len(text.splitlines())}

def beat(lease, stop, lost, done):  # keeps the lease alive while the work goes on, however long it takes
    while not done.wait(lease["heartbeat_seconds"]):
        try:
            if call(f"/leases/{lease['lease']}/heartbeat", {})["cancel_requested"]:
                stop.set()
        except OSError as error:
            print("heartbeat:", error, file=sys.stderr)
            if getattr(error, "code", None) == 409:  # lease-lost: the job is no longer ours
                lost.set(), stop.set()

finish = []  # outcomes to report; they travel with the next request for work
while True:
    try:
        answer = call("/leases", {**ASK, "finish": finish})
    except OSError as error:  # tell it again, but for what the server will never take
        refused = isinstance(error, urllib.error.HTTPError)
        print("no work:", error, error.read().decode() if refused else "", file=sys.stderr)
        finish = [] if refused and error.code < 500 else finish
        time.sleep(1)
        continue
    for refused in (one for one in answer.get("finished", []) if "problem" in one):
        print("not taken:", json.dumps(refused["problem"]), file=sys.stderr)
    finish = []
    for lease in answer.get("leases", []):
        stop, lost, done = threading.Event(), threading.Event(), threading.Event()
        threading.Thread(target=beat, args=(lease, stop, lost, done), daemon=True).start()
        try:  # an input that is large or not JSON has to be fetched
            given = call(f"/leases/{lease['lease']}/input") if "input_href" in lease["job"] else lease["job"]["input"]
            outcome = {"complete": {"result": count(stop, **given)}}
        except Exception as error:
            problem = {"title": type(error).__name__, "detail": str(error)}
            outcome = {"fail": {"error": problem, "retryable": isinstance(error, urllib.error.URLError)}}
        done.set()
        finish += [] if lost.is_set() else [{"lease": lease["lease"], **outcome}]
