"""table.py lab|many|alloc FILE: the figures of a section of the bench as a table; see
run.sh."""
import json
import statistics
import sys


def ms(sec):
    return f"{sec * 1000:.1f} ms" if sec < 0.1 else f"{sec * 1000:.0f} ms"


def spread(secs):
    return f"{ms(statistics.median(secs))}, worst {ms(max(secs))}"


def memory(m):
    return (f"{m['Rss']:.1f} MB RSS: {m['Anonymous']:.1f} its own, "
            f"{m['Rss'] - m['Anonymous']:.1f} files; {m['Pss']:.1f} PSS") + (
        f", {m['VmHWM']:.1f} at its peak" if "VmHWM" in m else "")


def many_rows(many):
    for n, row in many.items():
        yield (f"{int(n):,} Services x 4: speaker's start -> in IPVS", f"{row['speaker']:.2f} s",
               "")
        yield "  ipvsadm -R of the same table", f"{row['ipvsadm']:.2f} s", ""
        yield ("  Herald's time by ipvsadm's", f"{row['speaker'] / row['ipvsadm']:.2f}",
               "at most 1")
        yield "  speaker's memory then, from a directory", memory(row["memory"]), ""
        aim = "RSS under 40 MB" if n == "10000" else ""
        yield "  from the API", memory(row["memory_by_api"][0]), aim
        yield (f"  a minute later, with {row['reports']:,.0f} reports",
               memory(row["memory_by_api"][1]), aim)
        yield "  with a report of each Service", memory(row["memory_by_api"][2]), aim
        yield ("  the speaker at rest, from a directory",
               f"{row['at_rest'] * 100:.1f} % of the processor", "")
        yield ("  one endpoint more or less: from its file to IPVS, at any moment of a look",
               spread(row["endpoint_delays"]), "")
        yield ("  the speaker's processor time meanwhile", spread(row["endpoint_cpu"]),
               "under 5 ms")


def lab_rows(lab):
    mem, end = lab["memory"], lab["endpoint"]
    yield "speaker's memory at rest", memory(mem), "RSS under 5 MB"
    yield ("endpoint in the source -> in IPVS, first node", spread(end["first"]), "10 ms")
    yield ("  and on the last of three", spread(end["last"]), "")
    yield ("planned move: longest time without an answer", spread(lab["planned"]["gap"]), "")
    yield "  and in the second before it", spread(lab["planned"]["quiet"]), ""
    yield ("  packets lost", f"{lab['planned']['lost']} of {lab['planned']['sent']}", "0")


def alloc_rows(lines):
    for line in lines:
        name, fill, churn = line.split()
        yield (f"addresses given a second, {name}",
               f"{int(fill):,} new, {int(churn):,} given back and anew", "")


def main():
    what, path = sys.argv[1:]
    with open(path) as f:
        figures = f.readlines() if what == "alloc" else json.load(f)
    rows = {"lab": lab_rows, "many": many_rows, "alloc": alloc_rows}[what](figures)
    table = [("", "measured", "aim"), *rows]
    wide = [max(len(row[i]) for row in table) for i in (0, 1)]
    for what_is, figure, aim in table:
        print(f"{what_is:<{wide[0]}}  {figure:<{wide[1]}}  {aim}".rstrip())
    if what != "alloc":
        print("In the virtual machine one emulated processor of about 500 million instructions\n"
              "a second runs speakers, the controller, pods, clients and the measuring. Medians.")


if __name__ == "__main__":
    main()
