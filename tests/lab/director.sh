#!/bin/bash
# director.sh [--build | --long | NAME...]: the data plane alone, with packets: three nodes
# whose directors are driven by directorctl, no speakers. NAMEs choose among the tests
# of director_tests.py; --long: those that take long, which are no part of it without;
# --build only builds directorctl.
set -eu
cd "$(dirname "$0")/../.."
variant=${VARIANT:-release}
build=build/$variant
make -s "$build/ipvs.a" "$build/lib.a" "$build/tests/lab/directorctl.o" >/dev/null
# shellcheck disable=SC2046	# a list of words
cc -o "$build/directorctl" "$build/tests/lab/directorctl.o" "$build/ipvs.a" \
	"$build/lib.a" $(pkg-config --libs libnftables libnl-3.0 libnl-genl-3.0)
cc -shared -fPIC -D_GNU_SOURCE -Wall -Wextra -o "$build/nlfault.so" tests/lab/nlfault.c
[ "${1-}" != --build ] || exit 0
export PYTHONPYCACHEPREFIX=$PWD/build/pycache
/usr/bin/python3 -m compileall -q tests/lab
mkdir -p build/director
exec tests/lab/vm.sh -r build/director \
	env PYTHONPYCACHEPREFIX="$PYTHONPYCACHEPREFIX" \
	/usr/bin/python3 -u tests/lab/director_tests.py "$PWD/$build/directorctl" "$@"
