"""Fits the coefficients of core/kernels/math_double.h and math_power.h: Chebyshev's interpolation in 250 bits, which is close to minimax.

Run with a Python that has mpmath; prints one line of coefficients per function, the lowest power first. The error is
that of the polynomial before its coefficients are rounded to double.
"""
from mpmath import atan, atanh, chebyfit, cos, erf, erfc, exp, expm1, log, log1p, mp, mpf, pi, sin, sqrt, tan

mp.prec = 250


def show(name, f, low, high, terms):
    c, error = chebyfit(f, [low, high], terms, error=True)
    print(f"// {name}: error {float(error):.1e}")
    print(", ".join(repr(float(v)) for v in reversed(c)))


def near(f, limit):
    """f where it can be computed, and its limit at 0 beside 0."""
    return lambda x: f(x) if abs(x) > mpf(10) ** -18 else limit


half_ln2 = log(2) / 2 * mpf("1.001")
show("exp: (exp(r) - 1 - r) / r²", near(lambda r: (expm1(r) - r) / r**2, mpf(1) / 2), -half_ln2, half_ln2, 10)
show("log: (log(1+f) - f + f²/2) / f³", near(lambda f: (log1p(f) - f + f * f / 2) / f**3, mpf(1) / 3),
     sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, 20)
eighth = (pi / 4) ** 2 * mpf("1.001")
show("sin: (sin(r)/r - 1) / s, s = r²", near(lambda s: (sin(sqrt(s)) / sqrt(s) - 1) / s, -mpf(1) / 6), 0, eighth, 6)
show("cos: (cos(r) - 1 + s/2) / s²", near(lambda s: (cos(sqrt(s)) - 1 + s / 2) / s**2, mpf(1) / 24), 0, eighth, 6)
show("erf: erf(x)/x - 1, s = x²", near(lambda s: erf(sqrt(s)) / sqrt(s) - 1, 2 / sqrt(pi) - 1), 0, 1, 12)


roots = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)) ** 2 * mpf("1.001")
for kind, terms in (("double", 9), ("float", 3)):
    show(f"log2 of {kind}: (3·atanh(s)/s - 3 - s²) / s⁴, in s²",
         near(lambda q: (3 * atanh(sqrt(q)) / sqrt(q) - 3 - q) / q**2, mpf(3) / 5), 0, roots, terms)
show("atan: (atan(t)/t - 1) / t², in t²", near(lambda q: (atan(sqrt(q)) / sqrt(q) - 1) / q, -mpf(1) / 3), 0,
     tan(pi / 8) ** 2 * mpf("1.001"), 11)


def tail(z):
    t = 5 * (1 + z) / (1 - z)
    return erfc(t / sqrt(2)) / 2 * exp(t * t / 2) * (t + 1)


show("normal: Φ(−t)·exp(t²/2)·(t + 1), z = (t − 5)/(t + 5), t ≤ 39.5", tail, -1, mpf("34.5") / mpf("44.5"), 23)
# π/2 in four parts, of which three have 33 bits, so that their products with whole numbers below 2^20 are exact.
rest = pi / 2
parts = []
for _ in range(3):
    unit = mpf(2) ** (int(mp.floor(mp.log(rest, 2))) - 32)
    part = mp.floor(rest / unit) * unit
    parts.append(part)
    rest -= part
print("// π/2:", ", ".join(float(p).hex() for p in parts + [rest]))
rest = log(2)
unit = mpf(2) ** (int(mp.floor(mp.log(rest, 2))) - 38)
high = mp.floor(rest / unit) * unit
print("// ln 2:", float(high).hex(), float(rest - high).hex())
