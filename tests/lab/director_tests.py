"""director_tests.py DIRECTORCTL [NAME...] - the director's promises, with packets.

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


def main(program, *names):
    lab = director.Lab(program)
    passed = failed = 0
    for test in TESTS:
        if names and test.__name__ not in names:
            continue
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
