"""Gives schemathesis what no generator can guess: ids of jobs in every state, and leases that are held."""

import atexit
import collections
import json
import os
import random
import threading
import urllib.request
import uuid

import schemathesis

SERVER = os.environ["RAINCHECK_SERVER"]
# Queues that nothing else needs: the fuzzer may pause or close them.
SPARE = ["spare", "spare.2"]
# More live jobs than this say nothing new.
POOL = 64

rng = random.Random(int(os.environ["RAINCHECK_FUZZ_SEED"]))
lock = threading.Lock()
seen = collections.Counter()
jobs: list[str] = []
leases: list[str] = []


def call(method, path, body=None):
    """One request of ours; its JSON, or None for an answer without content."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(SERVER + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def submit():
    shape = {"kind": "traffic", "queue": "traffic", "input": {"n": rng.randrange(9)}, "tags": {"by": "hooks"}}
    if rng.random() < 0.3:
        shape["retry"] = {"max_attempts": 1}
    return call("POST", "/jobs", shape)["id"]


def lease():
    """A held lease, of a job made for it."""
    call("POST", "/jobs", {"kind": "traffic", "queue": "traffic", "input": "x"})
    answer = call("POST", "/leases", {"worker": {"name": "hooks"}, "kinds": ["traffic"], "queues": ["traffic"]})
    return answer["leases"][0]["lease"], answer["leases"][0]["job"]["id"]


def finished(how, body):
    text, job = lease()
    call("POST", f"/leases/{text}/{how}", body)
    return job


def scheduled():
    return call("POST", "/jobs", {"kind": "traffic", "queue": "traffic", "delay": "1h"})["id"]


def failed():
    return finished("fail", {"error": {"type": "Boom", "title": "it broke"}, "retryable": False})


# Where only jobs in one state get further than a refusal.
FITTING = {"/jobs/{id}/run-now": scheduled, "/jobs/{id}/rerun": failed}


def any_job(path):
    """Waiting, scheduled, running, succeeded, failed, canceled or purged."""
    if path in FITTING and rng.random() < 0.4:
        return FITTING[path]()
    if len(jobs) < POOL or rng.random() < 0.1:
        make = rng.choice(
            [
                submit,
                scheduled,
                failed,
                lambda: lease()[1],
                lambda: finished("complete", {"done": True}),
                lambda: finished("fail", {"error": {"detail": "again"}}),
                lambda: call("POST", f"/jobs/{submit()}/cancel")["id"],
            ]
        )
        jobs.append(make())
    return rng.choice(jobs[-POOL:])


def any_lease():
    """Mostly a fresh one; sometimes one that may be over by now."""
    if not leases or rng.random() < 0.7:
        leases.append(lease()[0])
        return leases[-1]
    return rng.choice(leases[-POOL:])


def lend(value):
    """A body with real leases in its `lease` members."""
    if isinstance(value, list):
        return [lend(item) for item in value]
    if not isinstance(value, dict):
        return value
    lent = {name: lend(item) for name, item in value.items()}
    # What excludes each other, which the document says in words: mostly one of them is tried.
    for members in (("delay", "run_at"), ("complete", "fail", "release")):
        for extra in [name for name in members if name in lent][1:]:
            if rng.random() < 0.8:
                del lent[extra]
    if isinstance(lent.get("lease"), str) and rng.random() < 0.8:
        lent["lease"] = any_lease()
    return lent


@schemathesis.hook
def before_call(context, case, kwargs):
    with lock:
        path = case.path_parameters or {}
        if "id" in path and rng.random() < 0.8:
            # An id that the client chooses is mostly a new one.
            new = case.method == "PUT" and rng.random() < 0.7
            path["id"] = str(uuid.UUID(int=rng.getrandbits(128))) if new else any_job(case.operation.path)
        if "lease" in path and rng.random() < 0.8:
            path["lease"] = any_lease()
        if "name" in path and (rng.random() < 0.8 or path["name"] in ("default", "traffic")):
            path["name"] = rng.choice(SPARE)
        if isinstance(case.body, dict):
            case.body = lend(case.body)
        query = case.query or {}
        # An answer that follows a run lasts as long as the run, by contract.
        query.pop("follow", None)
        # What is asked for is answered, so it says nothing.
        if str(query.get("on_failure", ""))[:1] in "45":
            query.pop("on_failure", None)


@schemathesis.hook
def after_call(context, case, response):
    with lock:
        seen[f"{case.operation.method} {case.operation.path}", response.status_code] += 1


@atexit.register
def tell():
    """One line an operation and status, for the step that started this."""
    with open(os.environ["RAINCHECK_FUZZ_SEEN"], "w") as file:
        for (operation, status), times in sorted(seen.items()):
            file.write(f"{operation} {status} {times}\n")
