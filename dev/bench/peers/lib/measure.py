"""One measure of one peer: a fresh server, the peer's script, its figures or the reason why there are none."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

from servers import KINDS, end_all

# Measure → which workload of a script and of `raincheck-bench`, and with how many callers.
MEASURES = {
    "submit-1": ("submit", 1),
    "submit-16": ("submit", 16),
    "submit-64": ("submit", 64),
    "bulk": ("bulk", 4),
    "drain": ("drain", None),
    "latency": ("latency", None),
    "memory": ("memory", None),
}
# These tell little more when repeated.
ONCE = {"latency", "memory"}
TIMEOUT_SECONDS = 300


class Void(Exception):
    """The measure has no figure, and why."""


def output(command, **settings):
    """What a command says on standard output; everything it started ends with it."""
    process = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True, **settings,
    )
    try:
        told, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise Void(f"not over within {TIMEOUT_SECONDS} s") from None
    finally:
        end_all(process)
        # What it left behind is no longer below it, but still of its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.stderr.close()
    if process.returncode != 0:
        raise Void(reason(errors) or f"exit code {process.returncode}")
    return told


def reason(errors):
    """What a stack trace is about."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return next((line for line in lines if re.match(r"\w*([Ee]rror|Exception)\b", line)), lines[-1] if lines else "")[:300]


class Runner:
    """Runs measures; between those of one peer in one round it may keep a server."""

    def __init__(self, tools, folder, options):
        self.tools, self.folder, self.options = tools, folder, options
        self.number, self.kept = 0, None

    def server(self, peer, workload):
        """A server to use in a `with`: a fresh one, or the one kept for the round."""
        kind = KINDS[peer.server]
        if self.kept:
            return contextlib.nullcontext(self.kept)
        self.number += 1
        fresh = kind(self.folder / f"{self.number}-{peer.id}", peer.setting, self.tools)
        # How much memory it takes is asked of a fresh one.
        if kind.shared and workload != "memory":
            self.kept = fresh.__enter__()
            return contextlib.nullcontext(fresh)
        return fresh

    def release(self):
        """Ends the server that is kept."""
        if self.kept:
            kept, self.kept = self.kept, None
            kept.__exit__()

    def measure(self, peer, name):
        """The figures of one measure, or None where the peer has no such call."""
        workload, callers = MEASURES[name]
        if workload == "memory":
            self.release()
        elif peer.native and peer.server == "postgres":
            with self.server(peer, workload) as server:
                return self.native(workload, callers, "--store", server.address["url"])
        elif peer.native:
            return self.native(workload, callers)
        if peer.native and peer.server == "postgres":
            # Two servers, of which a script would fill none.
            return None
        with self.server(peer, workload) as server:
            return self.scripted(peer, server, workload, callers)

    def scripted(self, peer, server, workload, callers):
        """By the peer's own script."""
        seconds = self.options.seconds
        task = {**server.address, "variant": peer.setting, "seconds": seconds}
        if callers:
            task["callers"] = callers
        if workload == "drain":
            task["jobs"] = round(peer.drain_per_second * seconds)
        if workload == "memory":
            task.update(jobs=self.options.jobs, seconds=self.options.fill_seconds)
        command = self.tools.script(peer)
        environment = {**os.environ, "RACE_PORT": str(server.port), "NODE_NO_WARNINGS": "1"}
        # Restate's library would write a line for each job.
        environment["RESTATE_LOGGING"] = "ERROR"
        told = output([*command, workload, json.dumps(task)], cwd=command[1].parent, env=environment)
        figures = json.loads(told.strip().splitlines()[-1])
        if figures.pop("none", False):
            return None
        if workload == "memory":
            figures["bytes"] = server.memory()
        return figures

    def native(self, workload, callers, *more):
        """Raincheck by its own bench, which starts a server of its own."""
        command = [self.tools.bench, workload, "--raincheck", self.tools.raincheck, "-o", "json", "--rounds", 1]
        command += ["--seconds", self.options.seconds, "--folder", self.folder]
        command += ["--callers", callers] if callers else []
        command += more
        rows = json.loads(output(command))["rows"]
        try:
            return READERS[workload](rows)
        except StopIteration as error:
            raise Void(f"`raincheck-bench {workload}` has no such row: {rows}") from error


def read(rows, id, word):
    return next(row["value"] for row in rows if row["id"] == id and word in row["what"])


# Which rows of `raincheck-bench` are which figures.
READERS = {
    "submit": lambda rows: {"rate": read(rows, "P1", "durable submits"), "p50": read(rows, "P1", "p50"),
                            "p99": read(rows, "P1", "p99")},
    "bulk": lambda rows: {"rate": read(rows, "P4", "bulk")},
    "drain": lambda rows: {"rate": read(rows, "P5", "drain")},
    "latency": lambda rows: {"p50": read(rows, "P7", "p50"), "p99": read(rows, "P7", "p99")},
}


def race(runner, peers, measures, rounds, minutes, systems, keep):
    """All measures of all peers into `systems`, round by round in turns; every round begins with another peer. What
    there is by then is kept after each. Begins no round that may end after `minutes`."""
    begin = last = time.monotonic()
    for turn in range(rounds):
        now = time.monotonic()
        if turn > 0 and now - begin + now - last > minutes * 60:
            print(f"no time for round {turn + 1}", file=sys.stderr)
            return
        last = now
        shift = turn * len(peers) // rounds
        for peer in [*peers[shift:], *peers[:shift]]:
            for name in measures:
                if turn > 0 and name in ONCE:
                    continue
                told = systems[peer.id]
                try:
                    figures = runner.measure(peer, name)
                except (Void, RuntimeError) as why:
                    told["void"][name] = str(why)
                    said = f"VOID: {why}"
                else:
                    for figure, value in (figures or {}).items():
                        told["measures"].setdefault(name, {}).setdefault(figure, []).append(value)
                    said = "no such call" if figures is None else say(figures)
                at = divmod(int(time.monotonic() - begin), 60)
                print(f"{at[0]}:{at[1]:02} round {turn + 1}/{rounds} {peer.id} {name}: {said}", file=sys.stderr)
            runner.release()
            keep()


def say(figures):
    return ", ".join(f"{name} {value:,.2f}" if value < 100 else f"{name} {value:,.0f}" for name, value in figures.items())
