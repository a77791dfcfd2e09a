"""Tests of the tables and plots, and of the load's pinned manifests; no peer is needed."""

import contextlib
import io
import json
import pathlib
import unittest
import xml.etree.ElementTree as xml

import peers
from figures import Results, number
from measure import race, reason
from plot import axis
from plots import PLOTS
from table import PARTS, goals, losses, submits

HERE = pathlib.Path(__file__).resolve().parent.parent


def results(**changes):
    """Two rounds in which everybody did the same, but for `changes` by system."""
    measures = {f"submit-{callers}": {"rate": [1000, 3000], "p50": [1, 1], "p99": [2, 2]} for callers in (1, 16, 64)}
    measures.update(bulk={"rate": [5000, 5000]}, drain={"rate": [4000, 4000]},
                    latency={"p50": [1], "p99": [3]}, memory={"bytes": [2**30], "jobs": [200_000]})
    systems = {}
    for id, peer in peers.load().items():
        systems[id] = {**vars(peer), "packages": peers.packages(peer.folder), "measures": json.loads(json.dumps(measures)), "void": {}}
        systems[id]["measures"].update(changes.get(id.replace("-", "_"), {}))
    machine = {"date": "2030-01-01", "processor": "P", "processors": 2, "memory_mib": 1024, "system": "S",
               "file_system": "ext4", "load_before": 0.1, "syncs_per_second": 5000.0}
    options = {"seconds": 3.0, "rounds": 2, "jobs": 200_000, "fill_seconds": 20}
    return Results({"machine": machine, "options": options, "versions": {"redis": "Redis 7"}, "systems": systems})


class Idle:
    """Does nothing, at once."""

    def measure(self, peer, name):
        return {"rate": 1}

    def release(self):
        pass


class Race(unittest.TestCase):
    def test_all_rounds_are_raced_while_there_is_time(self):
        for minutes, rounds in [(1, 3), (-1, 1)]:
            racers = [peers.load()[id] for id in ("bullmq", "restate")]
            systems = {peer.id: {"measures": {}, "void": {}} for peer in racers}
            with contextlib.redirect_stderr(io.StringIO()):
                race(Idle(), racers, ["drain"], 3, minutes, systems, lambda: None)
            for told in systems.values():
                self.assertEqual(told, {"measures": {"drain": {"rate": [1] * rounds}}, "void": {}})


class Report(unittest.TestCase):
    def test_the_median_and_its_spread(self):
        found = results()
        self.assertEqual(found.median("bullmq", "submit-64", "rate"), 2000)
        self.assertEqual(found.spread("bullmq", "submit-64", "rate"), 0.5)
        self.assertIn("2,000 ± 50%", submits(found))
        self.assertEqual([number(value) for value in (0.456, 12.34, 48100.2)], ["0.46", "12.3", "48,100"])

    def test_goals_are_judged(self):
        fast = {"submit-64": {"rate": [8000, 8000]}, "drain": {"rate": [8000, 8000]}}
        said = {line.split(" | ")[1] + line.split(" | ")[2]: line for line in goals(results(raincheck=fast)).splitlines()}
        self.assertIn("| 4.00 | met |", said["submits, 64 callers / Restate≥ 4"])
        self.assertIn("| 2.00 | met |", said["drain / graphile-worker, tuned≥ 2"])
        self.assertIn("| 2.00 | **missed** |", said["drain / BullMQ, Redis AOF always≥ 4"])

    def test_who_is_ahead_is_said(self):
        slow = {"submit-64": {"rate": [1000, 1000]}, "memory": {"bytes": [2**31], "jobs": [200_000]}}
        less = {"memory": {"bytes": [2**20], "jobs": [5]}}
        said = dict(line[2:].split(": ", 1) for line in losses(results(raincheck=slow, celery=less)).splitlines())
        self.assertIn("BullMQ, Redis defaults (2.0 times, not synced)", said["submits, 64 callers"])
        self.assertEqual(said["drain"], "nobody")
        self.assertIn("pg-boss (2.0 times)", said["memory"])
        self.assertNotIn("Celery, Redis AOF always", said["memory"])

    def test_a_void_measure_is_no_figure(self):
        found = results()
        found.systems["bullmq"]["void"]["submit-64"] = "Error: 7 jobs | are missing"
        self.assertIsNone(found.median("bullmq", "submit-64", "rate"))
        self.assertIn("| void |", submits(found))
        self.assertIn("7 jobs | are missing", submits(found))
        self.assertIn("no figure", goals(found))
        self.assertIn("void", PLOTS["submits"](found))

    def test_every_part_and_plot_can_be_made(self):
        for part in PARTS.values():
            self.assertTrue(part(results()))
        for name, make in PLOTS.items():
            root = xml.fromstring(make(results()))
            texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
            self.assertIn("Raincheck", texts, name)
            self.assertIn("NATS JetStream, defaults", texts, name)

    def test_an_axis_is_logarithmic_and_labeled(self):
        place, ticks = axis([10, 1000])
        self.assertAlmostEqual(place(100) - place(10), place(1000) - place(100))
        self.assertTrue({10, 100, 1000} <= set(ticks))

    def test_an_error_is_found_in_its_trace(self):
        self.assertEqual(reason("Error: waiting jobs: 1 instead of 2\n    at same (x.mjs:1)\n"),
                         "Error: waiting jobs: 1 instead of 2")
        self.assertEqual(reason("Traceback\n  File x\nValueError: changed\n"), "ValueError: changed")

    def test_every_peer_is_pinned_and_has_a_script(self):
        for peer in peers.load().values():
            folder = HERE / peer.folder
            self.assertTrue((folder / "work.mjs").exists() or (folder / "work.py").exists(), peer.id)
            if (folder / "package.json").exists():
                versions = json.loads((folder / "package.json").read_text())["dependencies"].values()
                self.assertTrue(all(version[0].isdigit() for version in versions), peer.id)
            if (folder / "requirements.txt").exists():
                lines = (folder / "requirements.txt").read_text().splitlines()
                self.assertTrue(all("==" in line for line in lines), peer.id)


if __name__ == "__main__":
    unittest.main()
