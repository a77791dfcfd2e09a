"""A worker in plain Python: serves the kind text.count, whose input is {"text": "..."}.

Run: RAINCHECK_SERVER=http://127.0.0.1:8202 python3 worker.py
"""
import json, os, sys, time, urllib.request

SERVER = os.environ.get("RAINCHECK_SERVER", "http://127.0.0.1:8202")
HEADERS = {"Content-Type": "application/json"}
if "RAINCHECK_TOKEN" in os.environ:
    HEADERS["Authorization"] = "Bearer " + os.environ["RAINCHECK_TOKEN"]
ASK = {"worker": {"name": "worker.py"}, "kinds": ["text.count"], "max": 8, "wait": "20s"}

def count(text):
    return {"words": len(text.split()), "lines": len(text.splitlines())}

done = []  # outcomes to report; they travel with the next request for work
while True:
    try:
        ask = urllib.request.Request(SERVER + "/leases", json.dumps({**ASK, "finish": done}).encode(), HEADERS)
        with urllib.request.urlopen(ask, timeout=60) as answer:
            leases = json.load(answer)["leases"] if answer.status == 200 else []
    except OSError as error:  # not reached: try again, with the same outcomes
        print("no server:", error, file=sys.stderr)
        time.sleep(1)
        continue
    done = []
    for lease in leases:
        try:
            outcome = {"complete": {"result": count(lease["job"]["input"]["text"])}}
        except Exception as error:
            outcome = {"fail": {"error": {"title": type(error).__name__, "detail": str(error)}, "retryable": False}}
        done.append({"lease": lease["lease"], **outcome})
