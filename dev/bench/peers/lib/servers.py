"""Throw-away servers: each on free ports, its data in a folder of its own, gone with everything it started."""

import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

READY_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descendants(root):
    """The process and all below it."""
    children = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            fields = pathlib.Path(stat).read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.split("/")[2]))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def end_all(process, first=signal.SIGKILL):
    """Ends a process and all below it; with a milder signal first if that is asked for."""
    pids = descendants(process.pid)
    if first != signal.SIGKILL and process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass
    for pid in pids if process.poll() is None or first == signal.SIGKILL else []:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


class Server:
    """A server process with its folder. `address` is what the work scripts need to reach it."""

    stop = signal.SIGKILL
    # Whether the measures of a round share one: where a start is slow and the script clears what was there before.
    shared = False

    def __init__(self, folder, variant, tools):
        self.folder, self.variant, self.tools = pathlib.Path(folder), variant, tools
        self.port = free_port()
        self.address = {"port": self.port}
        self.process = None

    def __enter__(self):
        self.folder.mkdir(parents=True)
        try:
            self.start()
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def spawn(self, command, **settings):
        self.log = open(self.folder / "output.txt", "wb")
        settings.setdefault("cwd", self.folder)
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True, **settings,
        )

    def wait(self):
        end = time.monotonic() + READY_SECONDS
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                text = (self.folder / "output.txt").read_text(errors="replace")
                raise RuntimeError(f"{type(self).__name__} did not get ready:\n{text[-2000:]}")
            time.sleep(0.02)

    def ready(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def memory(self):
        """Resident bytes of all its processes; what they share is counted once."""
        total = 0
        for pid in descendants(self.process.pid):
            try:
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total * 1024

    def __exit__(self, *_):
        if self.process:
            end_all(self.process, self.stop)
            self.log.close()
        self.after()
        # What was killed may still be closing its files.
        for _ in range(50):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.folder} cannot be removed")

    def after(self):
        """What else is to be stopped."""


class Redis(Server):
    # Synced before the answer, or as it comes: a snapshot every minute at best.
    SETTINGS = {"always": ["--appendonly", "yes", "--appendfsync", "always", "--save", ""], "default": []}

    def start(self):
        listen = ["--bind", "127.0.0.1", "--port", self.port, "--dir", self.folder]
        self.spawn([self.tools.program("redis-server"), *listen, *self.SETTINGS[self.variant]])


class Postgres(Server):
    """Its defaults: `fsync` and `synchronous_commit` are on. Only the log may grow larger between checkpoints, which
    is what any guide asks for first."""

    # At once, but giving back what memory it shares.
    stop = signal.SIGQUIT
    # Settings that the race was asked for, by name.
    more = {}

    def start(self):
        programs = self.tools.postgres()
        data = self.folder / "data"
        settings = {"cwd": "/"}
        if os.geteuid() == 0:
            # It refuses to run as root.
            settings["user"] = settings["group"] = "postgres"
            shutil.chown(self.folder, "postgres", "postgres")
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        # Made once a run, copied for each server.
        made = self.folder.parent / "postgres"
        if not made.exists():
            made.mkdir()
            if os.geteuid() == 0:
                shutil.chown(made, "postgres", "postgres")
            initdb = [programs / "initdb", "-D", made / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, env=environment, **settings)
        subprocess.run(["cp", "-a", made / "data", data], check=True)
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "",
                   "max_wal_size": "4GB", **self.more}
        listed = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.address = {"port": self.port, "url": f"postgres://postgres@127.0.0.1:{self.port}/postgres"}
        self.spawn([programs / "postgres", "-D", data, *listed], env=environment, **settings)

    def ready(self):
        log = (self.folder / "output.txt").read_text(errors="replace")
        return "database system is ready to accept connections" in log


class RabbitMQ(Server):
    shared = True

    def start(self):
        # Erlang's port mapper, which a node would otherwise start as a daemon that outlives it.
        self.mapper = free_port()
        mapper = ["epmd", "-port", str(self.mapper), "-address", "127.0.0.1"]
        self.epmd = subprocess.Popen(mapper, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        (self.folder / "rabbitmq.conf").write_text("")
        (self.folder / "plugins").write_text("[].")
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.mapper),
            "RABBITMQ_NODENAME": f"race{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
        }
        self.spawn([self.tools.rabbitmq()], env=environment)

    def ready(self):
        return "Server startup complete" in (self.folder / "output.txt").read_text(errors="replace")

    def after(self):
        self.epmd.kill()
        self.epmd.wait()


class Nats(Server):
    def start(self):
        sync = "sync_interval: always" if self.variant == "always" else ""
        config = self.folder / "nats.conf"
        config.write_text(f'jetstream {{ store_dir: "{self.folder}/data"\n max_file_store: 20GB\n {sync} }}\n')
        self.spawn([self.tools.nats(), "-c", config, "-a", "127.0.0.1", "-p", self.port])

    def ready(self):
        return "Server is ready" in (self.folder / "output.txt").read_text(errors="replace")


class Restate(Server):
    def start(self):
        admin, node = free_port(), free_port()
        self.address = {"port": self.port, "admin": admin}
        environment = {
            **os.environ,
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
            "RESTATE_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
        }
        command = [self.tools.restate(), "--no-logo", "--listen-mode", "tcp", "--base-dir", self.folder / "data"]
        self.spawn(command, env=environment)

    def ready(self):
        try:
            for port, path in ((self.port, "/restate/health"), (self.address["admin"], "/health")):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
                    if answer.status != 200:
                        return False
            return True
        except OSError:
            return False


class Bunqueue(Server):
    def start(self):
        command = [*self.tools.bunqueue(), "start", "--host", "127.0.0.1", "--tcp-port", self.port]
        self.spawn([*command, "--http-port", free_port(), "--data-path", self.folder / "data.db"])


class Raincheck(Server):
    def start(self):
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RAINCHECK_")}
        # Bounds are not what is measured.
        ours["RAINCHECK_LIMITS__QUEUED"] = ours["RAINCHECK_LIMITS__QUEUED_PER_QUEUE"] = "100000000"
        listen = ["--listen", f"127.0.0.1:{self.port}", "--data", self.folder / "data"]
        self.spawn([self.tools.raincheck, "serve", *listen], env=ours)


KINDS = {
    "redis": Redis, "postgres": Postgres, "rabbitmq": RabbitMQ, "nats": Nats, "restate": Restate,
    "bunqueue": Bunqueue, "raincheck": Raincheck,
}
