"""What a results file says: medians, spreads, ratios and the goals they are judged by."""

import statistics


class Results:
    def __init__(self, document):
        self.machine, self.options = document["machine"], document["options"]
        self.versions, self.systems = document["versions"], document["systems"]

    def values(self, system, measure, figure):
        """Of all rounds; empty where a round is void: half a measure is none."""
        told = self.systems.get(system)
        if told is None or measure in told["void"]:
            return []
        return told["measures"].get(measure, {}).get(figure, [])

    def median(self, system, measure, figure):
        values = self.values(system, measure, figure)
        return statistics.median(values) if values else None

    def spread(self, system, measure, figure):
        """How far from the median the rounds lie at most, as a share of it."""
        values = self.values(system, measure, figure)
        if len(values) < 2:
            return None
        middle = statistics.median(values)
        return max(abs(value - middle) for value in values) / middle

    def rounds(self):
        """How many there were in the end."""
        return max((len(values) for told in self.systems.values() for figures in told["measures"].values()
                    for values in figures.values()), default=0)

    def void(self, system, measure):
        return measure in self.systems[system]["void"]


# Goal, measure, peer, at least so many times as much.
GOALS = [
    ("P2", "submit-64", "restate", 4.0),
    ("P2", "submit-64", "bullmq", 1.3),
    ("P4", "bulk", "pg-boss", 2.0),
    ("P5", "drain", "graphile-worker-tuned", 2.0),
    ("P5", "drain", "bullmq", 4.0),
    ("P5", "drain", "bullmq-default", 4.0),
]

NAMES = {
    "submit-1": "submits, 1 caller",
    "submit-16": "submits, 16 callers",
    "submit-64": "submits, 64 callers",
    "bulk": "bulk submits",
    "drain": "drain",
    "latency": "submit to start",
    "memory": "memory",
}


def ratio(results, ours, measure, peer):
    above, below = results.median(ours, measure, "rate"), results.median(peer, measure, "rate")
    return above / below if above and below else None


def number(value):
    """As many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
