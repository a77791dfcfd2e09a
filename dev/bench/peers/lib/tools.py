"""What the race needs, installed below one scratch folder; only servers that are Debian's come from apt."""

import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

PEERS = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = PEERS.parents[2]

# A program of a server kind, and its Debian package.
DEBIAN = {"redis": ("redis-server", "redis-server"), "postgres": ("postgres", "postgresql"),
          "rabbitmq": ("rabbitmq-server", "rabbitmq-server")}


class Missing(Exception):
    """Something to install by hand."""


class Tools:
    def __init__(self, folder, raincheck, bench):
        self.folder = pathlib.Path(folder).resolve()
        self.raincheck, self.bench = pathlib.Path(raincheck).resolve(), pathlib.Path(bench).resolve()

    def built(self, bench):
        """What is not installed but built: Raincheck, and where it is asked for its bench."""
        needed = {"raincheck": self.raincheck, **({"raincheck-bench": self.bench} if bench else {})}
        for package, program in needed.items():
            if not program.exists():
                raise Missing(f"{program} is missing: cargo build --release -p {package}")

    def ensure(self, peers):
        """Installs what the scripts of these peers need and the folder does not have yet."""
        if not peers:
            return
        self.debian({peer.server for peer in peers} & DEBIAN.keys())
        for name in ["common", *sorted({peer.folder for peer in peers})]:
            source, target = PEERS / name, self.folder / name
            target.mkdir(parents=True, exist_ok=True)
            for file in source.iterdir():
                if file.suffix in (".mjs", ".py"):
                    shutil.copy(file, target)
            self.manifest(source, target, "package.json", self.npm)
            self.manifest(source, target, "requirements.txt", self.pip)

    def manifest(self, source, target, name, install):
        """Installs again only when the manifest has changed."""
        if not (source / name).exists():
            return
        wanted, done = (source / name).read_text(), target / f"installed-{name}"
        if done.exists() and done.read_text() == wanted:
            return
        shutil.copy(source / name, target)
        print(f"installing {source.name} …", file=sys.stderr)
        install(target)
        done.write_text(wanted)

    def npm(self, target):
        # No package's own scripts are run: none of them is needed, and one reports to its maker.
        options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel", "error"]
        subprocess.run(["npm", "install", *options], cwd=target, check=True, stdout=subprocess.DEVNULL)

    def pip(self, target):
        subprocess.run([sys.executable, "-m", "venv", target / "python"], check=True)
        pip = [target / "python/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", target / "requirements.txt"], check=True)

    def debian(self, servers):
        missing = []
        for server in sorted(servers):
            program, package = DEBIAN[server]
            if not (self.postgres(False) if server == "postgres" else shutil.which(program)):
                missing.append(package)
        if not missing:
            return
        command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
        if os.geteuid() != 0:
            raise Missing(f"missing servers: sudo {' '.join(command)}")
        # The run level keeps the packages from starting services.
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run(["apt-get", "update"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(command, check=True, env=quiet, stdout=subprocess.DEVNULL)

    def program(self, name):
        found = shutil.which(name)
        if not found:
            raise Missing(f"{name} is missing")
        return pathlib.Path(found)

    def postgres(self, must=True):
        """The folder of the newest PostgreSQL's programs."""
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
        if found:
            return found[-1].parent
        if shutil.which("initdb"):
            return pathlib.Path(shutil.which("initdb")).resolve().parent
        if must:
            raise Missing("postgres is missing")
        return None

    def rabbitmq(self):
        """The program itself: the one on the PATH is a wrapper that changes the user."""
        found = sorted(pathlib.Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
        return found[-1] if found else self.program("rabbitmq-server")

    def node(self):
        return self.one("common/node_modules/node-linux-*/bin/node")

    def bun(self):
        machine = {"x86_64": "x64", "aarch64": "aarch64"}[platform.machine()]
        return self.one(f"bunqueue/node_modules/@oven/bun-linux-{machine}/bin/bun")

    def bunqueue(self):
        return [self.bun(), self.folder / "bunqueue/node_modules/bunqueue/dist/cli/index.js"]

    def restate(self):
        return self.one("restate/node_modules/@restatedev/restate-server-linux-*/bin/restate-server")

    def nats(self):
        return self.folder / "nats/python/bin/nats-server"

    def one(self, pattern):
        found = sorted(self.folder.glob(pattern))
        if not found:
            raise Missing(f"no {pattern} in {self.folder}: remove that folder and run again")
        return found[0]

    def script(self, peer):
        """The command that runs a peer's script."""
        folder = self.folder / peer.folder
        if (folder / "work.py").exists():
            return [folder / "python/bin/python", folder / "work.py"]
        return [self.bun() if peer.folder == "bunqueue" else self.node(), folder / "work.mjs"]

    def version(self, server):
        """A server's name and version, by its own word."""
        commands = {
            "redis": lambda: ("Redis", [self.program("redis-server")]),
            "postgres": lambda: ("PostgreSQL", [self.postgres() / "postgres"]),
            "nats": lambda: ("NATS", [self.nats()]),
            "restate": lambda: ("Restate", [self.restate()]),
            "bunqueue": lambda: ("bunqueue", self.bunqueue()),
            "raincheck": lambda: ("Raincheck", [self.raincheck]),
            # Its folder says it; the program would start a node to tell.
            "rabbitmq": lambda: ("RabbitMQ", ["echo", self.rabbitmq().parent.parent.name]),
        }
        name, command = commands[server]()
        told = subprocess.run([*map(str, command), "--version"], capture_output=True, text=True, check=True).stdout
        return f"{name} {re.search(r'[0-9]+([.][0-9]+)+', told)[0]}"
