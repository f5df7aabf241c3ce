#!/bin/bash
# coverage.sh DIR: line coverage of each room, from a run of the unit tests in DIR
# (made with VARIANT=coverage). What no test linked counts as not covered.
set -eu
dir=$(realpath "${1:?usage: coverage.sh DIR}")
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# gcov's JSON is one line a file; its text form is easier to sum up with awk:
#	Lines executed:91.23% of 57
for room in lib kube arp bgp ipvs controller speaker ctl; do
	for src in "$room"/*.c; do
		[ -e "$src" ] || continue
		object=$dir/${src%.c}
		if [ -e "$object.gcda" ]; then
			(cd "$tmp" && gcov -n -o "$object.gcda" "$OLDPWD/$src" 2>/dev/null) |
				awk -v src="$src" -v room="$room" '
				/^File / { mine = index($0, src "\047") }
				/^Lines executed/ && mine {
					split($0, word, /[:% ]+/)
					print room, src, word[3], word[5]; exit
				}'
		else
			echo "$room $src 0 $(grep -cE '[;{]$' "$src")"
		fi
	done
done | awk '
	{ hit[$1] += $3 * $4 / 100; all[$1] += $4; printf "%6.1f %%  %5d  %s\n", $3, $4, $2 }
	!seen[$1]++ { order[++n] = $1 }
	END {
		print "\n covered  lines  room"
		for (i = 1; i <= n; i++) {
			r = order[i]
			printf "%6.1f %%  %5d  %s\n", 100 * hit[r] / all[r], all[r], r
			h += hit[r]; a += all[r]
		}
		if (!a) { print "coverage: nothing was measured"; exit 1 }
		printf "%6.1f %%  %5d  all\n", 100 * h / a, a
	}'
