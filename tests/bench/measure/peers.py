"""Other ways to one layer, each from an image in the registry to a flat image that can be pulled from it again: fetched,
checked, flattened, compressed, pushed; each with nothing kept from a run before. `ocirender` is a library, and its two programs
end with a local file and its digest: they neither write a configuration nor push, which is to their favour."""

import shutil
import time
from pathlib import Path

from .servers import copy, run


def umoci(registry, image, work, _):
    """umoci unpacks all layers into a directory, which it inserts into an empty image as one gzip layer."""
    copy(f"docker://{registry}/{image}", f"oci:{work}/in:flat")
    run("umoci", "unpack", "--image", work / "in:flat", work / "bundle")
    run("umoci", "init", "--layout", work / "out")
    run("umoci", "new", "--image", work / "out:flat")
    run("umoci", "insert", "--image", work / "out:flat", work / "bundle/rootfs", "/")
    copy(f"oci:{work}/out:flat", f"docker://{registry}/{image.split(':')[0]}:umoci")


def buildah(registry, image, work, _):
    """buildah builds `FROM image` with `--squash`, and pushes that (gzip)."""
    (work / "Dockerfile").write_text(f"FROM {registry}/{image}\n")
    own = ("buildah", "--root", work / "root", "--runroot", work / "run", "--storage-driver", "overlay")
    settings = ("--isolation", "chroot", "--tls-verify=false", "--squash", "--format", "oci", "--tag", "localhost/flat")
    try:
        run(*own, "bud", *settings, "--file", work / "Dockerfile", work)
        target = f"docker://{registry}/{image.split(':')[0]}:buildah"
        run(*own, "push", "--tls-verify=false", "--format", "oci", "localhost/flat", target)
    finally:
        run("sh", "-c", f"umount --recursive {work}/root/overlay 2>/dev/null || true")


def crane(registry, image, work, _):
    """crane flattens from registry to registry (gzip)."""
    run("crane", "flatten", "--insecure", f"{registry}/{image}", "-t", f"{registry}/{image.split(':')[0]}:crane")


def ocirender(registry, image, work, programs):
    """ocirender converts a layout to a tar; zstd -3 -T2 and SHA-256 of its output follow. Nothing is pushed."""
    copy(f"docker://{registry}/{image}", f"oci:{work}/in:flat")
    run(programs / "ocirender-tar", work / "in", work / "flat.tar")
    run("zstd", "-q", "-3", "-T2", work / "flat.tar", "-o", work / "flat.tar.zst")
    run("sha256sum", work / "flat.tar.zst")


def by_hand(registry, image, work, programs):
    """The same library, wired by hand so that all of that happens at once, with nothing in between on the disk."""
    name, tag = image.split(":")
    run(programs / "ocirender-flat", registry, name, tag, work / "flat.tar.zst")


PEERS = {"crane": crane, "umoci": umoci, "buildah": buildah, "ocirender": ocirender, "ocirender-by-hand": by_hand}


def measure(name, registry, image, work, programs):
    """The seconds of one run, or None where the peer is not on this machine."""
    found = (programs / "ocirender-flat").exists() if name.startswith("ocirender") else shutil.which(name)
    if not found:
        return None
    work = Path(work, f"peer-{name}")
    work.mkdir()
    try:
        began = time.monotonic()
        PEERS[name](registry, image, work, programs)
        return time.monotonic() - began
    finally:
        shutil.rmtree(work, ignore_errors=True)
