"""Who races: one entry for each variant that a `peer.json` describes."""

import dataclasses
import json
import pathlib

PEERS = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Peer:
    id: str
    folder: str
    server: str
    title: str
    fsync: bool
    client: str
    records: str
    done: str
    tuning: str
    drain_per_second: int
    setting: str = "default"
    # Measured by `raincheck-bench` instead of a script.
    native: bool = False


def packages(folder):
    """What a peer's manifests pin, as "name version"."""
    found = []
    for path in (PEERS / folder / "package.json", PEERS / folder / "requirements.txt"):
        if path.suffix == ".json" and path.exists():
            found += [f"{name} {version}" for name, version in json.loads(path.read_text())["dependencies"].items()]
        elif path.exists():
            found += [line.replace("==", " ") for line in path.read_text().splitlines()]
    return found


def load():
    """All peers by id, Raincheck first."""
    found = {}
    files = sorted(PEERS.glob("*/peer.json"), key=lambda path: (path.parent.name != "raincheck", path.parent.name))
    for path in files:
        described = json.loads(path.read_text())
        variants = described.pop("variants")
        for name, variant in variants.items():
            found[name] = Peer(id=name, folder=path.parent.name, **{**described, **variant})
    return found
