"""Fits the coefficients of core/kernels/math.h: minimax in relative error, by Lawson's iteration.

Run with a Python that has NumPy; prints one C++ array per function. The error column is the
relative error of the polynomial before it is rounded to float.
"""
import math

import numpy as np


def minimax(target, basis, low, high, points=4000, rounds=200):
    """Least squares reweighted until its largest relative error is as small as it gets."""
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.linspace(0, math.pi, points))
    x = x.astype(np.longdouble)
    y = np.array([target(float(v)) for v in x])
    a = np.stack([b(x) for b in basis], axis=1).astype(np.float64) / np.abs(y)[:, None]
    one = np.sign(y)
    weight = np.full(points, 1 / points)
    best, best_error = None, math.inf
    for _ in range(rounds):
        s = np.sqrt(weight)[:, None]
        c, *_ = np.linalg.lstsq(a * s, one * s[:, 0], rcond=None)
        error = np.abs(a @ c - one)
        if error.max() < best_error:
            best, best_error = c, error.max()
        weight = weight * error
        weight = weight / weight.sum() + 1e-12
    return best, best_error


def powers(n, start=0, step=1):
    return [lambda x, k=start + step * i: x**k for i in range(n)]


def show(name, fit):
    c, error = fit
    print(f"// {name}: relative error {error:.1e}")
    print(", ".join(f"{np.float32(v):.9e}f" for v in c))


ln2 = math.log(2) / 2 * 1.01
nz = lambda f, limit: (lambda v: f(v) if abs(v) > 1e-3 else limit(v))

# exp(r) = 1 + r + r² · P(r), |r| ≤ ½ ln 2
show("exp: (exp(r) - 1 - r) / r²", minimax(
    nz(lambda r: (math.expm1(r) - r) / r**2, lambda r: 0.5 + r / 6 + r * r / 24), powers(6), -ln2, ln2))
# expm1(x) = x + x² · P(x), |x| ≤ ½
show("expm1: (expm1(x) - x) / x²", minimax(
    nz(lambda r: (math.expm1(r) - r) / r**2, lambda r: 0.5 + r / 6 + r * r / 24), powers(7), -0.5, 0.5))
# log(1 + f) = f - f²/2 + f³ · P(f), √½ ≤ 1 + f ≤ √2
def log_tail(f):
    if abs(f) < 0.02:
        return sum((-1) ** (k + 1) * f ** (k - 3) / k for k in range(3, 14))
    return (math.log1p(f) - f + f * f / 2) / f**3
show("log: (log(1+f) - f + f²/2) / f³", minimax(log_tail, powers(9), math.sqrt(0.5) - 1, math.sqrt(2) - 1))
# tanh(x) = x + x³ · P(x²), |x| ≤ 0.625
def tanh_tail(s):
    x = math.sqrt(s)
    if x < 0.05:
        return -1 / 3 + 2 * s / 15 - 17 * s * s / 315 + 62 * s**3 / 2835
    return (math.tanh(x) - x) / x**3
show("tanh: (tanh(x) - x) / x³, in x²", minimax(tanh_tail, powers(5), 0.0, 0.625**2))
# erf(x) = x · P(x²), |x| ≤ 1
def erf_ratio(s):
    x = math.sqrt(s)
    return math.erf(x) / x if x > 1e-4 else 2 / math.sqrt(math.pi)
show("erf: erf(x) / x - 1, in x²", minimax(lambda s: erf_ratio(s) - 1, powers(7), 0.0, 1.0))
# erf(x) = 1 - exp(-x · P(x)), 1 ≤ x ≤ 4.2
show("erf: -log(erfc(x)) / x", minimax(lambda x: -math.log(math.erfc(x)) / x, powers(8), 0.99, 4.2))
