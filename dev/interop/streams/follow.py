"""Follows events with a client library across every break, as the library's own guide does it.

Each follower keeps what it was given: the unnamed events, each as [job, seq], and the names of the others. One of a job ends with the
job's last event, one of the feed with the event of kind `last`.
"""

import json
import threading
import time

import httpx
import requests
import sseclient
from httpx_sse import connect_sse
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

FINAL = {"succeeded", "failed", "canceled"}


class Follower:
    def __init__(self, client, follow, server, path, is_feed):
        self.name = f"{client}, {'feed' if is_feed else 'job'}"
        self.is_feed, self.events, self.named, self.breaks = is_feed, [], [], 0
        self.begun, self.started, self.failure = threading.Event(), threading.Event(), None
        self.thread = threading.Thread(target=self.run, args=(follow, server, path), daemon=True)
        self.thread.start()

    def run(self, follow, server, path):
        try:
            follow(self, server + path)
        except BaseException as error:
            self.failure = repr(error)
        self.begun.set()
        self.started.set()

    def heard(self, name, data):
        """One thing that the library gave; true at the end."""
        said = json.loads(data)
        self.begun.set()
        if name not in ("", "message"):
            self.named.append(name)
            return False
        self.events.append([said["job"], said["seq"]])
        if said["type"] == "started":
            self.started.set()
        return said["kind"] == "last" if self.is_feed else said["type"] in FINAL

    def pause(self, seconds):
        self.breaks += 1
        time.sleep(seconds)


def by_httpx_sse(follower, url):
    last, delay = None, 1.0
    with httpx.Client(timeout=httpx.Timeout(30)) as http:
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            try:
                with connect_sse(http, "GET", url, headers=headers) as source:
                    for event in source.iter_sse():
                        last = event.id
                        delay = delay if event.retry is None else event.retry / 1_000
                        if follower.heard(event.event, event.data):
                            return
            except httpx.TransportError:
                pass
            follower.pause(delay)


def by_sseclient(follower, url):
    last, delay = None, 1.0
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        try:
            with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
                assert answer.status_code == 200, answer.status_code
                for event in sseclient.SSEClient(answer).events():
                    last = event.id or last
                    delay = int(event.retry) / 1_000 if event.retry else delay
                    if follower.heard(event.event, event.data):
                        return
        except requests.RequestException:
            pass
        follower.pause(delay)


def by_websockets(follower, url):
    url, after = url.replace("http://", "ws://"), None
    while True:
        try:
            place = f"?after={after}" if after else ""
            with connect(url + place, subprotocols=["raincheck.v1"]) as socket:
                if follower.is_feed and after is None:
                    # The feed begins now: its first event tells where to go on.
                    follower.begun.set()
                for message in socket:
                    said = json.loads(message)
                    after = said["cursor"] if follower.is_feed else said["seq"]
                    if follower.heard("" if "job" in said else said["type"], message) and follower.is_feed:
                        return
                # Its iterator ends so also when the server goes away.
                if socket.close_code == 1000 and not follower.is_feed:
                    return
                assert socket.close_code == 1001, socket.close_code
        except (ConnectionClosed, OSError):
            pass
        follower.pause(0.5)


CLIENTS = {"httpx-sse": by_httpx_sse, "sseclient-py": by_sseclient, "websockets": by_websockets}
