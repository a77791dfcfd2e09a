"""The machine that figures are true of."""

import datetime
import os
import pathlib
import platform
import time


def line(file, name):
    for text in pathlib.Path(file).read_text().splitlines():
        if text.startswith(name):
            return text.split(":", 1)[1].strip()
    return "unknown"


def file_system(folder):
    """The type of the file system that holds a folder."""
    folder, best = str(pathlib.Path(folder).resolve()) + "/", ("", "unknown")
    for mount in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, place, kind = mount.split()[:3]
        if folder.startswith(place.rstrip("/") + "/"):
            best = max(best, (place, kind), key=lambda found: len(found[0]))
    return best[1]


def describe(folder):
    return {
        "date": datetime.date.today().isoformat(),
        "processor": line("/proc/cpuinfo", "model name"),
        "processors": len(os.sched_getaffinity(0)),
        "memory_mib": int(line("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "system": f"{platform.system()} {platform.release()}",
        "file_system": file_system(folder),
        "load_before": round(os.getloadavg()[0], 2),
    }


def syncs(folder, seconds=1.0):
    """Appends of 4 KiB a second, each synced: the limit of the disk for one caller."""
    path = pathlib.Path(folder) / "syncs"
    count, begin = 0, time.monotonic()
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        while time.monotonic() < begin + seconds:
            os.write(file, bytes(4096))
            os.fdatasync(file)
            count += 1
        return count / (time.monotonic() - begin)
    finally:
        os.close(file)
        path.unlink()
