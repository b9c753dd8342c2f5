"""Figures, and the one table of them."""

from statistics import median

HEADS = ("figure", "platen", "spread", "peer", "ratio", "target", "met")


class Table:
    """Collects rows; `peer` is what the target's ratio is with."""

    def __init__(self):
        self.rows = []

    def add(self, figure, values, unit, target="", peer=None, ratio=None, most=None, least=None):
        """One row. `values` are of several runs; `peer` is a pair of name and value; the ratio (of ours and the peer's, or
        as given) or, without one, the value itself, must be at most `most` or at least `least`."""
        values = values if isinstance(values, list) else [values]
        ours = median(values)
        if peer and peer[1] and ratio is None:
            ratio = ours / peer[1]
        judged = ours if ratio is None else ratio
        met = ""
        if most is not None:
            met = "yes" if judged <= most else "NO"
        if least is not None:
            met = "yes" if judged >= least else "NO"
        self.rows.append({
            "figure": figure,
            "platen": f"{ours:.3f} {unit}" if unit == "s" else f"{ours:.2f} {unit}",
            "spread": f"{min(values):.3f}-{max(values):.3f} of {len(values)}" if len(values) > 1 else "",
            "peer": f"{peer[0]} {peer[1]:.3f}" if peer and peer[1] else f"{peer[0]} not had" if peer else "",
            "ratio": "" if ratio is None else f"{ratio:.3f}",
            "target": target,
            "met": met if not peer or peer[1] else "",
        })

    def text(self):
        """For people."""
        cells = [HEADS, *(tuple(row[head] for head in HEADS) for row in self.rows)]
        widths = [max(len(line[at]) for line in cells) for at in range(len(HEADS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])

    def tsv(self):
        """For programs."""
        return "\n".join("\t".join(cells) for cells in [HEADS, *(tuple(row[head] for head in HEADS) for row in self.rows)])
