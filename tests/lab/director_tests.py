"""director_tests.py DIRECTORCTL [--long | NAME...] - the director's promises, with packets.

Every test is a function; it raises where a promise is broken.
"""
import sys
import time
import traceback

import director
import director_kernel_tests
import director_move_tests
import director_path_tests
import director_service_tests
import topology

TESTS = (director_move_tests.TESTS + director_service_tests.TESTS + director_path_tests.TESTS +
         director_kernel_tests.TESTS)

LONG = [director_kernel_tests.netlink_failures_are_reported_and_mended]


def chosen(names):
    if names == ("--long",):
        return LONG
    if names:
        return [test for test in TESTS if test.__name__ in names]
    return [test for test in TESTS if test not in LONG]


def main(program, *names):
    lab = director.Lab(program)
    passed = failed = 0
    for test in chosen(names):
        t0 = time.monotonic()
        try:
            test(lab)
            passed += 1
            print(f"ok    {test.__name__} ({time.monotonic() - t0:.1f} s)")
        except Exception:           # pylint: disable=broad-except
            failed += 1
            print(f"FAIL  {test.__name__}")
            traceback.print_exc(file=sys.stdout)
            if failed == 1:
                director.explain(lab)
    for node in lab.nodes:
        counts = topology.hostile_counts(node)
        # Of connections that live nothing is ever invalid, and all tests end theirs.
        if counts["invalid_drop"]:
            failed += 1
            print(f"FAIL  {node.name}: the firewall for INVALID saw {counts['invalid_drop']}")
        if counts["kube_proxy_dnat"] or counts["cni_masquerade"]:
            print(f"note  {node.name}: hostile rules saw {counts}")
    print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
