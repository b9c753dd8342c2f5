"""Memory as it is on a machine in use: full of the page cache, so that what a program gets is taken from there.

On a virtual machine, memory that was never used, or was given back to the host, takes the host a fault a page: several times
what writing to it costs, and whoever runs later finds it done. So the free memory is filled before every figure, for everybody."""

from pathlib import Path

# What stays free: the kernel keeps some anyway, and takes back the cache page by page.
KEEP = 1 << 30
PIECE = 4 << 20


def free():
    """Bytes of memory that nobody uses."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemFree:"):
            return int(line.split()[1]) * 1024
    return 0


class Memory:
    """A file of zeros that takes no room on the disk, and all the room there is in the page cache."""

    def __init__(self, directory):
        self.file = Path(directory, "zeros")
        self.size = max(0, free() - KEEP)
        with open(self.file, "wb") as file:
            file.truncate(self.size)

    def settle(self, *keep):
        """Fills what is free, and has the files below these directories in the cache: a registry has just been asked."""
        if free() > 2 * KEEP:
            read(self.file)
        for directory in keep:
            for path in filter(Path.is_file, Path(directory).rglob("*")):
                read(path)


def read(path):
    piece = bytearray(PIECE)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(piece):
            pass
