"""Events by other people's clients, across restarts of the server: none missed, none doubled, none made up.

check.py SERVER: the server is restarted by whoever started this. A line says how; a line on stdin says that it is up again.
"""

import faulthandler
import json
import subprocess
import sys
from pathlib import Path

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from follow import CLIENTS, Follower

server = sys.argv[1]
http = httpx.Client(base_url=server, timeout=30)
faulthandler.dump_traceback_later(90, exit=True)


def ask(method, path, body=None):
    answer = http.request(method, path, json=body)
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def restart(how):
    print(how, flush=True)
    assert sys.stdin.readline(), "nobody restarts the server"


def submit(kind):
    return ask("POST", "/jobs", {"kind": kind})


def lease(kind):
    return ask("POST", "/leases", {"kinds": [kind], "worker": {"name": "check"}, "ttl": "5m"})["leases"][0]["lease"]


def closes():
    """How a WebSocket ends: with the code of whoever ends it."""
    url = server.replace("http://", "ws://") + "/events"
    for code in (1000, 4000):
        with connect(url, subprotocols=["raincheck.v1"]) as socket:
            assert socket.subprotocol == "raincheck.v1"
            socket.close(code, "enough")
            assert (socket.close_code, socket.close_reason) == (code, "enough"), socket.close_code
    for said, code in (("hello", 1008), ("x" * (8 << 20), 1009)):
        with connect(url) as socket:
            try:
                socket.send(said)
                socket.recv(timeout=20)
            except ConnectionClosed as closed:
                assert closed.rcvd and closed.rcvd.code == code, closed


def wait_for(what):
    """Until all followers have heard of it."""
    for follower in followers:
        assert getattr(follower, what).wait(30), f"{follower.name} has not {what}"
    assert node.stdout.readline().strip() == what, what


def listen():
    """A WebSocket that is open when the server stops."""
    return connect(server.replace("http://", "ws://") + "/events")


job = submit("long")
events = f"/jobs/{job['id']}/events"
begin = ask("GET", "/events?after=0")["next_after"]
node = subprocess.Popen(
    ["node", Path(__file__).with_name("follow.mjs"), server, events], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
followers = [
    Follower(client, follow, server, path, is_feed)
    for client, follow in CLIENTS.items()
    for path, is_feed in ((events, False), ("/events", True))
]
closes()
wait_for("begun")

first = submit("other")
open_socket = listen()
restart("TERM")
try:
    for _ in open_socket:
        pass
except ConnectionClosed:
    pass
assert open_socket.close_code == 1001, open_socket.close_code
for _ in range(20):
    submit("other")
run = lease("long")
wait_for("started")
restart("KILL")
ask("POST", f"/leases/{run}/heartbeat", {"progress": {"percent": 1}})
for _ in range(20):
    submit("other")
ask("POST", f"/leases/{run}/complete", {"done": True})
submit("last")

whole = ask("GET", f"/events?after={begin}")["items"]
expected = {
    True: [[event["job"], event["seq"]] for event in whole],
    False: [[event["job"], event["seq"]] for event in whole if event["job"] == job["id"]],
}
assert len(expected[True]) == 45 and [seq for _, seq in expected[False]] == [2, 3, 4], expected

results = []
for follower in followers:
    follower.thread.join(60)
    assert follower.failure is None, f"{follower.name}: {follower.failure}"
    results.append([follower.name, follower.is_feed, follower.events, follower.named, follower.breaks])
    assert not follower.thread.is_alive(), results[-1]
results += json.loads(node.stdout.readline())
assert node.wait(20) == 0, "node"
for name, is_feed, heard, named, breaks in results:
    assert heard == expected[is_feed], f"{name}: {heard} instead of {expected[is_feed]}"
    assert breaks >= 2, f"{name}: {breaks} breaks"
    known = {"place"} if is_feed else {"snapshot", "position"}
    assert set(named) <= known, f"{name}: {named}"
    print(f"{name}: {len(heard)} events over {breaks} breaks")
