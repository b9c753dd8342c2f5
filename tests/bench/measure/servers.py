"""Private servers on this machine: a CNCF Distribution registry and a factory. Each stops at the end of its `with`."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

STARTS = 60


def run(*command, **more):
    """Runs a program to its end; its output is shown only if it fails."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}:\n{done.stdout.decode(errors='replace')[-2000:]}")
    return done.stdout.decode(errors="replace")


def timed(*command, **more):
    """The seconds that a program took."""
    began = time.monotonic()
    run(*command, **more)
    return time.monotonic() - began


def size(directory, unless=lambda path: False):
    """The bytes of the files below a directory."""
    files = (path for path in Path(directory).rglob("*") if path.is_file() and not unless(path))
    return sum(path.stat().st_size for path in files)


class Server:
    """A process that is ended when it is not needed any more."""

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def wait(self, ready):
        end = time.monotonic() + STARTS
        while not (value := ready()):
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise RuntimeError(f"{self.process.args[0]} does not start")
            time.sleep(0.01)
        return value


class Registry(Server):
    """CNCF Distribution, which keeps everything below `dir`."""

    def __init__(self, work, name="registry"):
        self.dir = Path(work, name)
        self.dir.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        config = self.dir / "config.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.dir}/data}}}}\nhttp: {{addr: '{self.host}'}}\n"
        )
        log = open(self.dir / "log", "w")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)

    def __enter__(self):
        self.wait(self.answers)
        return self

    def answers(self):
        try:
            return urllib.request.urlopen(f"http://{self.host}/v2/").status == 200
        except OSError:
            return False

    def push(self, layout, tag, name):
        """Pushes the image `tag` of a layout as `name`."""
        copy(f"oci:{layout}:{tag}", f"docker://{self.host}/{name}")

    def bytes(self):
        """What it keeps: layers, configurations, manifests."""
        return size(self.dir / "data/docker/registry/v2/blobs")


def copy(source, target, *more):
    """Copies an image with skopeo, every digest as it is; answers the seconds."""
    settings = ("--insecure-policy", "copy", "--quiet", "--preserve-digests", *more)
    sides = [f"--{side}-tls-verify=false" for side, place in (("src", source), ("dest", target)) if "docker://" in place]
    return timed("skopeo", *settings, *sides, source, target)


class Factory(Server):
    """A fresh factory: `platen up` with private NATS and PostgreSQL, and nothing in its store."""

    def __init__(self, work, program):
        self.dir = Path(work, "factory")
        self.dir.mkdir()
        self.dir.chmod(0o711)
        env = {key: value for key, value in os.environ.items() if key not in ("NATS_URL", "DATABASE_URL")}
        command = [program, "up", "--listen", "127.0.0.1:0", "--data-dir", self.dir / "data"]
        log = open(self.dir / "log", "w")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env)

    def __enter__(self):
        text = self.wait(self.env_file)
        env = dict(line.split("=", 1) for line in text.splitlines())
        self.url, self.key, self.hub = env["PLATEN_URL"], env["PLATEN_API_KEY"], env["PLATEN_HUB"]
        return self

    def env_file(self):
        file = self.dir / "data/platen.env"
        return file.read_text() if file.exists() else None

    def open(self, path, body=None):
        """A request to the API."""
        request = urllib.request.Request(self.url + path, method="POST" if body else "GET")
        request.add_header("authorization", f"Bearer {self.key}")
        if body:
            request.add_header("content-type", "application/json")
        return urllib.request.urlopen(request, json.dumps(body).encode() if body else None)

    def ask(self, path, body=None):
        """The data of its answer."""
        with self.open(path, body) as answer:
            return json.load(answer)["data"]

    def source(self, host, name):
        """An image source that is a repository of a registry."""
        details = {"url": f"http://{host}", "target": f"{name}:latest"}
        origin = {"type": "oci-registry", "details": details}
        return self.ask("/v1/images/sources", {"name": name, "identifier": name, "type": "direct", "origin": origin})

    def start_import(self, source, target):
        """From the request to the end of the build log, which follows live: answers the seconds and the image. Asking again and
        again would take from what is measured."""
        body = {"source_id": source["id"], "name": "bench", "import": True, "override": {"target": target}}
        os.sync()
        began = time.monotonic()
        image = self.ask("/v1/images", body)
        with self.open(f"/v1/images/{image['id']}/build-log?follow=true") as log:
            while log.readline().strip() not in (b"event: end", b"event:end"):
                pass
        took = time.monotonic() - began
        image = self.ask(f"/v1/images/{image['id']}")
        if image["state"]["current"] != "live":
            raise RuntimeError(f"{target}: {image['state']}")
        return took, image

    def stored(self):
        """The bytes of everything in the store: packs, and what it keeps to know layers again."""
        return size(self.dir / "data/store")

    def pull_reference(self, image):
        """Where the flat image is pulled from, and what skopeo needs for it."""
        host = self.url.removeprefix("http://")
        identifier = image["source"].get("identifier")
        return f"docker://{host}/{self.hub}/{identifier}:{image['id']}", f"--src-creds=any:{self.key}"

    def peak(self):
        """The most memory that the process had, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024
