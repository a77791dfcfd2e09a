"""Prometheus scrapes a server while jobs are done: both formats are clean, every histogram has quantiles, and every
expression of the alert rules and of the board is answered, with data where there is some."""

import json
import math
import os
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

SERVER, RAINCHECK, SHIPPED = (os.environ[name] for name in ("RAINCHECK_SERVER", "RAINCHECK", "SHIPPED"))
LIMIT = 60  # seconds until a fact that is waited for counts as missing
JOBS = 20  # of each kind, in each of two rounds
OPEN = "application/openmetrics-text; version=1.0.0"


def ask(path, body=None, method=None, accept="*/*"):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept": accept}
    with urllib.request.urlopen(urllib.request.Request(SERVER + path, data, headers, method=method), timeout=30) as answer:
        return answer.read().decode()


def until(what, fact):
    deadline = time.monotonic() + LIMIT
    while not (found := fact()):
        assert time.monotonic() < deadline, f"not within {LIMIT} s: {what}"
        time.sleep(0.1)
    return found


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Prometheus:
    def __init__(self):
        self.url = f"http://127.0.0.1:{free_port()}"
        rules = os.path.join(SHIPPED, "alerts.yml")
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [
                {"job_name": "raincheck", "static_configs": [{"targets": [SERVER.removeprefix("http://")]}]}
            ],
        }
        with open("prometheus.yml", "w") as file:
            json.dump(config, file)  # which is YAML
        address = self.url.removeprefix("http://")
        options = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address={address}"]
        self.process = subprocess.Popen(["prometheus", *options, "--log.level=warn"])

    def api(self, path, **query):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error

    def query(self, expression):
        """Labels and value of each series."""
        found = self.api("query", query=expression)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def is_up(self):
        try:
            urllib.request.urlopen(f"{self.url}/-/ready", timeout=30).close()
        except OSError:  # refused, or 503
            return False
        return bool(self.query("up == 1"))


def submit(count):
    for kind in ("shop.ok", "shop.bad", "shop.settings"):
        body = {"kind": kind, "input": 1, "retry": {"max_attempts": 2, "initial": "10ms"}}
        for _ in range(count):
            ask("/jobs", body)


def check_formats():
    """What it says at one moment, in both formats."""
    text, open_text = ask("/metrics"), ask("/metrics", accept=OPEN)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert done.returncode == 0 and not (done.stdout + done.stderr).strip(), done.stdout + done.stderr
    plain = {family.name: family.type for family in plain_text(text)}
    opened = {family.name: family.type for family in open_metrics(open_text)}
    assert plain == opened, f"{set(plain.items()) ^ set(opened.items())}"
    return plain


def check_histograms(prometheus, families):
    histograms = [name for name, kind in families.items() if kind == "histogram"]
    assert len(histograms) >= 3, histograms
    for name in histograms:
        for share in (0.5, 0.99):
            found = prometheus.query(f"histogram_quantile({share}, {name}_bucket) and {name}_count > 0")
            assert found and all(math.isfinite(value) for _, value in found), (name, found)
    return histograms


def check_rules(prometheus):
    rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    for rule in rules:
        until(f"{rule['name']} is evaluated", lambda: is_evaluated(prometheus, rule["name"]))
        for metric in set(re.findall(r"\b(?:raincheck_[a-z_]+|up)\b(?=[{)\[])", rule["query"])):
            assert prometheus.query(metric), f"{rule['name']} asks for {metric}, which nobody tells"
    for expected in [("RaincheckKindUnserved", "shop.nobody"), ("RaincheckQueuePaused", "held"),
                     ("RaincheckKindFailing", "shop.bad")]:
        until(f"{expected} is raised", lambda: expected in raised(prometheus))
    unexpected = {name for name, _ in raised(prometheus)} & {"RaincheckDown", "RaincheckDataDamaged", "RaincheckQueueOld"}
    assert not unexpected, unexpected
    return rules


def raised(prometheus):
    """Alerts and what they are about, pending ones too."""
    labels = [alert["labels"] for alert in prometheus.api("alerts")["alerts"]]
    return {(of["alertname"], of.get("kind") or of.get("queue")) for of in labels}


def is_evaluated(prometheus, name):
    rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"] if rule["name"] == name]
    assert not any(rule.get("lastError") for rule in rules), rules
    return all(rule["health"] == "ok" for rule in rules)


def check_board(prometheus):
    with open(os.path.join(SHIPPED, "grafana.json")) as file:
        board = json.load(file)
    count = 0
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "1m")
            for variable in ("job", "queue", "kind"):
                expression = expression.replace(f"${variable}", ".*")
            assert "$" not in expression, expression
            found = prometheus.query(expression)
            assert any(math.isfinite(value) for _, value in found), (panel["title"], expression, found)
            count += 1
    for variable in board["templating"]["list"]:
        if values := re.fullmatch(r"label_values\((.*), (\w+)\)", variable.get("definition", "")):
            series = prometheus.query(values[1].replace("$job", ".*"))
            assert series and all(values[2] in labels for labels, _ in series), variable["name"]
    return count


def main():
    workers = [
        subprocess.Popen([RAINCHECK, "work", "--kind", kind, "--concurrency", "2", "--", *program])
        for kind, program in (("shop.ok", ["cat"]), ("shop.bad", ["sh", "-c", "exit 75"]))
    ]
    prometheus = Prometheus()
    try:
        until("Prometheus scrapes", prometheus.is_up)
        ask("/readers/bill", {}, "PUT")
        ask("/queues/held", {"paused": True}, "PATCH")
        ask("/jobs", {"kind": "shop.ok", "queue": "held"})
        ask("/jobs", {"kind": "shop.nobody"})
        submit(JOBS)
        finished = 'sum(raincheck_kind_jobs_finished_total{kind=~"shop.*"})'
        until("the first round is scraped", lambda: prometheus.query(f"{finished} >= {3 * JOBS}"))
        submit(JOBS)
        until("the second round is scraped", lambda: prometheus.query(f"{finished} >= {6 * JOBS}"))
        failures = prometheus.query('raincheck_kind_failures_total{kind="shop.bad",error="job-failed"}')
        assert [value for _, value in failures] == [4 * JOBS], failures
        families = check_formats()
        histograms = check_histograms(prometheus, families)
        panels, rules = check_board(prometheus), check_rules(prometheus)
        print(f"{len(families)} families, {len(histograms)} histograms, {len(rules)} rules, {panels} queries of the board")
    finally:
        for process in [prometheus.process, *workers]:
            process.terminate()
        for process in [prometheus.process, *workers]:
            process.wait(30)


main()
