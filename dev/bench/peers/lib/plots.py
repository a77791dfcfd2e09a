"""Which plots there are."""

import plot
from figures import number
from table import ranked


def rows(results, measures, name, text, best=max, without=(), scale=1):
    """A row a system, the best first; `measures` are its dots, the last one ranks."""
    lines = []
    for system in ranked(results, measures[-1][0], measures[-1][1], best):
        told = results.systems[system]
        values = [results.median(system, measure, figure) for measure, figure in measures]
        if system in without or values[-1] is None and not results.void(system, measures[-1][0]):
            continue
        said = "void" if values[-1] is None else text(system, values)
        scaled = [value and value / scale for value in values]
        lines.append((told["title"], system.startswith("raincheck"), told["fsync"], scaled, said))
    return lines


def submits(results):
    measures = [(f"submit-{callers}", "rate") for callers in (1, 16, 64)]
    return plot.dots(
        "Submits, one job a call", "200 bytes of JSON; higher is better", "jobs a second (logarithmic)",
        rows(results, measures, "rate", lambda _, values: number(values[-1])), ["1 caller", "16", "64 callers"],
    )


def rates(results, measure, title, subtitle):
    lines = rows(results, [(measure, "rate")], "rate", lambda _, values: number(values[-1]))
    return plot.dots(title, subtitle, "jobs a second (logarithmic)", lines, ["median of the rounds"])


def bulk(results):
    return rates(results, "bulk", "Submits, 1,000 jobs a call", "4 callers; higher is better")


def drain(results):
    subtitle = "preloaded jobs that do nothing; what each keeps of them differs, see the table; higher is better"
    return rates(results, "drain", "Drain", subtitle)


def latency(results):
    lines = rows(results, [("latency", "p99"), ("latency", "p50")], "p50",
                 lambda _, values: f"{number(values[1])} / {number(values[0])}", min)
    return plot.dots("From submit to start on an idle system", "milliseconds, p50 / p99; lower is better",
                     "ms (logarithmic)", lines, ["p99", "p50"])


def memory(results):
    def text(system, values):
        jobs = results.median(system, "memory", "jobs")
        whole = jobs >= results.options["jobs"]
        return number(values[0] / 2**20) + ("" if whole else f" with {jobs / 1000:,.0f}k")

    lines = rows(results, [("memory", "bytes")], "bytes", text, min, {"raincheck-node"}, 2**20)
    subtitle = f"servers alone, {results.options['jobs']:,} jobs waiting where not said otherwise; lower is better"
    return plot.dots("Resident memory with many jobs waiting", subtitle, "MiB (logarithmic)", lines, ["resident"])


PLOTS = {part.__name__: part for part in (submits, bulk, drain, latency, memory)}
