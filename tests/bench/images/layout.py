"""An OCI layout directory: its one image, and new images made of it. Blobs that do not change are hard links."""

import gzip
import hashlib
import json
import os
import shutil
import zlib
from pathlib import Path

PIECE = 1 << 20


class Layout:
    """The layout directory `path`, whose first manifest is the image."""

    def __init__(self, path):
        self.path = Path(path)
        index = json.loads((self.path / "index.json").read_bytes())
        self.manifest = json.loads(self.blob(index["manifests"][0]).read_bytes())
        self.config = json.loads(self.blob(self.manifest["config"]).read_bytes())

    def blob(self, descriptor):
        """The file of a blob."""
        return self.path / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")


class NewLayout:
    """A layout that is written beside `path` and takes its place at the end of a `with`."""

    def __init__(self, path):
        self.final, self.path = Path(path), Path(f"{path}.part")
        self.manifests = []

    def __enter__(self):
        shutil.rmtree(self.path, ignore_errors=True)
        (self.path / "blobs/sha256").mkdir(parents=True)
        return self

    def __exit__(self, failed, *_):
        if failed:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        index = {"schemaVersion": 2, "manifests": self.manifests}
        (self.path / "index.json").write_text(json.dumps(index))
        (self.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        shutil.rmtree(self.final, ignore_errors=True)
        self.path.rename(self.final)

    def keep(self, old, descriptor):
        """A blob of another layout, as it is."""
        target = self.path / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")
        if not target.exists():
            os.link(old.blob(descriptor), target)
        return descriptor

    def json(self, value, media_type):
        """A small blob."""
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def layer(self, pieces, media_type="application/vnd.oci.image.layer.v1.tar+gzip"):
        """A gzip layer of a tar that comes in pieces; answers its descriptor and diff_id."""
        plain, packed, size = hashlib.sha256(), hashlib.sha256(), 0
        deflate = zlib.compressobj(6, wbits=31)
        part = self.path / f"layer-{os.getpid()}"
        with open(part, "wb") as file:
            for piece in pieces:
                plain.update(piece)
                out = deflate.compress(piece)
                packed.update(out)
                size += file.write(out)
            out = deflate.flush()
            packed.update(out)
            size += file.write(out)
        digest = packed.hexdigest()
        part.rename(self.path / "blobs/sha256" / digest)
        descriptor = {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}
        return descriptor, f"sha256:{plain.hexdigest()}"

    def image(self, manifest, config, layers, name):
        """Adds an image: `layers` are pairs of descriptor and diff_id, the rest is as in `manifest` and `config`."""
        config = config | {"rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]}}
        config = self.json(config, manifest["config"]["mediaType"])
        manifest = manifest | {"config": config, "layers": [layer for layer, _ in layers]}
        media_type = "application/vnd.oci.image.manifest.v1+json"
        entry = self.json({"mediaType": media_type} | manifest, media_type)
        self.manifests.append(entry | {"annotations": {"org.opencontainers.image.ref.name": name}})


def inflated(path):
    """The bytes of a gzip layer, in pieces."""
    with gzip.open(path) as file:
        while piece := file.read(PIECE):
            yield piece
