"""Fits the coefficients of core/kernels/math.h: minimax in relative error, by Lawson's iteration.

Run with a Python that has NumPy; prints one C++ array per function. The error column is the
relative error of the polynomial before it is rounded to float.
"""
import math

import numpy as np


def minimax(target, basis, low, high, points=4000, rounds=200, weigh=lambda x: 1.0):
    """Least squares reweighted until its largest relative error, times weigh(x), is small."""
    x = (low + high) / 2 + (high - low) / 2 * np.cos(np.linspace(0, math.pi, points))
    x = x.astype(np.longdouble)
    y = np.array([target(float(v)) for v in x])
    scale = np.array([weigh(float(v)) for v in x])
    a = np.stack([b(x) for b in basis], axis=1).astype(np.float64) * (scale / np.abs(y))[:, None]
    one = np.sign(y) * scale
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


def rational(target, p, q, high, points=4000, rounds=60):
    """x · P(x²) / Q(x²) of the given degrees: linear in the coefficients once multiplied by Q, so
    fitted again and again with the last Q as weight. Scaled to P(0) = 1."""
    x = high * (1 - np.cos((np.arange(points) + 0.5) * math.pi / points)) / 2
    x = x[x > 1e-3]
    y, z = np.array([target(v) for v in x]), (x / high) ** 2
    weight, denominator, best = np.ones_like(x), np.ones_like(x), (math.inf,)
    for _ in range(rounds):
        a = np.concatenate([(x / y)[:, None] * z[:, None] ** np.arange(p + 1),
                            -(z[:, None] ** np.arange(1, q + 1))], axis=1)
        s = np.sqrt(weight) / denominator
        c, *_ = np.linalg.lstsq(a * s[:, None], s, rcond=None)
        top, bottom = c[:p + 1], np.concatenate([[1], c[p + 1:]])
        denominator = z[:, None] ** np.arange(q + 1) @ bottom
        error = np.abs(x * (z[:, None] ** np.arange(p + 1) @ top) / denominator / y - 1)
        if error.max() < best[0]:
            scale = high ** 2.0
            best = (error.max(), top / scale ** np.arange(p + 1) / top[0],
                    bottom / scale ** np.arange(q + 1) / top[0])
        weight = weight * np.sqrt(error / error.max() + 1e-3)
        weight /= weight.mean()
    return best


def show_rational(name, fit):
    error, *both = fit
    print(f"// {name}: relative error {error:.1e}")
    for c in both:
        print(", ".join(f"{np.float32(v):.9e}f" for v in c))


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
# tanh(x) = x · (1 + s·P(s)) / Q(s), s = x², |x| ≤ 8.3
show_rational("tanh: P, then Q", rational(math.tanh, 4, 4, 8.3))
# 1 - tanh(x) in ulps of 2⁻²⁴, 8 ≤ x ≤ 9.0109: 0.49 + d·P(d) with d = 9.0109 - x. The 0.49 rounds to 0.
# The weight makes the error absolute, in ulps.
ulps = lambda d: math.exp(2 * d) / 2 - 0.49
show("tanh: ulps to 1, beyond 0.49", minimax(ulps, powers(2, start=1), 0.0, 1.0109, weigh=ulps))
# erf(x) = x · P(x²), |x| ≤ 1
def erf_ratio(s):
    x = math.sqrt(s)
    return math.erf(x) / x if x > 1e-4 else 2 / math.sqrt(math.pi)
show("erf: erf(x) / x - 1, in x²", minimax(lambda s: erf_ratio(s) - 1, powers(7), 0.0, 1.0))
# erf(x) = 1 - exp(-x · P(x)), 1 ≤ x ≤ 4.2
show("erf: -log(erfc(x)) / x", minimax(lambda x: -math.log(math.erfc(x)) / x, powers(8), 0.99, 4.2))
# Φ(−t) = exp(−t²/2) · (½ + w · P(w)), w = t/(t + 1/0.29), t ≤ 13.2: for the relative error of Φ where
# t is small, and for a tenth of it in the tail
def ratio(w):
    t = w / (1 - w) / 0.29
    return math.erfc(t / math.sqrt(2)) / 2 * math.exp(t * t / 2)
def importance(w):
    t = w / (1 - w) / 0.29
    return max(0.1, min(1.0, math.exp((1.5 - t) / 1.5))) * abs(ratio(w) - 0.5) / ratio(w)
last = 0.29 * 13.2 / (1 + 0.29 * 13.2)
show("normal: (Φ(−t) · exp(t²/2) − ½) / w", minimax(
    lambda w: (ratio(w) - 0.5) / w, powers(8), 1e-3, last, weigh=importance))
