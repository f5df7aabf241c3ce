#!/bin/bash
# lint.sh [TREE]: the rules that a compiler does not check; prints FILE:LINE: what.
#
#   arrows	who may include whom (CONTRIBUTING.md, "Where a thing belongs")
#   shells	only *_io.c and main.c know the event loop, curl, httpd, the clock
#   formats	only the decode and encode files know cJSON and libyaml,
#		only *_nl.c and *_io.c the netlink libraries
#   text	no blank at a line's end, no line beyond 100 columns in C
#   pairs	every .c has its header, but for main.c
#   scripts	shellcheck, where it is installed
#   python	pyflakes3, likewise: names that are not used, or not there
#   manuals	mandoc, likewise
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2

rooms='lib kube arp bgp ipvs controller speaker ctl'
mapfile -t code < <(for r in $rooms; do
	find "$r" -name '*.[ch]' 2>/dev/null
done | sort)
mapfile -t tests < <(find tests -name '*.[ch]' 2>/dev/null | sort)
mapfile -t scripts < <(find . -path ./build -prune -o -name '*.sh' -print | sort)
mapfile -t python < <(find . -path ./build -prune -o -name '*.py' -print | sort)
mapfile -t manuals < <(find . -path ./build -prune -o -name '*.[58]' -print | sort)
[ ${#code[@]} -gt 0 ] || { echo "lint: no C files in $PWD"; exit 2; }

includes() {
	awk '
	BEGIN {
		# An arrow a -> b: files of room a may include headers of room b.
		n = split("kube>lib arp>lib bgp>lib ipvs>lib " \
		    "controller>lib controller>kube " \
		    "speaker>lib speaker>kube speaker>arp speaker>bgp speaker>ipvs " \
		    "ctl>lib ctl>kube ctl>controller", a, " ")
		for (i = 1; i <= n; i++)
			arrow[a[i]] = 1
		# Files that tell the time or write JSON and say so here, each
		# with its reason.
		ok["lib/log.c lib/clock.h"] = 1		# stamps its lines
		ok["lib/clock.c lib/clock.h"] = 1
	}
	FNR == 1 {
		split(FILENAME, part, "/")
		room = part[1]
		base = part[split(FILENAME, part, "/")]
		is_shell = base ~ /_io\.[ch]$/ || base == "main.c" || base ~ /_impl\.h$/
	}
	function bad(what) {
		printf "%s:%d: %s\n", FILENAME, FNR, what
		failed = 1
	}
	!/^[ \t]*#[ \t]*include[ \t]/ { next }
	{
		header = $0
		sub(/^[^<"]*[<"]/, "", header)
		sub(/[>"].*/, "", header)
		if (ok[FILENAME " " header])
			next
	}
	/"/ {
		if (header !~ /\//)
			bad("include \"ROOM/" header "\" by its room")
		to = header
		sub(/\/.*/, "", to)
		if (to != room && !arrow[room ">" to])
			bad(room " must not include " header " (no arrow " room " -> " to ")")
		if (header == "lib/clock.h" && !is_shell)
			bad("only *_io.c and main.c read the clock; take `now` as an argument")
		next
	}
	header ~ /^(ev\.h|curl\/|microhttpd\.h)/ && !is_shell {
		bad("only *_io.c and main.c include <" header ">")
	}
	header ~ /^(cjson\/|yaml\.h)/ && \
	    base !~ /(decode|encode|yaml|pem|kubeconfig)[a-z_]*\.[ch]$/ {
		bad("only decode and encode files include <" header ">")
	}
	header ~ /^(netlink|linux\/ip_vs|linux\/.*netlink)/ && base !~ /_(nl|msg|io)\.[ch]$/ {
		bad("only *_nl.c, *_msg.c and *_io.c include <" header ">")
	}
	header ~ /^nftables\// && base !~ /^nft[a-z_]*\.[ch]$|_io\.[ch]$/ {
		bad("only nft*.c includes <" header ">")
	}
	END { exit failed }
	' "${code[@]}"
}

text() {
	awk '
	/[ \t]$/ { printf "%s:%d: blank at the end of the line\n", FILENAME, FNR; failed = 1 }
	FILENAME ~ /\.[ch]$/ {
		line = $0
		for (cols = i = 0; i++ < length(line); )
			cols += substr(line, i, 1) == "\t" ? 8 - cols % 8 : 1
		if (cols > 100) {
			printf "%s:%d: %d columns (88 is the aim, 100 the end)\n", FILENAME, FNR, cols
			failed = 1
		}
	}
	END { exit failed }
	' "$@"
}

# A .c has a header of its name or, where a header is shared by the files of
# one idea (plan.h by plan_owner.c), of the words its name begins with.
pairs() {
	local f stem rc=0
	for f in "${code[@]}"; do
		case $f in *.h | */main.c) continue ;; esac
		stem=${f%.c}
		while [ ! -e "$stem.h" ] && [[ ${stem##*/} == *_* ]]; do stem=${stem%_*}; done
		[ -e "$stem.h" ] || [ -e "${stem}_impl.h" ] ||
			{ echo "$f:1: no header declares what is in it"; rc=1; }
	done
	return $rc
}

# Tests are callers, too. A header calls in its macros and inline functions only, whose
# lines begin with # or a tab.
exports() {
	awk '
	FNR == 1 { is_header = FILENAME ~ /\.h$/; last = "" }
	/^[a-z_][a-z0-9_]*\(/ && last !~ /^static/ && FILENAME !~ /^tests\// && !is_header {
		name = substr($0, 1, index($0, "(") - 1)
		home[name] = FILENAME
		line[name] = FNR
	}
	{ last = $0 }
	is_header && !/^[#\t]/ { next }
	{
		n = split($0, words, /[^A-Za-z0-9_]+/)
		for (i = 1; i <= n; i++) {
			if (first[words[i]] == "")
				first[words[i]] = FILENAME
			else if (first[words[i]] != FILENAME)
				is_shared[words[i]] = 1
		}
	}
	END {
		for (name in home) {
			if (is_shared[name] || name == "main")
				continue
			printf "%s:%d: no other file calls %s: make it static, or end it\n",
			    home[name], line[name], name
			failed = 1
		}
		exit failed
	}
	' "${code[@]}" "${tests[@]}"
}

scripts() {
	[ ${#scripts[@]} -gt 0 ] || return 0
	bash -c 'for f; do bash -n "$f" || exit 1; done' - "${scripts[@]}" || return 1
	command -v shellcheck >/dev/null || { echo "lint: no shellcheck here, skipped"; return 0; }
	shellcheck -S warning -f gcc "${scripts[@]}"
}

python() {
	[ ${#python[@]} -gt 0 ] || return 0
	command -v pyflakes3 >/dev/null || { echo "lint: no pyflakes3 here, skipped"; return 0; }
	pyflakes3 "${python[@]}"
}

manuals() {
	[ ${#manuals[@]} -gt 0 ] || return 0
	command -v mandoc >/dev/null || { echo "lint: no mandoc here, skipped"; return 0; }
	mandoc -T lint -W warning "${manuals[@]}"
}

metrics() {
	diff <(grep -ohE '("|HELP )herald_[a-z0-9_]+' "${code[@]}" | grep -oE 'herald_.*' | sort -u) \
		<(cat /dev/null "${manuals[@]}" | grep -oP '^\.It Sy \Kherald_[a-z0-9_]+' | sort -u) |
		sed -n 's/^< \(.*\)/lint: no manual has the metric \1/p
			s/^> \(.*\)/lint: there is no metric \1, of which a manual tells/p' |
		if grep .; then return 1; fi
}

rc=0
includes || rc=1
mapfile -t prose < <(find . -path ./build -prune -o -path ./.git -prune -o \
	\( -name '*.md' -o -name '*.py' -o -name '*.sh' -o -name '*.yaml' -o -name Makefile \) -print |
	sed 's,^\./,,' | grep -v '^tests/\(fuzz/seeds\|data\)/')
text "${code[@]}" "${tests[@]}" "${prose[@]}" || rc=1
pairs || rc=1
exports || rc=1
scripts || rc=1
python || rc=1
manuals || rc=1
metrics || rc=1
[ $rc -ne 0 ] || echo "lint: ${#code[@]} files of code, ${#tests[@]} of tests, ${#scripts[@]} scripts: clean"
exit $rc
