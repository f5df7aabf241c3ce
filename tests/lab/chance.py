"""chance.py - what a test may ask of things that happen by chance.

A flow's source port is the kernel's choice, and so is the pod that it falls to. A
test that asks too much of that fails now and then though all is well; each that asks
here does so less than once in ten million runs.
"""
import math

RISK = 1e-7


def flows_to_all(npods):
    """So many flows reach each of npods pods of equal weight."""
    if npods < 2:
        return npods
    return math.ceil(math.log(RISK / npods) / math.log(1 - 1 / npods))


def least(n, probability):
    """Of n, each of which lives with that probability, so many do at least."""
    fewer = 0.0     # the probability of less than k
    for k in range(n + 1):
        fewer += math.comb(n, k) * probability ** k * (1 - probability) ** (n - k)
        if fewer > RISK:
            return k
    return n
