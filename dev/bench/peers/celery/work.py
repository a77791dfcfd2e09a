"""Celery: producers that publish, a prefork worker, results in Redis.

Run by the race as `python work.py MEASURE OPTIONS`; the worker imports it for its task.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import redis
from celery import Celery

PORT = int(os.environ.get("RACE_PORT", "0"))
QUEUE = "race"
RESULT = {"ok": True}
# As many as there are processors to share with Redis; a prefetch as Celery's page on optimizing asks for short tasks.
PROCESSES = 2
PREFETCH = 128

app = Celery("work", broker=f"redis://127.0.0.1:{PORT}/0", backend=f"redis://127.0.0.1:{PORT}/1")
app.conf.update(
    task_default_queue=QUEUE,
    worker_prefetch_multiplier=PREFETCH,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    broker_pool_limit=64,
)
starts = redis.Redis(port=PORT, db=2)


def job(n):
    """A job: 200 bytes of JSON that name their number."""
    empty = len(json.dumps({"n": n, "text": ""}, separators=(",", ":")))
    return {"n": n, "text": "x" * (200 - empty)}


@app.task(name="noop")
def noop(job, timed=False):
    if timed:
        starts.rpush("starts", time.monotonic())
    if len(json.dumps(job, separators=(",", ":"))) != 200:
        raise ValueError("a job came out changed")
    return RESULT


def producer():
    """Publishes only. A producer that knows the result backend would subscribe to each result, which costs it more
    than the submit."""
    return Celery("producer", broker=app.conf.broker_url, set_as_current=False, broker_pool_limit=64)


def publisher(callers, begin, seconds, warm, first, stride, limit, pipe):
    """One process with `callers` threads, each publishing number after number."""
    publish = producer()
    times, acknowledged, lock = [], 0, threading.Lock()
    numbers = iter(range(first, limit, stride))

    def call():
        nonlocal acknowledged
        mine, count = [], 0
        while time.monotonic() < begin + warm + seconds:
            with lock:
                n = next(numbers, None)
            if n is None:
                break
            sent = time.monotonic()
            publish.send_task("noop", [job(n)], queue=QUEUE)
            now = time.monotonic()
            count += 1
            if begin + warm <= now < begin + warm + seconds:
                mine.append((now - sent) * 1000)
        with lock:
            times.extend(mine)
            acknowledged += count

    with publish.connection_for_write() as connection:
        connection.ensure_connection(max_retries=3)
    time.sleep(max(0, begin - time.monotonic()))
    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send((times, acknowledged))


def publish(callers, seconds, limit=10**9, warm=None):
    """Publishes from several processes; the times of the counted calls and how many there were in all."""
    processes = min(callers, PROCESSES)
    begin = time.monotonic() + 0.5
    warm = seconds / 10 if warm is None else warm
    running = []
    for index in range(processes):
        ours, theirs = multiprocessing.Pipe()
        share = callers // processes + (index < callers % processes)
        arguments = (share, begin, seconds, warm, index, processes, limit, theirs)
        process = multiprocessing.Process(target=publisher, args=arguments)
        process.start()
        theirs.close()
        running.append((process, ours))
    times, acknowledged = [], 0
    for process, pipe in running:
        some, count = pipe.recv()
        process.join()
        times += some
        acknowledged += count
    return times, acknowledged


def spread(times):
    times.sort()
    return {"p50": times[len(times) // 2], "p99": times[min(len(times) - 1, int(len(times) * 0.99))]}


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: {found} instead of {expected}")


def waiting():
    return redis.Redis(port=PORT).llen(QUEUE)


class Worker:
    """A worker that waits, its queue not yet its own."""

    def __enter__(self):
        command = [sys.executable, "-m", "celery", "-A", "work", "worker", "-Q", "idle", "-c", str(PROCESSES)]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not app.control.ping(timeout=0.2):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("the worker did not start")
        return self

    def serve(self):
        app.control.add_consumer(QUEUE)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def submit(callers, seconds, **_):
    times, acknowledged = publish(callers, seconds)
    same("waiting jobs after the submits", waiting(), acknowledged)
    return {"rate": len(times) / seconds, **spread(times), "acknowledged": acknowledged}


def bulk(**_):
    return {"none": True}


def drain(jobs, **_):
    publish(16, 600, limit=jobs, warm=0)
    same("preloaded jobs", waiting(), jobs)
    results = redis.Redis(port=PORT, db=1)
    with Worker() as worker:
        begin = time.monotonic()
        worker.serve()
        while results.dbsize() < jobs:
            if time.monotonic() > begin + 120:
                raise RuntimeError(f"{results.dbsize()} of {jobs} jobs are done after 120 s")
            time.sleep(0.005)
        seconds = time.monotonic() - begin
    found = [json.loads(result) for result in results.mget(results.keys("celery-task-meta-*"))]
    same("kept results", sum(one["status"] == "SUCCESS" and one["result"] == RESULT for one in found), jobs)
    same("jobs that wait after the drain", waiting(), 0)
    return {"rate": jobs / seconds, "jobs": jobs}


def latency(seconds, **_):
    publish_one, times = producer(), []
    with Worker() as worker:
        worker.serve()
        end = time.monotonic() + seconds + 0.5
        while len(times) < 30 or time.monotonic() < end:
            time.sleep(0.005)
            begin = time.monotonic()
            publish_one.send_task("noop", [job(len(times)), True], queue=QUEUE)
            started = starts.blpop(["starts"], timeout=30)
            if started is None:
                raise RuntimeError("a job did not start within 30 s")
            times.append((float(started[1]) - begin) * 1000)
    # The first ones warm up.
    return {**spread(times[10:]), "jobs": len(times) - 10}


def memory(jobs, seconds, **_):
    _, acknowledged = publish(16, seconds, limit=jobs, warm=0)
    same("waiting jobs", waiting(), acknowledged)
    return {"jobs": acknowledged}


if __name__ == "__main__":
    measures = {"submit": submit, "bulk": bulk, "drain": drain, "latency": latency, "memory": memory}
    print(json.dumps(measures[sys.argv[1]](**json.loads(sys.argv[2]))))
