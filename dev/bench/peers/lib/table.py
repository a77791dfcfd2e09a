"""The parts of the benchmarks page that come from figures, as Markdown."""

from figures import GOALS, NAMES, number, ratio

SUBMITS = ("submit-1", "submit-16", "submit-64")


def rows(header, lines):
    cells = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def figure(results, system, measure, name="rate"):
    if results.void(system, measure):
        return "void"
    middle = results.median(system, measure, name)
    return "–" if middle is None else number(middle)


def with_spread(results, system, measure):
    spread = results.spread(system, measure, "rate")
    text = figure(results, system, measure)
    return text if spread is None else f"{text} ± {spread:.0%}"


def times(results, system, measure):
    if results.median(system, measure, "p50") is None:
        return figure(results, system, measure, "p50")
    return f"{figure(results, system, measure, 'p50')} / {figure(results, system, measure, 'p99')}"


def ranked(results, measure, name="rate", best=max):
    """Systems by what they reached, the best first, those without a figure last."""
    sign = -1 if best is max else 1
    reached = {id: results.median(id, measure, name) for id in results.systems}
    return sorted(reached, key=lambda id: (reached[id] is None, sign * (reached[id] or 0)))


def title(results, system):
    text = results.systems[system]["title"]
    return f"**{text}**" if system.startswith("raincheck") else text


def machine(results):
    about, options = results.machine, results.options
    busy = about["load_before"] > about["processors"] / 4
    return (
        ("**The machine was busy with other things, or had just been: take these figures with care.**\n\n" if busy else "") +
        f"{about['date']}: {about['processors']} × {about['processor']}, {about['memory_mib'] / 1024:.0f} GiB, "
        f"{about['system']}, {about['file_system']}. A caller alone could append 4 KiB and sync it "
        f"{number(about['syncs_per_second'])} times a second. Load before the run: {about['load_before']}. "
        f"Rounds: {results.rounds()}, of {options['seconds']:g} s a measure.\n\n"
        + "Servers: " + "; ".join(results.versions.values()) + "."
    )


def goals(results):
    lines = []
    for goal, measure, peer, least in GOALS:
        if peer not in results.systems or "raincheck" not in results.systems:
            continue
        reached = ratio(results, "raincheck", measure, peer)
        same = ratio(results, "raincheck-node", measure, peer)
        verdict = "no figure" if reached is None else "met" if reached >= least else "**missed**"
        lines.append([
            goal, f"{NAMES[measure]} / {results.systems[peer]['title']}", f"≥ {least:g}",
            "–" if reached is None else f"{reached:.2f}", verdict, "–" if same is None else f"{same:.2f}",
        ])
    return rows(["", "ratio", "goal", "reached", "", "with the Node client"], lines)


def submits(results):
    lines = []
    for system in ranked(results, "submit-64"):
        synced = "yes" if results.systems[system]["fsync"] else "**no**"
        rates = [with_spread(results, system, measure) for measure in SUBMITS]
        lines.append([title(results, system), synced, *rates, times(results, system, "submit-1"),
                      times(results, system, "submit-64")])
    header = ["jobs a second", "synced before the answer", "1 caller", "16", "64", "p50 / p99 ms, 1 caller", "64 callers"]
    return rows(header, lines) + voids(results, SUBMITS)


def work(results):
    lines = []
    for system in ranked(results, "drain"):
        told = results.systems[system]
        lines.append([title(results, system), with_spread(results, system, "bulk"),
                      with_spread(results, system, "drain"), told["done"], told["tuning"]])
    header = ["jobs a second", "bulk, 1,000 a call", "drain", "what done leaves", "workers"]
    return rows(header, lines) + voids(results, ("bulk", "drain"))


def latency(results):
    lines = [[title(results, id), figure(results, id, "latency", "p50"), figure(results, id, "latency", "p99")]
             for id in ranked(results, "latency", "p50", min)]
    return rows(["ms", "p50", "p99"], lines) + voids(results, ("latency",))


def memory(results):
    lines = []
    for system in ranked(results, "memory", "bytes", min):
        if system == "raincheck-node":
            # The same server as Raincheck's.
            continue
        size, jobs = results.median(system, "memory", "bytes"), results.median(system, "memory", "jobs")
        if size is None:
            lines.append([title(results, system), figure(results, system, "memory", "bytes"), "–", "–"])
        else:
            lines.append([title(results, system), number(size / 2**20), f"{jobs:,.0f}", f"{size / jobs:,.0f}"])
    return rows(["", "MiB", "jobs waiting", "bytes a job"], lines) + voids(results, ("memory",))


def systems(results):
    lines = [[title(results, id), told["client"], ", ".join(told["packages"]) or "–", told["records"]]
             for id, told in results.systems.items()]
    return rows(["system", "asked through", "packages", "what it records before it answers"], lines)


# Measure, figure, whether less of it is better.
RACES = [("submit-1", "rate", False), ("submit-16", "rate", False), ("submit-64", "rate", False),
         ("bulk", "rate", False), ("drain", "rate", False), ("latency", "p50", True), ("latency", "p99", True),
         ("memory", "bytes", True)]


def losses(results):
    """Who is ahead of Raincheck in what, and how far."""
    lines = []
    for measure, name, less in RACES:
        ours = results.median("raincheck", measure, name)
        if ours is None:
            continue
        ahead = []
        for system, told in results.systems.items():
            theirs = results.median(system, measure, name)
            if theirs is None or system.startswith("raincheck"):
                continue
            # Memory compares only where as many jobs wait.
            waiting = [results.median(id, "memory", "jobs") for id in (system, "raincheck")]
            if measure == "memory" and waiting[0] != waiting[1]:
                continue
            factor = ours / theirs if less else theirs / ours
            if factor > 1:
                note = "" if told["fsync"] or measure == "memory" else ", not synced"
                ahead.append((factor, f"{told['title']} ({factor:.1f} times{note})"))
        label = f"{NAMES[measure]}, {name}" if measure == "latency" else NAMES[measure]
        lines.append(f"- {label}: " + ("; ".join(text for _, text in sorted(ahead, reverse=True)) or "nobody"))
    return "\n".join(lines)


def voids(results, measures):
    """Why a measure has no figure."""
    lines = [f"- void: {told['title']}, {NAMES[measure]}: `{told['void'][measure].replace('`', '')}`"
             for told in results.systems.values() for measure in measures if measure in told["void"]]
    return "\n\n" + "\n".join(lines) if lines else ""


PARTS = {part.__name__: part for part in (machine, goals, submits, work, latency, memory, systems, losses)}
