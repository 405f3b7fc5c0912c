#!/usr/bin/env python3
"""Writes a container image as a docker-archive tar, without any engine.

    image.py NAME OUT.tar [--entrypoint PATH] [--cmd ARG] [--user U] [--env K=V] [--dir /path[:mode[:uid]]] [--link DST=TARGET]
             [--tree SRC=/dst] SRC=/dst…

One layer: the named files (symbolic links followed), the shared libraries that `ldd` names for the
executables among them, with the loader, at the paths where the loader looks. Times and owners are
fixed, so the same files make the same image.
"""

import argparse
import hashlib
import io
import json
import os
import subprocess
import tarfile


# Parts of a language's library that no image of ours needs.
SKIPPED = {"__pycache__", "test", "site-packages", "dist-packages", "idlelib", "tkinter", "ensurepip", "lib2to3"}


def shared_libraries(path):
    """The libraries of an executable, loader included; empty for a static one or a data file."""
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return []
    listing = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    words = (word for line in listing.splitlines() for word in line.split())
    return sorted({word for word in words if word.startswith("/")})


class Layer:
    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w")
        self.seen = set()

    def entry(self, path, kind, mode, data=b"", target="", owner=0):
        path = path.strip("/")
        if path in self.seen:
            return
        self.seen.add(path)
        parent = os.path.dirname(path)
        if parent:
            self.entry(parent, tarfile.DIRTYPE, 0o755)
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.size, info.linkname = kind, mode, len(data), target
        info.uid = info.gid = owner
        self.tar.addfile(info, io.BytesIO(data))

    def file(self, source, destination):
        with open(source, "rb") as file:
            data = file.read()
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        self.entry(destination, tarfile.REGTYPE, mode, data)

    def finish(self):
        self.tar.close()
        return self.buffer.getvalue()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("out")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--entrypoint")
    parser.add_argument("--cmd", action="append", default=[])
    parser.add_argument("--user", default="")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--dir", action="append", default=[])
    parser.add_argument("--link", action="append", default=[])
    parser.add_argument("--tree", action="append", default=[])
    args = parser.parse_args()

    layer = Layer()
    for spec in args.dir:
        path, mode, owner, *_ = (spec + "::").split(":")
        layer.entry(path, tarfile.DIRTYPE, int(mode or "755", 8), owner=int(owner or 0))
    for spec in args.link:
        destination, target = spec.split("=", 1)
        layer.entry(destination, tarfile.SYMTYPE, 0o777, target=target)
    for spec in args.files:
        source, destination = spec.split("=", 1)
        layer.file(source, destination)
        for library in shared_libraries(source):
            layer.file(library, library)
    for spec in args.tree:
        source, destination = spec.split("=", 1)
        for folder, folders, names in os.walk(source):
            folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("config-"))
            for name in sorted(names):
                path = os.path.join(folder, name)
                layer.file(path, destination + path[len(source) :])
                for library in shared_libraries(path) if ".so" in name else ():
                    layer.file(library, library)
    blob = layer.finish()

    def digest(data):
        return hashlib.sha256(data).hexdigest()

    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Entrypoint": [args.entrypoint or "/" + args.files[0].split("=", 1)[1].strip("/")],
                "Cmd": args.cmd,
                "User": args.user,
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *args.env],
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(blob)]},
        }
    ).encode()
    manifest = json.dumps(
        [{"Config": digest(config) + ".json", "RepoTags": [args.name], "Layers": [digest(blob) + "/layer.tar"]}]
    ).encode()
    partial = args.out + ".part"
    with tarfile.open(partial, "w") as out:
        for name, data in (
            (digest(config) + ".json", config),
            (digest(blob) + "/layer.tar", blob),
            ("manifest.json", manifest),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    os.replace(partial, args.out)


if __name__ == "__main__":
    main()
