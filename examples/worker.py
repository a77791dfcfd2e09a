"""A worker in plain Python: serves the kind text.count. Its input is a text, or JSON: {"text": "...", "seconds": 0}.

Run: RAINCHECK_SERVER=http://127.0.0.1:8202 python3 worker.py
"""
import json, os, sys, threading, time, urllib.error, urllib.request
SERVER, TOKEN = os.environ.get("RAINCHECK_SERVER", "http://127.0.0.1:8202"), os.environ.get("RAINCHECK_TOKEN")
HEADERS = {"Content-Type": "application/json", **({"Authorization": "Bearer " + TOKEN} if TOKEN else {})}
ASK = {"worker": {"name": "worker.py"}, "kinds": ["text.count"], "max": 1, "ttl": "10s", "wait": "20s"}

def call(path, body=None):
    request = urllib.request.Request(SERVER + path, None if body is None else json.dumps(body).encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=60) as answer:
        data, kind = answer.read(), answer.headers.get_content_subtype()
        return json.loads(data or "{}") if kind == "json" else {"text": data.decode()}

def count(stop, text, seconds=0):  # the work; `seconds` makes it slow, and slow work looks whether it is still wanted
    if stop.wait(seconds):
        raise InterruptedError("canceled")
    return {"words": len(text.split()), "lines": len(text.splitlines())}

def beat(lease, stop):  # keeps the lease alive while the work goes on, and says when it is not wanted any more
    while not stop.wait(lease["heartbeat_seconds"]):
        try:
            stop.set() if call(f"/leases/{lease['lease']}/heartbeat", {})["cancel_requested"] else None
        except OSError as error:
            print("heartbeat:", error, file=sys.stderr)
            stop.set() if getattr(error, "code", None) == 409 else None  # lease-lost: the job is no longer ours

def run(lease):
    stop = threading.Event()
    threading.Thread(target=beat, args=(lease, stop), daemon=True).start()
    try:  # an input that is large or not JSON has to be fetched
        given = call(f"/leases/{lease['lease']}/input") if "input_href" in lease["job"] else lease["job"]["input"]
        return {"lease": lease["lease"], "complete": {"result": count(stop, **given)}}
    except Exception as error:  # the same again may go well where the server was away
        again = isinstance(error, urllib.error.URLError) and getattr(error, "code", 503) >= 500
        problem = {"title": type(error).__name__, "detail": str(error)}
        return {"lease": lease["lease"], "fail": {"error": problem, "retryable": again}}
    finally:
        stop.set()

finish = []  # outcomes to report; they travel with the next request for work
while True:
    try:
        answer = call("/leases", {**ASK, "finish": finish})
        for one in answer.get("finished", []):
            print("not taken:", one["problem"], file=sys.stderr) if "problem" in one else None
        finish = [run(lease) for lease in answer.get("leases", [])]
        time.sleep(2 if answer.get("drain") and not finish else 0)  # it is about to stop: another one, or its next start
    except OSError as error:  # told again, but for what the server will never take
        print("no work:", error, error.read().decode() if hasattr(error, "read") else "", file=sys.stderr)
        finish = finish if getattr(error, "code", 503) >= 500 else []
        time.sleep(1)
