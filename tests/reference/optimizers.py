"""Trajectories of every rule and wrapper, from PyTorch and, where it has none, from the paper's formula in NumPy,
and the values of every schedule, all in double. Writes optimizers.txt.

The problem, whose gradient changes sign and scale:
  f(a, b) = sum ½ k_i (w_i − c_i)² + 2 sin(3 w_i),  w = (a, b),  k_i = 0.05·(i + 1)²,  c_i = cos(i).
a has shape (2, 3), b shape (4); they start at w_i = sin(1 + i).

What is written:
  case NAME @ SOURCE    NAME is the optimizer itself, with Descent's fields; SOURCE is PyTorch 1.13.1 or NumPy
  path 12 10 : …        the weights after the steps ROWS (rules that search: after steps 1 … 12)
  average 10 : …        where a rule or a wrapper evaluates at other weights: those, after the last step
  b_shape 2 : …         where b has another shape
  case schedule NAME @ SOURCE
  values 60 : …         the schedule at steps 0 … 59
  case groups adamw     AdamW with lr 0.05 and weight_decay 0.2 for a, lr 0.01 and no decay for b
  case plateau          reduce-on-plateau: metrics, and the rate after each of them

A NAME is `rule(field=value, …)` or `wrapper(inner(…), field=value)`. A number may be a schedule: joined(100: 0.05,
1: 0.005) is 0.05 at the first hundred steps and 0.005 for ever after; cosine(0.05, 250) falls from 0.05 to 0. With its
colons read as commas a NAME is the Python expression that builds the case; `rule(…)` is looked up below.
"""
import math
import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the same bits on any number of processors

import numpy as np
import torch
from torch.optim.lbfgs import _strong_wolfe

from reference import Writer

torch.set_default_dtype(torch.float64)
PYTORCH, NUMPY = "PyTorch 1.13.1", "NumPy"
ROWS = [1, 2, 3, 5, 10, 25, 50, 100, 101, 150, 200, 250]
SEARCH_ROWS = list(range(1, 13))
k = 0.05 * (np.arange(10) + 1.0) ** 2
c = np.cos(np.arange(10.0))
start = np.sin(1.0 + np.arange(10.0))
out = Writer(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.txt"))


# ---- weights are a list of tensors, here [a, b]; flat and like go to one vector and back ----
def flat(tensors):
    return np.concatenate([x.ravel() for x in tensors])


def like(vector, tensors):
    parts = np.split(vector, np.cumsum([x.size for x in tensors])[:-1])
    return [part.reshape(x.shape) for part, x in zip(parts, tensors)]


def loss(tensors):
    w = flat(tensors)
    return np.sum(0.5 * k * (w - c) ** 2 + 2 * np.sin(3 * w))


def gradient(tensors, noise=0.0):
    """With a noise of 1e-15 off by what another order of rounding could do."""
    w = flat(tensors)
    return like(k * (w - c) + 6 * np.cos(3 * w) + noise * np.cos(1e6 * w), tensors)


exact_gradient = gradient


def curvature(w):
    """The diagonal of the Hessian, which has nothing else: Rademacher probes give it exactly."""
    return k - 18 * np.sin(3 * w)


# ---- schedules: functions of the step t = 0, 1, …  ----
def value(number_or_schedule, t):
    return number_or_schedule(t) if callable(number_or_schedule) else number_or_schedule


def constant(rate):
    return lambda t: rate


def cosine(rate, steps, end=0.0):
    return lambda t: end + (rate - end) * (1 + math.cos(math.pi * t / steps)) / 2


def joined(*counts_and_values):
    """Each value for its count of steps, a schedule from its own step 0; the last for ever."""

    def at(t):
        for count, part in zip(counts_and_values[:-2:2], counts_and_values[1:-2:2]):
            if t < count:
                return value(part, t)
            t -= count
        return value(counts_and_values[-1], t)

    return at


def warmup(steps, after):
    """A straight line up to the first value of the schedule, which it reaches at its last step; then the schedule,
    from its own step 0."""
    return lambda t: after(0) * (t + 1) / steps if t < steps else after(t - steps)


def inverse_sqrt(rate, warmup_steps):
    return lambda t: rate * min((t + 1) / warmup_steps, math.sqrt(warmup_steps / (t + 1)))


def sqrt_decay(rate):
    return lambda t: rate / math.sqrt(t + 1)


def wsd(value, warmup, stable, decay, end=0.0, root=False):
    """Warm-up, stable, decay (arXiv:2404.06395) with straight lines (arXiv:2405.18392): up, which reaches the value at
    its last step as warmup does; the value for stable steps; and down, from the value at the first of decay steps to
    end after the last, where it stays."""
    down = lambda t: min(max(t - warmup - stable, 0) / decay, 1)
    line = lambda t: value + (end - value) * (math.sqrt(down(t)) if root else down(t))
    return lambda t: value * (t + 1) / warmup if t < warmup else line(t)


def sqrt_cooldown(value, steps, end=0.0):
    """The 1 − sqrt cool-down of arXiv:2405.18392."""
    return lambda t: end + (value - end) * (1 - math.sqrt(min(t / steps, 1)))


def rex(value, steps):
    """Reflected exponential, arXiv:2107.04197."""
    return lambda t: value * (1 - min(t / steps, 1)) / (0.5 + 0.5 * (1 - min(t / steps, 1)))


# ---- rules in NumPy: (w, g, state s, step t = 1, 2, …, fields) gives the next w, for one tensor ----
class State:
    """What a rule keeps for a tensor. Everything starts at 0."""

    def __getattr__(self, name):
        return 0.0


def lerp(x, y, weight):
    return x + weight * (y - x)


def norm(x):
    return np.sqrt(np.sum(x * x))


def rms(x):
    return np.sqrt(np.mean(x * x))


def sgd(w, g, s, t, lr=0.01, momentum=0, dampening=0, weight_decay=0, nesterov=False, step_form=False, maximize=False):
    g = (-g if maximize else g) + weight_decay * w
    if step_form:
        s.v = momentum * s.v + lr * g
        return w - s.v
    s.b = g if t == 1 else momentum * s.b + (1 - dampening) * g
    return w - lr * (g + momentum * s.b if nesterov else s.b)


def adagrad(w, g, s, t, lr=0.01, lr_decay=0, eps=1e-10, initial_accumulator=0, weight_decay=0, eps_inside_sqrt=False,
            maximize=False):
    """Duchi, Hazan, Singer, JMLR 12 (2011)."""
    g = (-g if maximize else g) + weight_decay * w
    s.sum = (initial_accumulator if t == 1 else s.sum) + g * g
    denominator = np.sqrt(s.sum + eps) if eps_inside_sqrt else np.sqrt(s.sum) + eps
    return w - lr / (1 + (t - 1) * lr_decay) * g / denominator


def rmsprop(w, g, s, t, lr=0.01, alpha=0.99, eps=1e-8, momentum=0, weight_decay=0, centered=False,
            eps_inside_sqrt=False, maximize=False):
    """Tieleman, Hinton, lecture 6.5 (2012); centered: arXiv:1308.0850."""
    g = (-g if maximize else g) + weight_decay * w
    s.v = alpha * s.v + (1 - alpha) * g * g
    s.mean = alpha * s.mean + (1 - alpha) * g
    v = np.maximum(s.v - s.mean**2, 0) if centered else s.v
    s.b = momentum * s.b + g / (np.sqrt(v + eps) if eps_inside_sqrt else np.sqrt(v) + eps)
    return w - lr * s.b


def adam_direction(g, s, t, beta1, beta2, eps, amsgrad=False):
    s.m = beta1 * s.m + (1 - beta1) * g
    s.v = beta2 * s.v + (1 - beta2) * g * g
    s.largest = np.maximum(s.largest, s.v)
    v = s.largest if amsgrad else s.v
    return s.m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)


def adam(w, g, s, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, maximize=False):
    """arXiv:1412.6980."""
    g = (-g if maximize else g) + weight_decay * w
    return w - lr * adam_direction(g, s, t, beta1, beta2, eps)


def amsgrad(w, g, s, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, decoupled=False, maximize=False):
    """arXiv:1904.09237, as PyTorch (the largest raw v, then the bias correction); decoupled: the decay of AdamW."""
    g = -g if maximize else g
    if decoupled:
        w = w - lr * weight_decay * w
    else:
        g = g + weight_decay * w
    return w - lr * adam_direction(g, s, t, beta1, beta2, eps, amsgrad=True)


def adamw(w, g, s, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01, maximize=False,
          decoupled_lr=False):
    """arXiv:1711.05101. decoupled_lr: the decay is weight_decay·lr_t/lr_0, the paper's schedule factor."""
    s.first_lr = lr if t == 1 else s.first_lr
    w = w - weight_decay * (lr / s.first_lr if decoupled_lr else lr) * w
    return w - lr * adam_direction(-g if maximize else g, s, t, beta1, beta2, eps)


def nadamw(w, g, s, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    """Dozat's look ahead, corrected as in Optax: m at its next step, g at this one."""
    s.m = beta1 * s.m + (1 - beta1) * g
    s.v = beta2 * s.v + (1 - beta2) * g**2
    ahead = beta1 * s.m / (1 - beta1 ** (t + 1)) + (1 - beta1) * g / (1 - beta1**t)
    return w - lr * (ahead / (np.sqrt(s.v / (1 - beta2**t)) + eps) + weight_decay * w)


def adopt(w, g, s, t, lr=1e-3, beta1=0.9, beta2=0.9999, eps=1e-6, weight_decay=0, clip=True):
    """arXiv:2411.02853, Alg. 2; without clip Alg. 1."""
    if t == 1:
        s.v = g**2
        return w
    normed = g / np.maximum(np.sqrt(s.v), eps)
    if clip:
        normed = np.clip(normed, -((t - 1) ** 0.25), (t - 1) ** 0.25)
    s.m = beta1 * s.m + (1 - beta1) * normed
    s.v = beta2 * s.v + (1 - beta2) * g**2
    return w - lr * weight_decay * w - lr * s.m


def ademamix(w, g, s, t, lr=1e-3, beta1=0.9, beta2=0.999, beta3=0.9999, alpha=5, warmup=0, eps=1e-8, weight_decay=0):
    """arXiv:2409.03137, Alg. 1 and the schedules of alpha and beta3, which start at 0 and beta1."""
    if warmup > t:
        alpha = alpha * t / warmup
        logs = math.log(beta1), math.log(beta3)
        beta3 = min(math.exp(logs[0] * logs[1] / ((1 - t / warmup) * logs[1] + t / warmup * logs[0])), beta3)
    s.m = beta1 * s.m + (1 - beta1) * g
    s.slow = beta3 * s.slow + (1 - beta3) * g
    s.v = beta2 * s.v + (1 - beta2) * g**2
    direction = (s.m / (1 - beta1**t) + alpha * s.slow) / (np.sqrt(s.v / (1 - beta2**t)) + eps)
    return w - lr * (direction + weight_decay * w)


def asgd(w, g, s, t, lr=0.01, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0):
    """Polyak, Juditsky (1992), as PyTorch: step t uses the rate and the weight that t − 1 gives. The rate follows from
    the lr of the present step; PyTorch would use a changed lr one step later."""
    g = g + weight_decay * w
    eta = lr / (1 + lambd * lr * (t - 1)) ** alpha
    w = w * (1 - lambd * eta) - eta * g
    s.average = s.average + (w - s.average) / max(1, t - 1 - t0)
    return w


def lion(w, g, s, t, lr=1e-4, beta1=0.9, beta2=0.99, weight_decay=0):
    """arXiv:2302.06675."""
    w = w - lr * weight_decay * w
    w = w - lr * np.sign(beta1 * s.m + (1 - beta1) * g)
    s.m = beta2 * s.m + (1 - beta2) * g
    return w


def muon(w, g, s, t, lr=0.02, momentum=0.95, nesterov=True, weight_decay=0, steps=5):
    """Jordan et al., kellerjordan.github.io/posts/muon (2024)."""
    s.m = lerp(s.m, g, 1 - momentum)
    u = lerp(g, s.m, momentum) if nesterov else s.m
    rows, columns = u.shape
    x = u / (norm(u) + 1e-7)
    x = x.T if rows > columns else x
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    x = x.T if rows > columns else x
    return w - lr * weight_decay * w - lr * math.sqrt(max(1, rows / columns)) * x


def schedule_free(w, u, s, t, lr, beta, warmup, r, power):
    """arXiv:2405.15682. w is y, where gradients are taken; the average x is where to evaluate."""
    rate = lr * min(1, t / warmup) if warmup else lr
    s.largest_rate = max(s.largest_rate, rate)
    weight = t**r * s.largest_rate**power
    s.sum = s.sum + weight
    share = weight / s.sum
    z = w if t == 1 else s.z
    y = lerp(w, z, share) + rate * (beta * (1 - share) - 1) * u
    s.z = z - rate * u
    s.average = lerp(y, s.z, 1 - 1 / beta)
    return y


def schedule_free_sgd(w, g, s, t, lr=1.0, momentum=0.9, weight_decay=0, warmup=0, r=0, power=2):
    return schedule_free(w, g + weight_decay * w, s, t, lr, momentum, warmup, r, power)


def schedule_free_adamw(w, g, s, t, lr=2.5e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, warmup=0, r=0,
                        power=2):
    s.v = beta2 * s.v + (1 - beta2) * g * g
    u = g / (np.sqrt(s.v / (1 - beta2**t)) + eps) + weight_decay * w
    return schedule_free(w, u, s, t, lr, beta1, warmup, r, power)


def prodigy(w, g, s, t, lr=1.0, beta1=0.9, beta2=0.999, beta3=0, eps=1e-8, weight_decay=0, d0=1e-6, d_coef=1.0,
            decoupled=True, bias_correction=False):
    """arXiv:2306.06101, as the authors' code. w holds all weights: r and s are sums over every parameter."""
    beta3 = beta3 if beta3 else math.sqrt(beta2)
    if t == 1:
        s.start, s.d = w, d0
    d = s.d
    dlr = d * lr * (math.sqrt(1 - beta2**t) / (1 - beta1**t) if bias_correction else 1)
    g = g if decoupled else g + weight_decay * w
    s.r = beta3 * s.r + d / d0 * dlr * np.dot(g, s.start - w)
    s.s = beta3 * s.s + d / d0 * dlr * g
    s.m = beta1 * s.m + (1 - beta1) * d * g
    s.v = beta2 * s.v + (1 - beta2) * d * d * g * g
    s.d = max(d, d_coef * s.r / np.sum(np.abs(s.s)))
    w = w - weight_decay * dlr * w if decoupled else w
    return w - dlr * s.m / (np.sqrt(s.v) + s.d * eps)


def lamb(w, g, s, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0):
    """arXiv:1904.00962, algorithm 2, with the identity for its phi."""
    u = adam_direction(g, s, t, beta1, beta2, eps) + weight_decay * w
    ratio = norm(w) / norm(u) if norm(w) > 0 and norm(u) > 0 else 1
    return w - lr * ratio * u


def lars(w, g, s, t, lr=0.1, momentum=0.9, weight_decay=0, trust=0.001, nesterov=False):
    """arXiv:1708.03888, algorithm 1."""
    local = trust * norm(w) / (norm(g) + weight_decay * norm(w)) if norm(w) > 0 and norm(g) > 0 else 1
    step = lr * local * (g + weight_decay * w)
    s.b = momentum * s.b + step
    return w - (momentum * s.b + step if nesterov else s.b)


def adan(w, g, s, t, lr=1e-3, beta1=0.98, beta2=0.92, beta3=0.99, eps=1e-8, weight_decay=0):
    """arXiv:2208.06677, with 1 − beta of the paper written beta, as the authors' code."""
    d = 0 * g if t == 1 else g - s.previous
    s.previous = g
    s.m = beta1 * s.m + (1 - beta1) * g
    s.v = beta2 * s.v + (1 - beta2) * d
    s.n = beta3 * s.n + (1 - beta3) * (g + beta2 * d) ** 2
    u = s.m / (1 - beta1**t) + beta2 * s.v / (1 - beta2**t)
    return (w - lr * u / (np.sqrt(s.n / (1 - beta3**t)) + eps)) / (1 + lr * weight_decay)


def adafactor(w, g, s, t, lr=0.01, beta2_decay=0.8, eps1=1e-30, eps2=1e-3, clip=1.0, weight_decay=0):
    """arXiv:1804.04235, algorithms 4 and 5, with means for sums. The decay w *= 1 − lr·weight_decay comes first; the
    scale RMS(w) is that of the weights before it."""
    beta2 = 1 - t**-beta2_decay
    scale = max(eps2, rms(w)) * min(lr, 1 / math.sqrt(t))
    square = g * g + eps1
    if g.ndim == 2:
        s.rows = beta2 * s.rows + (1 - beta2) * square.mean(axis=1)
        s.columns = beta2 * s.columns + (1 - beta2) * square.mean(axis=0)
        v = np.outer(s.rows, s.columns) / s.rows.mean()
    else:
        v = s.v = beta2 * s.v + (1 - beta2) * square
    u = g / np.sqrt(v)
    return w * (1 - lr * weight_decay) - scale * u / max(1, rms(u) / clip)


def soap(w, g, s, t, lr=3e-3, beta1=0.95, beta2=0.95, shampoo_beta=-1, eps=1e-8, weight_decay=0.01, frequency=10,
         exact_basis=False):
    """arXiv:2409.11321, algorithms 3 and 4, in the order of the authors' code. The first gradient makes the bases only.
    A vector has none: p and q act as the identity."""
    matrix = g.ndim == 2
    if t > 1:
        s.m = beta1 * s.m + (1 - beta1) * g
        s.v = beta2 * s.v + (1 - beta2) * (s.p.T @ g @ s.q if matrix else g) ** 2
        u = (s.p.T @ s.m @ s.q if matrix else s.m) / (np.sqrt(s.v) + eps)
        u = s.p @ u @ s.q.T if matrix else u
        w = w - lr * math.sqrt(1 - beta2 ** (t - 1)) / (1 - beta1 ** (t - 1)) * u
        w = w - lr * weight_decay * w
    if matrix:
        beta = beta2 if shampoo_beta < 0 else shampoo_beta
        s.left = lerp(s.left, g @ g.T, 1 - beta)
        s.right = lerp(s.right, g.T @ g, 1 - beta)
        if t == 1 or (t - 1) % frequency == 0 and exact_basis:
            s.p, s.q = np.linalg.eigh(s.left)[1], np.linalg.eigh(s.right)[1]  # eigenvalues ascend
        elif (t - 1) % frequency == 0:
            order = np.argsort(-np.diag(s.p.T @ s.left @ s.p))
            s.p, s.v = np.linalg.qr(s.left @ s.p[:, order])[0], s.v[order, :]
            order = np.argsort(-np.diag(s.q.T @ s.right @ s.q))
            s.q, s.v = np.linalg.qr(s.right @ s.q[:, order])[0], s.v[:, order]
    return w


def sophia(w, g, s, t, lr=1e-4, beta1=0.965, beta2=0.99, rho=0.04, eps=1e-12, weight_decay=0, every=10):
    """arXiv:2305.14342, algorithm 3. w holds all weights, for their curvature."""
    if (t - 1) % every == 0:
        s.h = beta2 * s.h + (1 - beta2) * curvature(w)
    s.m = beta1 * s.m + (1 - beta1) * g
    w = w - lr * weight_decay * w
    return w - lr * np.clip(s.m / np.maximum(rho * s.h, eps), -1, 1)


def dog(w, g, s, t, lr=1, r_rel=1e-6, eps=1e-8, weight_decay=0, weighted=False):
    """arXiv:2302.12022, as the authors' code; weighted: arXiv:2305.16284, Alg. 1, with DoG's first distance. w holds
    all weights. The average is the PolynomialDecayAverager's of DoG's authors, with gamma = 8; the first is a copy of
    the weights after step 1."""
    g = g + weight_decay * w
    if t == 1:
        s.start, s.distance, s.sum = w, r_rel * (1 + norm(w)), 0 if weighted else eps
    s.distance = max(s.distance, norm(w - s.start))
    if weighted:
        s.sum = s.sum + s.distance**2 * np.sum(g * g)
        w = w - lr * s.distance**2 / (np.sqrt(s.sum) + eps) * g
    else:
        s.sum = s.sum + np.sum(g * g)
        w = w - lr * s.distance / np.sqrt(s.sum) * g
    s.average = lerp(s.average, w, 9 / (8 + t))
    return w


def dadapt_sgd(w, g, s, t, lr=1, momentum=0, weight_decay=0, d0=1e-6, growth_rate=math.inf):
    """arXiv:2301.07733, as the authors' code 3.2. w holds all weights. first_norm is that of a gradient without the
    decay."""
    if t == 1:
        s.start, s.d, s.first_norm = w, d0, norm(g)
    g = g + weight_decay * w
    rate = s.d * lr / s.first_norm
    s.numerator = s.numerator + rate * np.sum(g * s.s)
    s.s = s.s + rate * g
    s.d = max(s.d, min(2 * s.numerator / norm(s.s), s.d * growth_rate))
    return momentum * w + (1 - momentum) * (s.start - s.s)


def dadapt_adam(w, g, s, t, lr=1, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, d0=1e-6, growth_rate=math.inf,
                decoupled=False, bias_correction=False):
    """arXiv:2301.07733, as the authors' code 3.2. w holds all weights. All but the next d has the present d; the
    numerator has v before this gradient."""
    s.d = d0 if t == 1 else s.d
    g = g if decoupled else g + weight_decay * w
    rate = s.d * lr * (math.sqrt(1 - beta2**t) / (1 - beta1**t) if bias_correction else 1)
    root = math.sqrt(beta2)
    s.numerator = root * s.numerator + (1 - root) * rate * np.sum(g * s.s / (np.sqrt(s.v) + eps))
    s.m = beta1 * s.m + (1 - beta1) * rate * g
    s.v = beta2 * s.v + (1 - beta2) * g * g
    s.s = root * s.s + (1 - root) * rate * g
    s.d = max(s.d, min(s.numerator / ((1 - root) * np.sum(np.abs(s.s))), s.d * growth_rate))
    w = w - weight_decay * rate * w if decoupled else w
    return w - s.m / (np.sqrt(s.v) + eps)


def shampoo(w, g, s, t, lr=0.01, beta1=0.9, beta2=1, eps=1e-12, weight_decay=0, frequency=10, graft_beta2=0.999,
            graft_eps=1e-8, graft_adam=True, graft_sgd=False):
    """arXiv:1802.09568, algorithm 1, with the averages, their corrections and the grafting of arXiv:2309.06497.
    A tensor is a matrix, first extent × rest; a vector has a diagonal for its matrix, and the power −1/2. A beta of 1
    sums. Without a graft the direction keeps its own length."""

    def gathered(total, new, beta):
        return total + new if beta == 1 else beta * total + (1 - beta) * new

    def corrected(average, beta):
        return average if beta == 1 else average / (1 - beta**t)

    def root(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return (vectors * (np.maximum(values, 0) + eps) ** -0.25) @ vectors.T

    s.m = beta1 * s.m + (1 - beta1) * g
    m = s.m / (1 - beta1**t)
    if g.ndim > 1:
        matrix = g.reshape(len(g), -1)
        s.left = gathered(s.left, matrix @ matrix.T, beta2)
        s.right = gathered(s.right, matrix.T @ matrix, beta2)
        if (t - 1) % frequency == 0:
            s.p, s.q = root(corrected(s.left, beta2)), root(corrected(s.right, beta2))
        u = (s.p @ m.reshape(matrix.shape) @ s.q).reshape(g.shape)
    else:
        s.left = gathered(s.left, g * g, beta2)
        u = m / np.sqrt(corrected(s.left, beta2) + eps)
    if graft_adam or graft_sgd:
        s.v = gathered(s.v, g * g, graft_beta2)
        grafted = m if graft_sgd else m / (np.sqrt(corrected(s.v, graft_beta2)) + graft_eps)
        u = u * (norm(grafted) / norm(u)) if norm(u) > 0 else u
    return w - lr * weight_decay * w - lr * u


class Rule:
    """Steps every tensor with its own state, or with whole all of them as one vector."""

    def __init__(self, function, fields, whole=False):
        self.function, self.fields, self.whole, self.t, self.states = function, fields, whole, 0, None

    def step(self, tensors, gradient):
        fields = {name: value(field, self.t) for name, field in self.fields.items()}
        self.t += 1
        ws, gs = tensors, gradient(tensors)
        if self.whole:
            ws, gs = [flat(ws)], [flat(gs)]
        self.states = self.states or [State() for w in ws]
        ws = [self.function(w, g, s, self.t, **fields) for w, g, s in zip(ws, gs, self.states)]
        return like(ws[0], tensors) if self.whole else ws

    def average(self):
        return flat([s.average for s in self.states]) if "average" in vars(self.states[0]) else None


# ---- wrappers in NumPy: the outermost sees the gradient first and hands what it makes of it to its inner rule ----
class Wrapper:
    def average(self):
        return None


class Clip(Wrapper):
    def step(self, tensors, gradient):
        return self.inner.step(tensors, lambda at: self.clipped(gradient(at), at))


class clip_norm(Clip):
    def __init__(self, inner, max_norm):
        self.inner, self.max_norm = inner, max_norm

    def clipped(self, gs, ws):
        n = norm(flat(gs))
        return [self.max_norm * g / n for g in gs] if n > self.max_norm else gs


class clip_norm_per_parameter(Clip):
    def __init__(self, inner, max_norm):
        self.inner, self.max_norm = inner, max_norm

    def clipped(self, gs, ws):
        return [self.max_norm * g / norm(g) if norm(g) > self.max_norm else g for g in gs]


class clip_value(Clip):
    def __init__(self, inner, max_value):
        self.inner, self.max_value = inner, max_value

    def clipped(self, gs, ws):
        return [np.clip(g, -self.max_value, self.max_value) for g in gs]


class agc(Clip):
    """Adaptive gradient clipping, arXiv:2102.06171. A unit is a row of a matrix, or a whole vector."""

    def __init__(self, inner, clip=0.01, eps=1e-3):
        self.inner, self.clip, self.eps = inner, clip, eps

    def clipped(self, gs, ws):
        return [self.units(g, w) for g, w in zip(gs, ws)]

    def units(self, g, w):
        unit_norm = lambda x: np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
        largest = self.clip * np.maximum(unit_norm(w), self.eps)
        return np.where(unit_norm(g) > largest, g * largest / unit_norm(g), g)


class sam(Wrapper):
    """arXiv:2010.01412; adaptive: arXiv:2102.11600. The inner rule sees the gradient at the climbed weights."""

    def __init__(self, inner, rho=0.05, adaptive=False):
        self.inner, self.rho, self.adaptive = inner, rho, adaptive

    def step(self, tensors, gradient):
        w, g = flat(tensors), flat(gradient(tensors))
        scale = np.abs(w) + 0.01 if self.adaptive else np.ones_like(w)
        climbed = w + self.rho * scale**2 * g / norm(scale * g)
        second = gradient(like(climbed, tensors))
        return self.inner.step(tensors, lambda at: second)


def asam(inner, rho=0.5):
    return sam(inner, rho, adaptive=True)


class mechanic(Wrapper):
    """arXiv:2306.00144, as mechanic_pytorch with its defaults: the delta, which is the inner rule's whole way from the
    first weights, follows from the weights and the last scale; the decay has the inner rule's next weights."""

    def __init__(self, inner, s_decay=0.01, s_init=1e-8, eps=1e-8):
        self.inner, self.s_decay, self.s_init, self.eps, self.first = inner, s_decay, s_init, eps, None
        self.betas = np.array([0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999])
        self.s, self.v, self.reward, self.largest = np.zeros(6), np.zeros(6), np.zeros(6), np.full(6, 1e-6)

    def step(self, tensors, gradient):
        w, g = flat(tensors), flat(gradient(tensors))
        self.first = w if self.first is None else self.first
        inner, scale = flat(self.inner.step(tensors, gradient)), np.sum(self.s)
        delta = (w - self.first) / (scale + self.eps)
        h = np.dot(delta, g + self.s_decay * scale * norm(g) / (norm(inner) + self.eps) * inner)
        self.largest = np.maximum(self.betas * self.largest, abs(h))
        self.v = self.betas**2 * self.v + h**2
        self.reward = np.maximum(self.betas * self.reward - self.s * h, 0)
        self.s = (self.s_init / len(self.betas) * self.largest + self.reward) / (np.sqrt(self.v) + self.eps)
        return like(self.first + np.sum(self.s) * (delta + inner - w), tensors)


class cautious(Wrapper):
    """arXiv:2411.16085. The step of the inner rule is kept where it goes with the gradient, and is made longer."""

    def __init__(self, inner, mean_form=False):
        self.inner, self.mean_form = inner, mean_form

    def step(self, tensors, gradient):
        afters = self.inner.step(tensors, gradient)
        return [w - self.masked(w - after, g) for w, after, g in zip(tensors, afters, gradient(tensors))]

    def masked(self, u, g):
        mask = u * g > 0
        return u * mask * (1 / max(np.mean(mask), 1e-3) if self.mean_form else mask.size / (np.sum(mask) + 1))


class looksam(Wrapper):
    """arXiv:2203.02714, Alg. 1, norms over all parameters. Steps 1, 1 + k, 1 + 2k, … are SAM's; what of their gradients
    is orthogonal to that at the weights serves the others."""

    def __init__(self, inner, rho=0.05, k=5, alpha=0.7):
        self.inner, self.rho, self.k, self.alpha, self.t = inner, rho, k, alpha, 0

    def step(self, tensors, gradient):
        w, g = flat(tensors), flat(gradient(tensors))
        if self.t % self.k == 0:
            used = flat(gradient(like(w + self.rho * g / norm(g), tensors)))
            self.orthogonal = used - np.dot(used, g) / np.dot(g, g) * g
        else:
            used = g + self.alpha * norm(g) / norm(self.orthogonal) * self.orthogonal
        self.t += 1
        return self.inner.step(tensors, lambda at: like(used, tensors))


class gsam(Wrapper):
    """arXiv:2203.08065, as the authors' code, without its eps of 1e-12. Of the gradient at the weights, alpha times
    what is orthogonal to that at the climbed weights is taken from the latter."""

    def __init__(self, inner, rho=0.05, alpha=0.4):
        self.inner, self.rho, self.alpha = inner, rho, alpha

    def step(self, tensors, gradient):
        w, g = flat(tensors), flat(gradient(tensors))
        second = flat(gradient(like(w + self.rho * g / norm(g), tensors)))
        orthogonal = g - np.dot(g, second) / np.dot(second, second) * second
        return self.inner.step(tensors, lambda at: like(second - self.alpha * orthogonal, tensors))


class lookahead(Wrapper):
    """arXiv:1907.08610."""

    def __init__(self, inner, k=5, alpha=0.5):
        self.inner, self.k, self.alpha, self.t = inner, k, alpha, 0

    def step(self, tensors, gradient):
        self.slow = tensors if self.t == 0 else self.slow
        self.t += 1
        fast = self.inner.step(tensors, gradient)
        if self.t % self.k == 0:
            fast = self.slow = [lerp(x, y, self.alpha) for x, y in zip(self.slow, fast)]
        return fast


class accumulate(Wrapper):
    """The inner rule steps at every steps-th call, with the mean of the gradients since its last."""

    def __init__(self, inner, steps):
        self.inner, self.steps, self.gradients = inner, steps, []

    def step(self, tensors, gradient):
        self.gradients.append(gradient(tensors))
        if len(self.gradients) < self.steps:
            return tensors
        mean = [sum(gs) / self.steps for gs in zip(*self.gradients)]
        self.gradients = []
        return self.inner.step(tensors, lambda at: mean)


class ema:
    """The first average is a copy of the weights after step 1."""

    def __init__(self, inner, decay=0.999):
        self.inner, self.decay, self.mean = inner, decay, None

    def step(self, tensors, gradient):
        tensors = self.inner.step(tensors, gradient)
        self.mean = flat(tensors) if self.mean is None else lerp(flat(tensors), self.mean, self.decay)
        return tensors

    def average(self):
        return self.mean


class swa:
    """arXiv:1803.05407. The mean of the weights after the steps t, counted from 0, with t >= start and
    (t − start) % every == 0."""

    def __init__(self, inner, start=10, every=3):
        self.inner, self.start, self.every, self.t, self.n, self.mean = inner, start, every, 0, 0, None

    def step(self, tensors, gradient):
        tensors = self.inner.step(tensors, gradient)
        if self.t >= self.start and (self.t - self.start) % self.every == 0:
            self.mean = flat(tensors) if self.n == 0 else self.mean + (flat(tensors) - self.mean) / (self.n + 1)
            self.n += 1
        self.t += 1
        return tensors

    def average(self):
        return self.mean


class newton_cg(Wrapper):
    """Nocedal & Wright 2006, Alg. 7.1, with Martens' damping (2010)."""

    def __init__(self, damping=0, max_cg=50):
        self.lam, self.max_cg = damping, max_cg

    def problem(self, x, g):
        """The loss as a function, its gradient, and the matrix."""
        return lambda at: loss([at]), g, np.diag(curvature(x))

    def step(self, tensors, gradient):
        x = flat(tensors)
        f, g, matrix = self.problem(x, flat(gradient(tensors)))
        hessian = matrix + self.lam * np.eye(len(x))
        p, r, d = np.zeros_like(x), g, -g
        for _ in range(self.max_cg):
            bend = d @ hessian @ d
            if bend <= 0:
                p = d if not np.any(p) else p
                break
            alpha = (r @ r) / bend
            p, new = p + alpha * d, r + alpha * hessian @ d
            if norm(new) <= min(0.5, math.sqrt(norm(g))) * norm(g):
                break
            d, r = -new + (new @ new) / (r @ r) * d, new
        gain = (f(x + p) - f(x)) / (g @ p + 0.5 * p @ hessian @ p)
        t = 1.0
        while f(x + t * p) > f(x) + 1e-4 * t * (g @ p) and t >= 2**-30:
            t /= 2
        self.lam *= 2 / 3 if gain > 0.75 else 1 if gain >= 0.25 else 1.5
        return like(x + t * p if t >= 2**-30 else x, tensors)

    def average(self):
        return None


class Lines:
    """Rules that go along lines, each searched by PyTorch's strong Wolfe search. As PyTorch's L-BFGS, but for what
    chooses the direction and the first guess: those of Nocedal & Wright 2006."""

    def __init__(self, lr=1, max_iter=20, max_eval=0, tolerance_grad=1e-7, tolerance_change=1e-9, **fields):
        self.lr, self.max_iter, self.grad, self.change = lr, max_iter, tolerance_grad, tolerance_change
        self.max_eval, self.t = max_eval or int(max_iter * self.evaluations), 0
        self.begin(**fields)

    def step(self, tensors, gradient):
        x, used = flat(tensors), 1

        def at(x, t, d):
            now = like((x + t * d).numpy() if torch.is_tensor(x) else x + t * d, tensors)
            return float(loss(now)), torch.tensor(flat(gradient(now)))

        f, g = at(x, 0, 0 * x)
        g, self.rate = g.numpy(), value(self.lr, self.t)
        self.t += 1
        n = 0
        while np.max(np.abs(g)) > self.grad:
            d = self.direction(g)
            slope = g @ d
            if slope >= 0:
                if not self.forget():
                    break
                continue
            f_new, g_new, t, count = _strong_wolfe(
                at, torch.tensor(x), self.guess(g, slope), torch.tensor(d), f, torch.tensor(g), torch.tensor(slope),
                c2=self.flatness)
            t, f_new, g_new, used = float(t), float(f_new), g_new.numpy(), used + count
            if f_new >= f:
                if not self.forget():
                    break
                continue
            s, fall, n = t * d, f - f_new, n + 1
            x = x + s
            self.learn(s, g, g_new, t, slope, d)
            f, g = f_new, g_new
            if n == self.max_iter or used >= self.max_eval or np.max(np.abs(s)) <= self.change or fall < self.change:
                break
        return like(x, tensors)

    def average(self):
        return None


class bfgs(Lines):
    """Nocedal & Wright 2006, Alg. 6.1; self-scaled: arXiv:2405.04230, eq. 9 to 23, with their code's first scale."""
    evaluations, flatness = 1.25, 0.9

    def begin(self, self_scaled=False, broyden=False):
        self.self_scaled, self.broyden, self.H = self_scaled, broyden, None

    def direction(self, g):
        return -g if self.H is None else -self.H @ g

    def guess(self, g, slope):
        return self.rate * (min(1, 1 / np.sum(np.abs(g))) if self.H is None else 1)

    def forget(self):
        had, self.H = self.H is not None, None
        return had

    def learn(self, s, g, g_new, t, slope, d):
        y, n = g_new - g, len(s)
        if y @ s <= 0:
            return
        first, H = self.H is None, np.eye(n) if self.H is None else self.H
        Hy = H @ y
        b, h = -t * (s @ g) / (y @ s), (y @ Hy) / (y @ s)
        tau = phi = 1.0
        if self.broyden:
            a = b * h - 1
            root = np.sqrt(abs(a) / (1 + a))
            low = min(1, h * (1 - root))
            theta = max((low - 1) / a, min(1 / low, (1 - b) / b))
            sigma = 1 + a * theta
            phi = (1 - theta) / sigma
            if first:
                tau = h / sigma
            elif theta <= 0:
                tau = min(min(1, 1 / b) * sigma ** (-1 / (n - 1)), sigma)
            else:
                tau = min(1, 1 / b) * min(sigma ** (-1 / (n - 1)), 1 / theta)
        elif first:
            tau = (y @ y) / (y @ s)
        elif self.self_scaled:
            tau = min(1, 1 / b)
        v = np.sqrt(y @ Hy) * (s / (y @ s) - Hy / (y @ Hy))
        self.H = (H - np.outer(Hy, Hy) / (y @ Hy) + phi * np.outer(v, v)) / tau + np.outer(s, s) / (y @ s)


class cg(Lines):
    """Nocedal & Wright 2006, Alg. 5.4 and eq. 5.41, 5.44, 5.46."""
    evaluations, flatness = 2.5, 0.1

    def begin(self, fletcher_reeves=False, hestenes_stiefel=False):
        self.fr, self.hs, self.d = fletcher_reeves, hestenes_stiefel, None

    def direction(self, g):
        if self.d is None:
            return -g
        y = g - self.g
        beta = g @ g / (self.g @ self.g) if self.fr else g @ y / (self.d @ y) if self.hs else \
            max(0, g @ y / (self.g @ self.g))
        return -g + beta * self.d

    def guess(self, g, slope):
        return self.rate * min(1, 1 / np.sum(np.abs(g))) if self.d is None else self.fall / slope

    def forget(self):
        had, self.d = self.d is not None, None
        return had

    def learn(self, s, g, g_new, t, slope, d):
        self.d, self.g, self.fall = d, g, t * slope


def residuals(w):
    return np.concatenate([np.sqrt(k) * (w - c), 2 * np.sin(3 * w), w[:-1] * w[1:]])


def jacobian(w):
    products = np.zeros((9, 10))
    for i in range(9):
        products[i, i], products[i, i + 1] = w[i + 1], w[i]
    return np.vstack([np.diag(np.sqrt(k)), np.diag(6 * np.cos(3 * w)), products])


# ---- rules that need the loss: w and g hold all weights, and f is the loss as a function of them ----
def polyak(w, g, s, t, f, lr=1, c=0.5, f_star=0, eps=0):
    """arXiv:2002.10542, SPS_max; lr is its bound gamma_b. eps as in the authors' code."""
    denominator = c * np.dot(g, g) + eps
    eta = max(0, min(lr, (f(w) - f_star) / denominator)) if denominator > 0 else 0
    return w - eta * g


def momo(w, g, s, t, f, lr=1, beta=0.9, f_star=0, weight_decay=0):
    """arXiv:2305.07583, algorithm 1, and its decay. The averages start at their first values."""
    new = f(w), np.dot(g, w), g
    if t > 1:
        new = [beta * old + (1 - beta) * x for old, x in zip((s.f, s.gamma, s.d), new)]
    s.f, s.gamma, s.d = new
    decay = 1 + lr * weight_decay
    rise, square = decay * (s.f - f_star - s.gamma) + np.dot(s.d, w), np.dot(s.d, s.d)
    tau = min(lr, max(rise, 0) / square) if square > 0 else 0
    return (w - tau * s.d) / decay


def armijo_sgd(w, g, s, t, f, lr=1, c=0.1, shrink=0.5, growth=2, most=30):
    """arXiv:1905.09997, algorithm 1. The first trial is lr, then growth times the last step taken, lr at most. After
    most trials in vain the weights stay, and the last step taken is still the last."""
    here, square = f(w), np.dot(g, g)
    eta = min(lr, growth * s.eta) if s.eta > 0 else lr
    for _ in range(most):
        if f(w - eta * g) <= here - c * eta * square:
            s.eta = eta
            return w - eta * g
        eta = shrink * eta
    return w


class LossRule(Rule):
    """Steps all weights as one vector."""

    def step(self, tensors, gradient):
        fields = {name: value(field, self.t) for name, field in self.fields.items()}
        self.t += 1
        self.states = self.states or [State()]
        w = self.function(flat(tensors), flat(gradient(tensors)), self.states[0], self.t,
                          lambda w: loss(like(w, tensors)), **fields)
        return like(w, tensors)


def loss_rule(function, **preset):
    return lambda **fields: LossRule(function, {**preset, **fields})


def philox(seed, stream, count):
    """Blocks of four 32-bit numbers by Philox 4×32-10: Salmon et al. 2011, with Random123's constants."""
    mask = np.uint64(0xFFFFFFFF)
    c = [np.arange(count, dtype=np.uint64), np.zeros(count, np.uint64), np.full(count, stream, np.uint64),
         np.zeros(count, np.uint64)]
    keys = [np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)]
    for _ in range(10):
        first, third = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(third >> np.uint64(32)) ^ c[1] ^ keys[0], third & mask, (first >> np.uint64(32)) ^ c[3] ^ keys[1],
             first & mask]
        keys = [(keys[0] + np.uint64(0x9E3779B9)) & mask, (keys[1] + np.uint64(0xBB67AE85)) & mask]
    return np.stack(c, 1)


def normals(seed, generation, count, n):
    """A pair of normals of each block, by Box & Muller 1958, of 53 bits each."""
    b = philox(seed, generation, (count * n + 1) // 2)
    unit = lambda high, low: (((high << np.uint64(32)) | low) >> np.uint64(11)).astype(float) * 2.0**-53
    radius, turn = np.sqrt(-2 * np.log(unit(b[:, 0], b[:, 1]) + 2.0**-53)), 2 * np.pi * unit(b[:, 2], b[:, 3])
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], 1).ravel()[:count * n].reshape(count, n)


class cmaes:
    """Hansen, arXiv:1604.00772v2, figure 6 with the defaults of table 1, negative weights among them. A step is a
    generation, the weights are its mean. A candidate is m + sigma·y with y = √C z and the symmetric root B D Bᵀ: B D z, distributed alike, would depend on
    the signs and the order of eigenvectors."""

    def __init__(self, sigma=0.3, population=0, seed=0):
        self.sigma, self.population, self.seed, self.t = sigma, population, seed, 0

    def begin(self, n):
        self.count = self.population or 4 + math.floor(3 * math.log(n))
        self.mu = self.count // 2
        raw = np.log((self.count + 1) / 2) - np.log(np.arange(1.0, self.count + 1))
        effective = lambda weights: np.sum(weights) ** 2 / np.sum(weights**2)
        self.effective = mass = effective(raw[:self.mu])
        self.c_sigma = (mass + 2) / (n + mass + 5)
        self.damping = 1 + 2 * max(0, math.sqrt((mass - 1) / (n + 1)) - 1) + self.c_sigma
        self.c_path = (4 + mass / n) / (n + 4 + 2 * mass / n)
        self.c_one = 2 / ((n + 1.3) ** 2 + mass)
        self.c_mu = min(1 - self.c_one, 2 * (0.25 + mass + 1 / mass - 2) / ((n + 2) ** 2 + mass))
        negative = min(1 + self.c_one / self.c_mu, 1 + 2 * effective(raw[self.mu:]) / (mass + 2),
                       (1 - self.c_one - self.c_mu) / (n * self.c_mu))
        self.weights = np.where(raw >= 0, raw / np.sum(raw[raw > 0]), raw * negative / -np.sum(raw[raw < 0]))
        self.expected = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        self.path_sigma, self.path, self.C = np.zeros(n), np.zeros(n), np.eye(n)

    def step(self, tensors, gradient):
        m = flat(tensors)
        n = len(m)
        if self.t == 0:
            self.begin(n)
        squares, vectors = np.linalg.eigh(self.C)
        z = normals(self.seed, self.t, self.count, n)
        self.t += 1
        y = z @ ((vectors * np.sqrt(squares)) @ vectors.T)
        order = np.argsort([loss(like(m + self.sigma * row, tensors)) for row in y], kind="stable")
        z, y, best = z[order], y[order], self.weights[:self.mu]
        z_mean, y_mean = best @ z[:self.mu], best @ y[:self.mu]  # z = C^(−1/2) y
        m = m + self.sigma * y_mean
        keep = 1 - self.c_sigma
        gain = self.c_sigma * (2 - self.c_sigma)
        self.path_sigma = keep * self.path_sigma + math.sqrt(gain * self.effective) * z_mean
        length = norm(self.path_sigma)
        calm = float(length / math.sqrt(1 - keep ** (2 * self.t)) < (1.4 + 2 / (n + 1)) * self.expected)
        grown = self.c_path * (2 - self.c_path)
        self.path = (1 - self.c_path) * self.path + calm * math.sqrt(grown * self.effective) * y_mean
        scaled = np.where(self.weights >= 0, self.weights, self.weights * n / np.sum(z * z, axis=1))
        rest = 1 + self.c_one * (1 - calm) * grown - self.c_one - self.c_mu * np.sum(self.weights)
        self.C = rest * self.C + self.c_one * np.outer(self.path, self.path) + self.c_mu * (y.T * scaled) @ y
        self.sigma = self.sigma * math.exp(self.c_sigma / self.damping * (length / self.expected - 1))
        return like(m, tensors)

    def average(self):
        return None


class Residuals:
    """Rules of least squares: they minimise half the sum of the squared residuals."""

    def step(self, tensors, gradient):
        x = flat(tensors)
        self.noise = flat(gradient(tensors))[:1] - flat(exact_gradient(tensors))[:1]  # 0, or about 1e-15
        return like(self.minimise(x), tensors)

    def r(self, x):
        return residuals(x) + self.noise

    def average(self):
        return None


class lm(Residuals):
    """Levenberg–Marquardt with Moré's scale (1978), Nielsen's damping (1999), and the acceleration of Transtrum &
    Sethna 2012. Solves the normal equations where the library takes a QR decomposition."""

    def __init__(self, damping=1e-3, max_iter=1000, scale_memory=0.5, acceleration=0.75, tolerance_change=1e-10,
                 tolerance_grad=1e-12, unscaled=False):
        self.first, self.max_iter, self.keep, self.bend = damping, max_iter, scale_memory, acceleration
        self.change, self.grad, self.unscaled, self.D = tolerance_change, tolerance_grad, unscaled, None

    def minimise(self, x):
        r, J = self.r(x), jacobian(x)
        if self.D is None:
            self.D = np.ones(10) if self.unscaled else np.sum(J * J, 0)
            self.lam, self.nu = self.first * (np.max(np.sum(J * J, 0)) if self.unscaled else 1), 2
        for _ in range(self.max_iter):
            g, F = J.T @ r, 0.5 * r @ r
            if np.all(np.abs(g) <= self.grad * np.sqrt(np.sum(J * J, 0)) * np.sqrt(r @ r)):
                self.D = None
                break
            A = J.T @ J + self.lam * np.diag(self.D)
            delta = np.linalg.solve(A, -g)
            foretold = 0.5 * delta @ (self.lam * self.D * delta - g)
            step, gain = delta, -1
            if self.bend > 0:
                curve = 2 / 0.1 * ((self.r(x + 0.1 * delta) - r) / 0.1 - J @ delta)
                a = np.linalg.solve(A, -J.T @ curve)
                length = lambda v: np.sqrt(v @ (self.D * v))
                step = delta + a / 2 if 2 * length(a) <= self.bend * length(delta) else None
            if step is not None:
                new = self.r(x + step)
                gain = (F - 0.5 * new @ new) / foretold
            tiny = np.all(np.abs(delta if step is None else step) <= self.change * np.abs(x))
            if gain > 1e-4:
                x, r, J = x + step, new, jacobian(x + step)
                self.lam, self.nu = self.lam * max(1 / 3, 1 - (2 * gain - 1) ** 3), 2
                if not self.unscaled:
                    keep = 1 if self.keep > 0 and self.lam > 0.1 else self.keep
                    self.D = np.maximum(np.sum(J * J, 0), keep * self.D)
            if tiny:
                self.D = None
                break
            if not gain > 1e-4:
                self.lam, self.nu = self.lam * self.nu, 2 * self.nu
        return x


class hessian_free(newton_cg):
    """The same with the Gauss–Newton matrix of residuals (Martens 2010)."""

    def __init__(self, damping=0.01, max_cg=50):
        super().__init__(None, max_cg)
        self.share = damping

    def problem(self, x, g):
        noise = g[:1] - flat(exact_gradient([x]))[:1]
        r, J = lambda at: residuals(at) + noise, jacobian(x)
        if self.lam is None:
            g = J.T @ r(x)
            self.lam = self.share * (J @ g) @ (J @ g) / (g @ g)
        return lambda at: 0.5 * r(at) @ r(at), J.T @ r(x), J.T @ J


class gauss_newton(Residuals):
    """Nocedal & Wright 2006, section 10.3, with the pseudo-inverse and Armijo's rule."""

    def __init__(self, max_iter=100, tolerance_change=1e-10):
        self.max_iter, self.change = max_iter, tolerance_change

    def minimise(self, x):
        for _ in range(self.max_iter):
            r, J = self.r(x), jacobian(x)
            d, F, t = -np.linalg.pinv(J) @ r, 0.5 * r @ r, 1.0
            while t >= 2**-30 and not 0.5 * self.r(x + t * d) @ self.r(x + t * d) <= F + 1e-4 * t * (r @ J @ d):
                t /= 2
            if t < 2**-30:
                break
            x = x + t * d
            if np.all(np.abs(t * d) <= self.change * np.abs(x - t * d)):
                break
        return x


class natural_gradient(Residuals):
    """Guzmán-Cordero et al. 2025, Alg. 1, without its bias correction as in the authors' code; line search on their
    grid 2⁰, 2⁻¹, …, 2⁻³⁰."""

    def __init__(self, lr=1, damping=1e-6, momentum=0, max_norm=0, line_search=True):
        self.lr, self.lam, self.mu, self.most, self.search = lr, damping, momentum, max_norm, line_search
        self.phi, self.t = np.zeros(10), 0

    def minimise(self, x):
        r, J, lr = self.r(x), jacobian(x), value(self.lr, self.t)
        self.t += 1
        zeta = r - self.mu * J @ self.phi
        self.phi = J.T @ np.linalg.solve(J @ J.T + self.lam * np.eye(len(r)), zeta) + self.mu * self.phi
        t = min(lr, self.most / np.sqrt(self.phi @ self.phi)) if self.most else lr
        if self.search:
            rates = [0] + [t * 0.5**i for i in range(31)]
            t = min(rates, key=lambda rate: np.sum(self.r(x - rate * self.phi) ** 2))
        return x - t * self.phi


def spring(**fields):
    return natural_gradient(**dict(dict(lr=0.1, damping=1e-3, momentum=0.99, max_norm=0.03, line_search=False),
                                   **fields))


def rule(function, whole=False, **preset):
    return lambda **fields: Rule(function, {**preset, **fields}, whole)


def coslog4(value, steps):  # Holzmüller et al. 2024, section 3.1
    return lambda t: value * 0.5 * (1 - math.cos(2 * math.pi * math.log(1 + (2**4 - 1) * min(t / steps, 1), 2)))


SCHEDULES = dict(rex=rex, sqrt_cooldown=sqrt_cooldown, wsd=wsd, sqrt=True, constant=constant, coslog4=coslog4, cosine=cosine, joined=joined, warmup=warmup,
                 inverse_sqrt=inverse_sqrt, sqrt_decay=sqrt_decay)
WORDS = dict(SCHEDULES, true=True, false=False)
IN_NUMPY = dict(
    WORDS, sgd=rule(sgd), momentum=rule(sgd, momentum=0.9), nesterov=rule(sgd, momentum=0.9, nesterov=True),
    adagrad=rule(adagrad), rmsprop=rule(rmsprop), adam=rule(adam), amsgrad=rule(amsgrad), adamw=rule(adamw),
    asgd=rule(asgd), lion=rule(lion), muon=rule(muon), schedule_free_sgd=rule(schedule_free_sgd),
    schedule_free_adamw=rule(schedule_free_adamw), prodigy=rule(prodigy, whole=True), lamb=rule(lamb), lars=rule(lars),
    adan=rule(adan), adafactor=rule(adafactor), soap=rule(soap), sophia=rule(sophia, whole=True),
    nadamw=rule(nadamw), adopt=rule(adopt), ademamix=rule(ademamix), bfgs=bfgs, ssbfgs=lambda **fields: bfgs(**{"self_scaled": True, **fields}),
    ssbroyden=lambda **fields: bfgs(**{"broyden": True, **fields}), cg=cg, lm=lm, gauss_newton=gauss_newton,
    polyak=loss_rule(polyak), momo=loss_rule(momo), armijo_sgd=loss_rule(armijo_sgd), dog=rule(dog, whole=True),
    dowg=rule(dog, whole=True, eps=0, weighted=True), dadapt_sgd=rule(dadapt_sgd, whole=True), dadapt_adam=rule(dadapt_adam, whole=True),
    newton_cg=newton_cg, hessian_free=hessian_free, shampoo=rule(shampoo), cmaes=cmaes, mechanic=mechanic, cautious=cautious, looksam=looksam, gsam=gsam,
    natural_gradient=natural_gradient, spring=spring,
    clip_norm=clip_norm, clip_norm_per_parameter=clip_norm_per_parameter, clip_value=clip_value, agc=agc, sam=sam,
    asam=asam, lookahead=lookahead, accumulate=accumulate, ema=ema, swa=swa)


# ---- rules in PyTorch ----
TORCH_FIELDS = dict(betas=("beta1", "beta2"), etas=("eta_minus", "eta_plus"), step_sizes=("step_min", "step_max"))
TORCH_PAIRS = dict(betas=(0.9, 0.999), etas=(0.5, 1.2), step_sizes=(1e-6, 50))
TORCH_NAMES = dict(initial_accumulator="initial_accumulator_value", history="history_size")


def torch_fields(fields):
    """Descent's fields as PyTorch's."""
    result = {TORCH_NAMES.get(name, name): field for name, field in fields.items()}
    for pair, (first, second) in TORCH_FIELDS.items():
        if first in result or second in result:
            result[pair] = (result.pop(first, TORCH_PAIRS[pair][0]), result.pop(second, TORCH_PAIRS[pair][1]))
    if result.get("max_eval") == 0:
        del result["max_eval"]  # PyTorch's own default, max_iter·5/4
    if "strong_wolfe" in result:
        result["line_search_fn"] = "strong_wolfe" if result.pop("strong_wolfe") else None
    return result


class TorchRule:
    """Before every step the fields are set to their values there. groups: one dictionary of fields per tensor."""

    def __init__(self, make, fields, groups=None):
        self.make, self.fields, self.groups, self.t = make, fields, groups, 0

    def step(self, tensors, gradient):
        fields = torch_fields({name: value(field, self.t) for name, field in self.fields.items()})
        if self.t == 0:
            self.module = torch.nn.ParameterList([torch.nn.Parameter(torch.tensor(x)) for x in tensors])
            groups = [dict(group, params=[p]) for group, p in zip(self.groups or [], self.module)]
            self.optimizer = self.make(groups or self.module.parameters(), **fields)
        self.optimizer.param_groups[0].update(fields)
        self.t += 1

        def closure():
            now = [p.detach().numpy() for p in self.module]
            for p, g in zip(self.module, gradient(now)):
                p.grad = torch.tensor(g)
            return torch.tensor(loss(now))

        self.optimizer.step(closure)
        return [p.detach().numpy().copy() for p in self.module]

    def average(self):
        states = [self.optimizer.state[p] for p in self.module]
        return flat([s["ax"].numpy() for s in states]) if "ax" in states[0] else None


class TorchAverage:
    """takes(t): whether the weights after step t = 0, 1, … are averaged."""

    def __init__(self, inner, takes, function=None):
        self.inner, self.takes, self.function, self.t = inner, takes, function, 0

    def step(self, tensors, gradient):
        tensors = self.inner.step(tensors, gradient)
        if self.t == 0:
            self.model = torch.optim.swa_utils.AveragedModel(self.inner.module, avg_fn=self.function)
        if self.takes(self.t):
            self.model.update_parameters(self.inner.module)
        self.t += 1
        return tensors

    def average(self):
        return flat([p.detach().numpy() for p in self.model.module])


def torch_ema(inner, decay=0.999):
    return TorchAverage(inner, lambda t: True, lambda mean, p, n: decay * mean + (1 - decay) * p)


def torch_swa(inner, start=10, every=3):
    return TorchAverage(inner, lambda t: t >= start and (t - start) % every == 0)


def torch_rule(make, **preset):
    return lambda **fields: TorchRule(make, {**preset, **fields})


def torch_amsgrad(decoupled=False, **fields):
    return TorchRule(O.AdamW if decoupled else O.Adam, {"amsgrad": True, **fields})


# NAdam's path without foreach has an extra factor mu, RAdam's with foreach drops eps.
O = torch.optim
IN_PYTORCH = dict(
    WORDS, sgd=torch_rule(O.SGD), momentum=torch_rule(O.SGD, momentum=0.9),
    nesterov=torch_rule(O.SGD, momentum=0.9, nesterov=True), adagrad=torch_rule(O.Adagrad),
    rmsprop=torch_rule(O.RMSprop), adam=torch_rule(O.Adam), amsgrad=torch_amsgrad,
    adamw=torch_rule(O.AdamW), adadelta=torch_rule(O.Adadelta), adamax=torch_rule(O.Adamax),
    nadam=torch_rule(O.NAdam, foreach=True), radam=torch_rule(O.RAdam, foreach=False), rprop=torch_rule(O.Rprop),
    asgd=torch_rule(O.ASGD), lbfgs=torch_rule(O.LBFGS, strong_wolfe=True), ema=torch_ema, swa=torch_swa)


# ---- the cases ----
def run(make, rows, b_shape, first=start, noise=0.0):
    """The weights after the steps in rows, and the average or None."""
    optimizer = make()
    tensors, path = [first[:6].reshape(2, 3), first[6:].reshape(b_shape)], []
    for t in range(1, rows[-1] + 1):
        tensors = optimizer.step(tensors, lambda at: gradient(at, noise))
        if t in rows:
            path.append(flat(tensors))
    return np.stack(path), optimizer.average()


def built(name, words):
    return eval(name.replace(":", ","), {}, words)


def gap(results, others):
    """The largest difference of two runs."""
    return max(np.max(np.abs(x - y)) for x, y in zip(results, others) if x is not None)


def case(name, source, rows=ROWS, b_shape=(4,), make=None):
    """Writes a case, having made sure that it moves, that no rounding shows and that NumPy says what PyTorch says."""
    make = make or (lambda: built(name, IN_PYTORCH if source == PYTORCH else IN_NUMPY))
    path, average = results = run(make, rows, b_shape)
    assert np.all(np.isfinite(path)), f"{name}: not finite"
    assert np.max(np.abs(path[-1] - start)) > 0.1, f"{name}: hardly moves"
    for sign in (1, -1):
        near = start * (1 + sign * 1e-13 * np.cos(np.arange(10.0)))
        off = gap(results, run(make, rows, b_shape, near, sign * 1e-15))
        assert off <= 1e-10, f"{name}: chaotic, a start 1e-13 away ends {off:.1e} away"
    if source == PYTORCH and name.split("(")[0] in IN_NUMPY:
        off = gap(results, run(lambda: built(name, IN_NUMPY), rows, b_shape))
        assert off <= 1e-12, f"{name}: NumPy differs from PyTorch by {off:.1e}"
    out.case(f"{name} @ {source}")
    out.tensor("path", path)
    if average is not None:
        out.tensor("average", average)
    if b_shape != (4,):
        out.tensor("b_shape", b_shape)


def cases(names, source, rows=ROWS, b_shape=(4,)):
    for name in names.split("\n"):
        if name:
            case(name, source, rows, b_shape)


# Rprop takes its first step sizes from lr at the first step; a later lr changes nothing.
cases("""
sgd(lr=0.01)
sgd(lr=0.05)
sgd(lr=0.01, weight_decay=0.1)
sgd(lr=0.001, maximize=true)
sgd(lr=0.01, momentum=0.9)
sgd(lr=0.01, momentum=0.9, dampening=0.3, weight_decay=0.05)
sgd(lr=0.01, momentum=0.8, weight_decay=0.01, nesterov=true)
sgd(lr=joined(100: 0.01, 1: 0.001), momentum=0.95)
sgd(lr=0.01, momentum=joined(100: 0.98, 1: 0.5))
sgd(lr=0.01, weight_decay=joined(100: 0.5, 1: 0))
momentum(lr=0.01)
momentum(lr=cosine(0.02, 250), momentum=0.95)
momentum(lr=0.0001, weight_decay=0.1, maximize=true)
nesterov(lr=0.01)
nesterov(lr=joined(100: 0.01, 1: 0.001), momentum=0.95)
nesterov(lr=0.0001, weight_decay=0.1, maximize=true)

adagrad(lr=0.1)
adagrad(lr=0.2, lr_decay=0.05, eps=0.001, initial_accumulator=0.3, weight_decay=0.02)
adagrad(lr=0.1, eps=0.01)
adagrad(lr=0.05, weight_decay=0.1, maximize=true)
adagrad(lr=joined(100: 0.2, 1: 0.02))

rmsprop(lr=0.004)
rmsprop(lr=0.003, centered=true)
rmsprop(lr=0.01, alpha=0.95, eps=0.3, centered=true)
rmsprop(lr=0.003, alpha=0.98, momentum=0.7, weight_decay=0.1)
rmsprop(lr=0.01, eps=0.01, momentum=0.5, centered=true)
rmsprop(lr=0.001, weight_decay=0.1, maximize=true)
rmsprop(lr=joined(100: 0.01, 1: 0.001), momentum=0.9)

adam(lr=0.05)
adam(lr=0.02, beta1=0.8, beta2=0.99, eps=0.001, weight_decay=0.1)
adam(lr=0.02, weight_decay=0.1, maximize=true)
amsgrad(lr=0.05, beta2=0.99)
adam(lr=joined(100: 0.05, 1: 0.005))
adam(lr=cosine(0.05, 250), beta1=joined(100: 0.9, 1: 0.5))
amsgrad(lr=0.05)
amsgrad(lr=0.05, beta1=0.9, beta2=0.9)
amsgrad(lr=0.02, weight_decay=0.1, maximize=true)
amsgrad(lr=joined(100: 0.05, 1: 0.005), eps=0.01)

adamw(lr=0.05)
adamw(lr=0.05, beta1=0.85, beta2=0.99, eps=0.01, weight_decay=0.3)
amsgrad(lr=0.05, beta1=0.85, beta2=0.97, eps=0.001, weight_decay=0.3, decoupled=true)
adamw(lr=0.02, weight_decay=0.1, maximize=true)
adamw(lr=joined(100: 0.05, 1: 0.005), weight_decay=0.1)
adamw(lr=cosine(0.05, 250), weight_decay=joined(100: 0.5, 1: 0))

adadelta(lr=0.1)
adadelta(lr=1, rho=0.99)
adadelta(lr=1, rho=0.99, eps=0.0001, weight_decay=0.1)
adadelta(lr=0.3, rho=0.99, eps=0.001, weight_decay=0.1)
adadelta(lr=0.5, weight_decay=0.1, maximize=true)
adadelta(lr=joined(100: 1, 1: 0.1), rho=0.99, eps=0.0001)

adamax(lr=0.05)
adamax(lr=0.05, beta1=0.8, beta2=0.99, weight_decay=0.1)
adamax(lr=0.05, beta1=0.8, beta2=0.95, eps=0.1, weight_decay=0.1)
adamax(lr=0.02, weight_decay=0.1, maximize=true)
adamax(lr=joined(100: 0.05, 1: 0.005))

nadam(lr=0.02)
nadam(lr=0.01, beta1=0.8, beta2=0.99, weight_decay=0.1)
nadam(lr=0.02, eps=0.01, momentum_decay=0.05)
nadam(lr=joined(100: 0.02, 1: 0.002))

radam(lr=0.05)
radam(lr=0.05, beta1=0.8, beta2=0.99, weight_decay=0.1)
radam(lr=0.05, beta2=0.6)
radam(lr=0.05, eps=0.01)
radam(lr=joined(100: 0.05, 1: 0.005))

rprop(lr=0.01)
rprop(lr=0.05, eta_minus=0.6, eta_plus=1.1)
rprop(lr=0.01, step_min=0.001, step_max=0.1)
rprop(lr=joined(100: 0.01, 1: 0.001))

asgd(lr=0.01)
asgd(lr=0.02, lambd=0.1, alpha=0.6, t0=50)
asgd(lr=0.01, t0=50, weight_decay=0.1)
asgd(lr=0.03, lambd=0.01, t0=10)

ema(sgd(lr=0.01, momentum=0.95), decay=0.9)
swa(sgd(lr=0.01, momentum=0.95), start=10, every=3)
""", PYTORCH)

cases("""
lbfgs(lr=1, max_iter=2, max_eval=0)
lbfgs(lr=0.3, max_iter=4, history=3)
lbfgs(lr=2, max_iter=2, history=3)
lbfgs(lr=0.5, max_iter=2, max_eval=10, tolerance_grad=0.01, tolerance_change=0.00001)
lbfgs(lr=0.1, max_iter=4, max_eval=3, history=5)
lbfgs(lr=0.05, max_iter=4, strong_wolfe=false)
lbfgs(lr=joined(6: 0.1, 1: 1), max_iter=2)
""", PYTORCH, SEARCH_ROWS)

cases("""
nadamw(lr=0.05)
nadamw(lr=0.01, beta1=0.85, beta2=0.99, eps=0.1, weight_decay=0.2)
nadamw(lr=joined(100: 0.05, 1: 0.005), weight_decay=0.1)
adopt(lr=0.05)
adopt(lr=0.05, beta1=0.8, beta2=0.99, eps=0.5, weight_decay=0.1)
adopt(lr=0.02, clip=false, beta2=0.98)
adopt(lr=joined(100: 0.05, 1: 0.005))
ademamix(lr=0.02)
ademamix(lr=0.02, beta1=0.8, beta2=0.99, beta3=0.995, alpha=3, eps=0.01, weight_decay=0.1)
ademamix(lr=0.02, beta3=0.99, alpha=4, warmup=120)
ademamix(lr=joined(100: 0.02, 1: 0.002), alpha=2)
""", NUMPY)

cases("""
bfgs(lr=1, max_iter=1)
bfgs(lr=0.5, max_iter=2, tolerance_grad=0.00001)
bfgs(lr=1, max_iter=3, max_eval=4)
bfgs(lr=joined(4: 0.3, 1: 1), max_iter=1)
ssbfgs(lr=1, max_iter=1)
ssbfgs(lr=0.5, max_iter=2)
ssbroyden(lr=1, max_iter=1)
ssbroyden(lr=0.5, max_iter=2)
cg(lr=1, max_iter=1)
cg(lr=1, max_iter=2)
cg(lr=0.5, max_iter=1, fletcher_reeves=true)
cg(lr=1, max_iter=1, hestenes_stiefel=true)
""", NUMPY, SEARCH_ROWS)

# The rules of least squares have residuals of their own.
cases("""
lm(max_iter=1, tolerance_grad=1e-06)
lm(max_iter=3, tolerance_grad=1e-06)
lm(max_iter=1, acceleration=0, tolerance_grad=1e-06)
lm(max_iter=1, acceleration=0, scale_memory=1, tolerance_grad=1e-06)
lm(max_iter=1, acceleration=0, scale_memory=0, tolerance_grad=1e-06)
lm(max_iter=1, acceleration=0, unscaled=true, tolerance_grad=1e-06)
lm(max_iter=2, acceleration=0, unscaled=true, damping=0.1, tolerance_grad=1e-06)
lm(max_iter=1, damping=1e-06, acceleration=0.2, tolerance_grad=1e-06)
lm(max_iter=1, damping=10, scale_memory=0.9, tolerance_grad=1e-06)
lm(max_iter=4, tolerance_grad=0.0001)
lm(tolerance_change=0.01, tolerance_grad=0.01)
gauss_newton(max_iter=1)
gauss_newton(max_iter=3)
gauss_newton(max_iter=1, tolerance_change=0.1)
natural_gradient(damping=30)
natural_gradient(lr=2, damping=10)
natural_gradient(damping=20, momentum=0.9)
natural_gradient(lr=0.3, damping=0.01, line_search=false)
natural_gradient(lr=joined(4: 0.5, 1: 0.1), damping=0.01, momentum=0.5, max_norm=0.7, line_search=false)
spring(lr=0.1)
spring(lr=1, max_norm=0.2)
""", NUMPY, SEARCH_ROWS)
# So much damping that none is at the minimum after twelve steps: there rounding decides whether the loss has fallen.
cases("""
hessian_free(damping=3)
hessian_free(damping=10)
hessian_free(damping=50)
hessian_free(damping=10, max_cg=2)
hessian_free(damping=0, max_cg=1)
""", NUMPY, SEARCH_ROWS)

GROUPS = [dict(lr=0.05, weight_decay=0.2), dict(lr=0.01, weight_decay=0.0)]  # of a and of b
case("groups adamw", PYTORCH, make=lambda: TorchRule(O.AdamW, {}, GROUPS))

# SOAP's second gradient is its first, at the same weights: what of it lies in the empty third direction of a's right
# basis is rounding, divided by eps. Hence no eps as small as its default.
cases("""
sgd(lr=0.01, momentum=0.9, step_form=true)
sgd(lr=0.01, momentum=0.8, weight_decay=0.1, step_form=true)
sgd(lr=joined(100: 0.01, 1: 0.001), momentum=0.95, step_form=true)
sgd(lr=0.001, momentum=0.5, step_form=true, maximize=true)
momentum(lr=cosine(0.02, 250), step_form=true)
adagrad(lr=0.1, eps=0.01, eps_inside_sqrt=true)
adagrad(lr=joined(100: 0.2, 1: 0.02), eps=0.001, initial_accumulator=0.1, weight_decay=0.1, eps_inside_sqrt=true)
rmsprop(lr=0.01, eps=0.01, eps_inside_sqrt=true)
rmsprop(lr=0.01, alpha=0.9, eps=0.1, momentum=0.5, centered=true, eps_inside_sqrt=true)
adamw(lr=cosine(0.05, 250), weight_decay=0.02, decoupled_lr=true)
amsgrad(lr=joined(100: 0.05, 1: 0.005), weight_decay=0.05, decoupled=true)
adamw(lr=joined(100: 0.05, 1: 0.005), weight_decay=0.05, decoupled_lr=true)
asgd(lr=joined(100: 0.02, 1: 0.002), lambd=0.01, t0=50)

lion(lr=0.01)
lion(lr=0.01, weight_decay=0.3)
lion(lr=0.01, beta1=0.95, beta2=0.9)
lion(lr=joined(100: 0.02, 1: 0.001))
lion(lr=cosine(0.02, 250), weight_decay=1)

schedule_free_sgd(lr=0.05)
schedule_free_sgd(lr=0.05, momentum=0.5, weight_decay=0.1)
schedule_free_sgd(lr=0.05, warmup=20, r=1)
schedule_free_sgd(lr=0.05, warmup=50, power=1)
schedule_free_sgd(lr=joined(100: 0.05, 1: 0.005))
schedule_free_adamw(lr=0.1)
schedule_free_adamw(lr=0.02, beta1=0.8, beta2=0.99, weight_decay=0.1)
schedule_free_adamw(lr=0.1, eps=0.01, warmup=20, r=1)
schedule_free_adamw(lr=0.1, warmup=50, power=1)
schedule_free_adamw(lr=joined(100: 0.1, 1: 0.01))

prodigy(lr=1)
prodigy(lr=1, d0=0.01)
prodigy(lr=1, weight_decay=0.1, d0=0.01)
prodigy(lr=0.5, beta1=0.8, beta2=0.99, beta3=0.9, eps=0.1, d0=0.01, d_coef=0.5)
prodigy(lr=1, weight_decay=0.1, d0=0.01, decoupled=false)
prodigy(lr=1, weight_decay=0.1, d0=0.001, bias_correction=true)
prodigy(lr=joined(100: 1, 1: 0.1), d0=0.01)

lamb(lr=0.003)
lamb(lr=0.02, beta1=0.99)
lamb(lr=0.005, beta1=0.95, beta2=0.95, weight_decay=0.1)
lamb(lr=0.005, beta1=0.95, eps=0.01)
lamb(lr=joined(100: 0.005, 1: 0.001))
lamb(lr=cosine(0.005, 250), weight_decay=0.1)

lars(lr=0.2)
lars(lr=0.3, nesterov=true)
lars(lr=0.1, weight_decay=0.1, trust=0.1)
lars(lr=0.1, weight_decay=0.1, trust=0.1, nesterov=true)
lars(lr=0.1, momentum=0.5, weight_decay=1, trust=0.05)
lars(lr=joined(100: 0.1, 1: 0.01), weight_decay=0.05, trust=0.1)

adan(lr=0.02)
adan(lr=0.02, weight_decay=0.1)
adan(lr=0.02, beta1=0.9, beta2=0.8, beta3=0.99, eps=0.01)
adan(lr=joined(100: 0.02, 1: 0.002))

adafactor(lr=0.003)
adafactor(lr=0.003, eps2=0.9)
adafactor(lr=0.01, weight_decay=1)
adafactor(lr=0.01, beta2_decay=0.5, eps1=0.1, clip=0.5)
adafactor(lr=1, eps1=1)
adafactor(lr=joined(100: 0.006, 1: 0.001))

soap(lr=0.02, eps=0.01)
soap(lr=0.01, eps=0.0001, weight_decay=0.3, frequency=1)
soap(lr=0.02, beta1=0.9, beta2=0.99, shampoo_beta=0.9, eps=0.01, weight_decay=0, frequency=3)
soap(lr=joined(100: 0.02, 1: 0.002), beta2=0.99, eps=0.01)
soap(lr=0.02, eps=0.01, exact_basis=true)
soap(lr=0.01, eps=0.0001, weight_decay=0.3, frequency=1, exact_basis=true)

sophia(lr=0.01)
sophia(lr=0.01, weight_decay=0.3)
sophia(lr=0.02, beta1=0.9, beta2=0.9, rho=0.2, every=5)
sophia(lr=0.02, eps=0.01, every=3)
sophia(lr=joined(100: 0.02, 1: 0.002))

sam(sgd(lr=0.01))
sam(sgd(lr=0.01, momentum=0.5), rho=0.1)
sam(sgd(lr=joined(100: 0.01, 1: 0.001), momentum=0.95))
sam(sgd(lr=0.01), rho=0.1, adaptive=true)
sam(adamw(lr=0.01, beta1=0.8, weight_decay=0.3))
sam(adamw(lr=joined(30: 0.02, 1: 0.001)), rho=0.1)
sam(rmsprop(lr=0.002))
sam(lion(lr=0.01), rho=0.1)
asam(sgd(lr=0.001))
asam(sgd(lr=0.01), rho=0.2)
asam(adamw(lr=0.01, beta1=0.8, weight_decay=0.3), rho=0.1)

clip_norm(sgd(lr=0.01), max_norm=3)
clip_norm(adamw(lr=0.05), max_norm=1)
clip_norm(rmsprop(lr=0.003), max_norm=10)
clip_norm(lion(lr=0.01), max_norm=1)
clip_value(sgd(lr=0.01, momentum=0.9), max_value=1)
clip_value(adam(lr=0.05), max_value=0.5)
clip_value(lion(lr=0.01), max_value=0.5)
clip_norm_per_parameter(sgd(lr=0.01), max_norm=3)
clip_norm_per_parameter(adamw(lr=0.05), max_norm=1)
agc(sgd(lr=0.5))
agc(sgd(lr=0.05, momentum=0.9), clip=0.1, eps=2)
agc(adamw(lr=0.02), clip=0.1)
agc(rmsprop(lr=0.01, eps=0.1), clip=0.1)
agc(lion(lr=0.01), clip=0.1)

lookahead(sgd(lr=0.01, momentum=0.95))
lookahead(adamw(lr=0.05), k=7, alpha=0.8)
lookahead(rmsprop(lr=0.005), k=3)
lookahead(lion(lr=0.01), alpha=0.3)

accumulate(sgd(lr=0.01, momentum=0.95), steps=2)
accumulate(adamw(lr=0.05), steps=3)

ema(adamw(lr=0.05), decay=0.99)
ema(lion(lr=0.01), decay=0.9)
swa(adamw(lr=0.05), start=100, every=7)
swa(rmsprop(lr=0.003), start=0, every=1)

clip_value(clip_norm(sgd(lr=0.01), max_norm=2), max_value=1)
clip_norm(clip_value(sgd(lr=0.01), max_value=1), max_norm=6)
clip_norm(accumulate(sgd(lr=0.01, momentum=0.9), steps=3), max_norm=3)
sam(clip_norm(sgd(lr=0.01), max_norm=3), rho=0.1)
sam(lookahead(clip_value(sgd(lr=0.01), max_value=3), k=4))
lookahead(sam(sgd(lr=0.02)))
lookahead(sam(clip_norm(rmsprop(lr=0.003), max_norm=2), rho=0.1))
lookahead(clip_norm(adamw(lr=0.05), max_norm=1), k=3)
accumulate(lookahead(sgd(lr=0.02, momentum=0.9), k=4), steps=2)
sam(accumulate(sgd(lr=0.01, momentum=0.5), steps=2), rho=0.1)
ema(sam(adamw(lr=0.005)), decay=0.95)
swa(sam(sgd(lr=0.01), rho=0.1), start=20, every=5)
swa(lookahead(sgd(lr=0.01, momentum=0.9)), start=20, every=5)
ema(lookahead(agc(lion(lr=0.01), clip=0.1)), decay=0.9)
""", NUMPY)

# Muon takes matrices only: b is square, or a column, whose iterate is transposed and whose step is doubled.
cases("""
muon(lr=0.004)
muon(lr=0.006, momentum=0.9)
muon(lr=0.004, momentum=0.8, nesterov=false)
muon(lr=0.02, weight_decay=0.5, steps=3)
muon(lr=joined(100: 0.02, 1: 0.002), weight_decay=1)
muon(lr=cosine(0.01, 250))
""", NUMPY, b_shape=(2, 2))
cases("""
muon(lr=0.005, weight_decay=0.2)
""", NUMPY, b_shape=(4, 1))


cases("""
dog(lr=1)
dog(r_rel=0.001)
dog(r_rel=0.01, eps=10)
dog(lr=0.5, r_rel=0.001, eps=10, weight_decay=0.1)
dog(lr=joined(20: 1, 1: 0.3), r_rel=0.001)
dowg(r_rel=0.001)
dowg(r_rel=0.00309, eps=0.0001)
dowg(lr=0.3, r_rel=0.01, eps=0.1)
dowg(lr=0.5, r_rel=0.001, weight_decay=0.1)
dowg(lr=joined(20: 1, 1: 0.3), r_rel=0.01)
dadapt_sgd(lr=1)
dadapt_sgd(lr=0.5, d0=0.001)
dadapt_sgd(momentum=0.9, d0=0.01)
dadapt_sgd(momentum=0.5, weight_decay=0.2, d0=0.01, growth_rate=1.1)
dadapt_sgd(lr=joined(20: 1, 1: 0.3), momentum=0.8, d0=0.01)
dadapt_adam(lr=0.1)
dadapt_adam(lr=0.1, d0=0.001, growth_rate=1.1)
dadapt_adam(lr=0.1, beta1=0.8, beta2=0.99, eps=0.1, weight_decay=0.1, d0=0.01)
dadapt_adam(lr=0.05, weight_decay=0.1, d0=0.01, decoupled=true)
dadapt_adam(lr=0.1, weight_decay=0.1, d0=0.001, decoupled=true, bias_correction=true)
dadapt_adam(lr=joined(100: 0.1, 1: 0.01), d0=0.001)
mechanic(sgd(lr=0.01, momentum=0.9), s_init=0.01)
mechanic(sgd(lr=0.01, momentum=0.5), s_decay=0.1, s_init=0.1, eps=0.00001)
mechanic(sgd(lr=0.01), s_decay=0.1, s_init=0.1, eps=0.0001)
mechanic(adamw(lr=0.01), s_decay=0, s_init=0.01)
mechanic(adamw(lr=0.01, weight_decay=0.3), s_decay=0.5, s_init=0.01)
mechanic(adamw(lr=cosine(0.05, 250)), s_init=0.01)
mechanic(lion(lr=0.01), s_init=0.01)
cautious(sgd(lr=0.01, momentum=0.5))
cautious(sgd(lr=0.003, momentum=0.8), mean_form=true)
cautious(adamw(lr=0.01, weight_decay=0.3))
cautious(adamw(lr=0.01, weight_decay=0.3), mean_form=true)
cautious(adamw(lr=joined(100: 0.02, 1: 0.002)), mean_form=true)
cautious(lion(lr=0.01))
cautious(lion(lr=0.01, weight_decay=0.3), mean_form=true)
clip_norm(cautious(sgd(lr=0.005, momentum=0.5)), max_norm=3)
looksam(sgd(lr=0.01))
looksam(sgd(lr=0.01, momentum=0.9), alpha=0.3)
looksam(sgd(lr=joined(100: 0.01, 1: 0.001), momentum=0.5), rho=0.1)
looksam(adamw(lr=0.01), k=2, alpha=1)
looksam(adamw(lr=0.01, beta1=0.8, weight_decay=0.3))
looksam(adamw(lr=0.01), rho=0.2, k=10, alpha=0.4)
looksam(lion(lr=0.01), rho=0.1)
gsam(sgd(lr=0.01))
gsam(sgd(lr=0.01, momentum=0.5), rho=0.1)
gsam(sgd(lr=0.01), rho=0.2, alpha=0.2)
gsam(adamw(lr=0.01, beta1=0.8, weight_decay=0.3), rho=0.1, alpha=0.1)
gsam(adamw(lr=joined(30: 0.02, 1: 0.001)), alpha=0.1)
gsam(lion(lr=0.01), rho=0.1)
gsam(clip_norm(sgd(lr=0.01), max_norm=3), rho=0.1)
looksam(clip_norm(sgd(lr=0.003), max_norm=3))

shampoo(lr=0.02, eps=0.01)
shampoo(lr=0.05, eps=0.0001, frequency=1)
shampoo(lr=0.02, beta1=0.8, beta2=0.95, eps=0.01, weight_decay=0.3, frequency=5, graft_beta2=0.99, graft_eps=0.1)
shampoo(lr=0.2, eps=0.01, frequency=4, graft_beta2=1)
shampoo(lr=0.01, beta1=0.5, eps=0.01, graft_adam=false, graft_sgd=true)
shampoo(lr=0.5, beta1=0.5, eps=0.1, frequency=3, graft_adam=false)
shampoo(lr=joined(100: 0.02, 1: 0.002), beta2=0.99, eps=0.01, frequency=7)
""", NUMPY)
cases("""
polyak(lr=1, f_star=-15)
polyak(lr=1, c=3, f_star=-15)
polyak(lr=0.05, f_star=-18)
polyak(lr=0.04, c=10, f_star=-18, eps=100)
polyak(lr=joined(100: 0.01, 1: 0.002), c=10, f_star=-18)

momo(lr=0.01, f_star=-20)
momo(lr=1, f_star=-15)
momo(lr=0.05, beta=0.8, f_star=-16, weight_decay=0.1)
momo(lr=joined(100: 0.03, 1: 0.003), beta=0.95, f_star=-18)
momo(lr=cosine(0.05, 250), f_star=-18, weight_decay=0.2)

armijo_sgd(lr=1)
armijo_sgd(lr=0.1, c=0.98)
armijo_sgd(lr=0.1, c=0.99, shrink=0.7, growth=1.5)
armijo_sgd(lr=0.01, c=0.99, growth=1.1)
armijo_sgd(lr=joined(1: 0.01, 20: 1, 1: 0.0003), shrink=0.1, growth=8, most=1)
armijo_sgd(lr=joined(3: 1, 1: 0.002), most=2)
armijo_sgd(lr=joined(4: 0.3, 1: 0.02), c=0.2, growth=10)

newton_cg(damping=0.3)
newton_cg(damping=40)
newton_cg(damping=20, max_cg=3)
newton_cg(damping=3, max_cg=1)

cmaes(sigma=0.3)
cmaes(sigma=0.3, seed=5)
cmaes(sigma=0.2, population=30)
cmaes(sigma=0.3, population=5)
cmaes(sigma=1, population=7, seed=12345678901)
""", NUMPY, SEARCH_ROWS)
cases("""
shampoo(lr=0.05, eps=0.01)
""", NUMPY, b_shape=(2, 2))
cases("""
shampoo(lr=0.05, eps=0.01, weight_decay=0.1)
""", NUMPY, b_shape=(4, 1))


# ---- schedules: the rate at steps 0 … 59 ----
S = torch.optim.lr_scheduler
COUNT = 60


def schedule_case(name, source, values):
    if source == PYTORCH and name.split("(")[0] in ("cosine", "constant"):
        assert np.allclose(values, [built(name, SCHEDULES)(t) for t in range(COUNT)], rtol=1e-12, atol=0), name
    out.case(f"schedule {name} @ {source}")
    out.tensor("values", values)


def torch_schedule(name, make, lr=0.1):
    optimizer = O.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    schedule, values = make(optimizer), []
    for _ in range(COUNT):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    schedule_case(name, PYTORCH, values)


torch_schedule("step_decay(0.1, 7, 0.3)", lambda o: S.StepLR(o, 7, 0.3))
torch_schedule("multi_step(0.1, 0.3, 10, 25, 40)", lambda o: S.MultiStepLR(o, [10, 25, 40], 0.3))
torch_schedule("exponential(0.1, 0.95)", lambda o: S.ExponentialLR(o, 0.95))
torch_schedule("ramp(0.025, 0.1, 20)", lambda o: S.LinearLR(o, 0.25, 1.0, 20))
torch_schedule("polynomial(0.1, 40, 2)", lambda o: S.PolynomialLR(o, 40, 2))
torch_schedule("cosine(0.1, 60, 0.01)", lambda o: S.CosineAnnealingLR(o, 60, 0.01))
torch_schedule("cosine_restarts(0.1, 7, 2, 0.01)", lambda o: S.CosineAnnealingWarmRestarts(o, 7, 2, 0.01))
torch_schedule("one_cycle(0.5, 61)", lambda o: S.OneCycleLR(o, 0.5, total_steps=61, cycle_momentum=False))
torch_schedule("cyclic(0.01, 0.1, 8, 5)", lambda o: S.CyclicLR(o, 0.01, 0.1, 8, 5, cycle_momentum=False))
torch_schedule("cyclic(0.01, 0.1, 8, 5, 0.5)",
               lambda o: S.CyclicLR(o, 0.01, 0.1, 8, 5, mode="triangular2", cycle_momentum=False))
torch_schedule("swa_lr(0.1, 0, 0.02, 15)", lambda o: O.swa_utils.SWALR(o, 0.02, 15, "cos"))
torch_schedule("swa_lr(0.1, 0, 0.02, 15, linear)", lambda o: O.swa_utils.SWALR(o, 0.02, 15, "linear"))
torch_schedule("joined(10: exponential(0.1, 0.9), 1: exponential(0.1, 0.5))",
               lambda o: S.SequentialLR(o, [S.ExponentialLR(o, 0.9), S.ExponentialLR(o, 0.5)], [10]))
for name in ("constant(0.1)", "coslog4(0.1, 50)", "inverse_sqrt(0.1, 10)", "rex(0.1, 50)", "sqrt_cooldown(0.1, 50)",
             "sqrt_cooldown(0.1, 50, 0.01)", "wsd(0.1, 10, 20, 25)", "wsd(0.1, 10, 20, 25, 0.01, sqrt)", "wsd(0.1, 0, 5, 9, 0.01)", "sqrt_decay(0.1)", "warmup(10, cosine(0.1, 50))"):
    schedule_case(name, NUMPY, [built(name, SCHEDULES)(t) for t in range(COUNT)])

optimizer = O.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
plateau = S.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, cooldown=1, min_lr=0.004)
metrics = [1.0, 0.9, 0.95, 0.9, 0.91, 0.92, 0.5, 0.6, math.nan, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4] + 14 * [0.6]
values = []
for metric in metrics:
    plateau.step(metric)
    values.append(optimizer.param_groups[0]["lr"])
out.case(f"plateau @ {PYTORCH}")
out.tensor("metrics", metrics)
out.tensor("values", values)
