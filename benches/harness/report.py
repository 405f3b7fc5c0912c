"""Medians of in-round ratios, as text or as a Markdown table."""
from statistics import median

from . import peers
from .subjects import limit

HEAD = ("row", "per second", "per CPU second", "limit", "limit/s", "of limit", "min-max", "of limit, CPU")


def by(samples, unit, round_):
    return {name: values[round_][unit] for name, values in samples.items()}


def ratios(samples, row, unit):
    rounds = range(len(samples[row]))
    return [samples[row][r][unit] / limit(row, by(samples, unit, r))[0] for r in rounds]


def middle(samples, name, unit):
    return median(sample[unit] for sample in samples[name])


def of_rows(samples, rows):
    """Each row against its limit."""
    table = {}
    for row in rows:
        wall, cpu = ratios(samples, row, "per_second"), ratios(samples, row, "per_cpu_second")
        rounds = range(len(samples[row]))
        table[row] = {
            "per_second": middle(samples, row, "per_second"), "per_cpu_second": middle(samples, row, "per_cpu_second"),
            "of": limit(row, by(samples, "per_second", 0))[1],
            "limit": median(limit(row, by(samples, "per_second", r))[0] for r in rounds),
            "ratio": median(wall), "min": min(wall), "max": max(wall), "cpu_ratio": median(cpu),
        }
    return table


def of_peers(samples):
    """client_credentials against each peer, per CPU second and per second."""
    table = {}
    for peer, (_, _, algorithm) in peers.PEERS.items():
        if peer not in samples:
            continue
        row = f"client_credentials {algorithm}"
        units = {unit: [ours[unit] / theirs[unit] for ours, theirs in zip(samples[row], samples[peer])]
                 for unit in ("per_cpu_second", "per_second")}
        cpu = units["per_cpu_second"]
        table[peer] = {
            "per_second": middle(samples, peer, "per_second"), "per_cpu_second": middle(samples, peer, "per_cpu_second"),
            "ours_by_theirs": median(cpu), "min": min(cpu), "max": max(cpu),
            "ours_by_theirs_wall": median(units["per_second"]),
        }
    return table


def table(head, lines, markdown):
    lines = [list(map(str, line)) for line in lines]
    if markdown:
        rule = ["---"] + ["---:"] * (len(head) - 1)
        return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *lines])
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths)))
                     for line in [head, *lines])


def text(results, markdown=False):
    """All tables that there are results for."""
    parts = []
    if results.get("rows"):
        limits = [(name, f"{middle(results['samples'], name, 'per_second'):,.0f}",
                   f"{middle(results['samples'], name, 'per_cpu_second'):,.0f}") for name in results["limits"]]
        parts.append(table(("limit", "per second", "per CPU second"), limits, markdown))
        lines = [(name, f"{r['per_second']:,.0f}", f"{r['per_cpu_second']:,.0f}", r["of"], f"{r['limit']:,.0f}",
                  f"{r['ratio']:.2f}", f"{r['min']:.2f}-{r['max']:.2f}", f"{r['cpu_ratio']:.2f}")
                 for name, r in results["rows"].items()]
        parts.append(table(HEAD, lines, markdown))
    if results.get("peers"):
        lines = [(name, f"{r['per_second']:,.0f}", f"{r['per_cpu_second']:,.0f}", f"{r['ours_by_theirs']:.1f}x",
                  f"{r['min']:.1f}-{r['max']:.1f}x", f"{r['ours_by_theirs_wall']:.1f}x")
                 for name, r in results["peers"].items()]
        parts.append(table(("peer, client_credentials", "per second", "per CPU second", "we / peer, CPU", "min-max",
                            "we / peer, wall"), lines, markdown))
    if results.get("starts"):
        lines = [(f"{s['place']}, {s['clients']:,}", f"{median(s['ready_seconds']) * 1000:.0f} ms", f"{median(s['idle_mb']):.1f} MB",
                  f"{median(s['peak_mb']):.1f} MB") for s in results["starts"]]
        parts.append(table(("place, more clients", "start to ready", "resident, idle", "peak"), lines, markdown))
    if results.get("allocations"):
        parts.append(table(("request", "allocations", "bytes"), results["allocations"], markdown))
        parts.append(f"A client in a pod takes {results['bytes_a_client']} bytes.")
    return "\n\n".join(parts)
