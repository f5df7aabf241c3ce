"""table.py LAB.json ALLOC.txt: the figures of a bench run as a table; see run.sh."""
import json
import statistics
import sys


def ms(sec):
    return f"{sec * 1000:.1f} ms" if sec < 0.1 else f"{sec * 1000:.0f} ms"


def spread(secs):
    return f"{ms(statistics.median(secs))}, worst {ms(max(secs))}"


def memory(m):
    return f"{m['Anonymous']:.1f} MB its own, {m['Pss']:.1f} PSS, {m['Rss']:.1f} RSS"


def rows(lab, alloc):
    mem, end, many = lab["memory"], lab["endpoint"], lab["many"]
    yield "speaker's memory at rest", memory(mem), "RSS under 5 MB"
    yield ("endpoint in the source -> in IPVS, first node", spread(end["first"]), "10 ms")
    yield ("  and on the last of three", spread(end["last"]), "")
    yield ("planned move: longest time without an answer", spread(lab["planned"]["gap"]), "")
    yield ("  packets lost", f"{lab['planned']['lost']} of {lab['planned']['sent']}", "0")
    yield ("1,000 Services x 4: speaker's start -> in IPVS", f"{many['speaker']:.2f} s", "")
    yield "  ipvsadm -R of the same table", f"{many['ipvsadm']:.2f} s", ""
    yield ("  Herald's time by ipvsadm's", f"{many['speaker'] / many['ipvsadm']:.2f}",
           "at most 1")
    yield "  speaker's memory with them", memory(many["memory"]), ""
    for line in alloc:
        name, fill, churn = line.split()
        yield (f"addresses given a second, {name}",
               f"{int(fill):,} new, {int(churn):,} given back and anew", "")


def main():
    with open(sys.argv[1]) as f:
        lab = json.load(f)
    with open(sys.argv[2]) as f:
        alloc = f.readlines()
    table = [("", "measured", "aim"), *rows(lab, alloc)]
    wide = [max(len(row[i]) for row in table) for i in (0, 1)]
    for what, figure, aim in table:
        print(f"{what:<{wide[0]}}  {figure:<{wide[1]}}  {aim}".rstrip())
    print("\nIn the virtual machine (all but the allocator) one emulated processor of about 500\n"
          "million instructions a second runs three speakers, the controller, pods, clients\n"
          "and the measuring. Medians.")


if __name__ == "__main__":
    main()
