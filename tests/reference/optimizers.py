"""Trajectories of every rule and wrapper, from PyTorch and, where it has none, from the paper's
formula in NumPy, in double. Writes optimizers.txt.

The problem, whose gradient changes sign and scale (also in tests/optim/trajectory.h):
  f(a, b) = Σ ½ k_i (w_i − c_i)² + 2 sin(3 w_i),  w = (a, b),  k_i = 0.05·(i + 1)²,  c_i = cos(i).
a has shape (2, 3), b shape (4).
"""
import os

import numpy as np
import torch

from reference import Writer

torch.set_default_dtype(torch.float64)
STEPS = 30
SHAPES = [(2, 3), (4,)]
k = 0.05 * (np.arange(10) + 1.0) ** 2
c = np.cos(np.arange(10.0))
start = np.sin(1.0 + np.arange(10.0))
out = Writer(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.txt"))


def gradient(w):
    return k * (w - c) + 6 * np.cos(3 * w)


def parameters():
    return [torch.tensor(start[:6].reshape(2, 3), requires_grad=True), torch.tensor(start[6:], requires_grad=True)]


def flat(ps):
    return np.concatenate([p.detach().numpy().ravel() for p in ps])


def loss_of(ps):
    w = torch.cat([p.reshape(-1) for p in ps])
    return (0.5 * torch.tensor(k) * (w - torch.tensor(c)) ** 2 + 2 * torch.sin(3 * w)).sum()


def from_torch(name, make, change=None, gradient_hook=None):
    """change(optimizer, t) is called before step t, from 1."""
    ps = parameters()
    optimizer = make(ps)
    rows = []
    for t in range(1, STEPS + 1):
        if change:
            change(optimizer, t)
        optimizer.zero_grad()
        loss_of(ps).backward()
        if gradient_hook:
            gradient_hook(ps)
        optimizer.step()
        rows.append(flat(ps))
    out.case(name)
    out.tensor("path", np.stack(rows))


def from_numpy(name, step):
    """step(w, t) gives the next w."""
    w, rows = start.copy(), []
    for t in range(1, STEPS + 1):
        w = step(w, t)
        rows.append(w.copy())
    out.case(name)
    out.tensor("path", np.stack(rows))


O = torch.optim
from_torch("sgd", lambda p: O.SGD(p, lr=0.01))
from_torch("sgd decay", lambda p: O.SGD(p, lr=0.01, weight_decay=0.1))
from_torch("sgd maximize", lambda p: O.SGD(p, lr=0.001, maximize=True))
from_torch("momentum", lambda p: O.SGD(p, lr=0.01, momentum=0.9))
from_torch("momentum dampening", lambda p: O.SGD(p, lr=0.01, momentum=0.9, dampening=0.3, weight_decay=0.05))
from_torch("nesterov", lambda p: O.SGD(p, lr=0.01, momentum=0.8, nesterov=True, weight_decay=0.01))
from_torch("adagrad", lambda p: O.Adagrad(p, lr=0.1))
from_torch("adagrad all", lambda p: O.Adagrad(p, lr=0.1, lr_decay=0.05, weight_decay=0.02, initial_accumulator_value=0.3, eps=1e-3))
from_torch("rmsprop", lambda p: O.RMSprop(p, lr=0.01))
from_torch("rmsprop centered", lambda p: O.RMSprop(p, lr=0.01, alpha=0.9, centered=True))
from_torch("rmsprop momentum", lambda p: O.RMSprop(p, lr=0.01, alpha=0.95, momentum=0.7, weight_decay=0.1))
from_torch("rmsprop both", lambda p: O.RMSprop(p, lr=0.01, momentum=0.5, centered=True, eps=1e-4))
from_torch("adam", lambda p: O.Adam(p, lr=0.05))
from_torch("adam decay", lambda p: O.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1))
from_torch("adam maximize", lambda p: O.Adam(p, lr=0.05, weight_decay=0.1, maximize=True))
from_torch("amsgrad", lambda p: O.Adam(p, lr=0.05, betas=(0.9, 0.9), amsgrad=True))
from_torch("adamw", lambda p: O.AdamW(p, lr=0.05))
from_torch("adamw all", lambda p: O.AdamW(p, lr=0.05, betas=(0.85, 0.97), eps=1e-4, weight_decay=0.3, amsgrad=True))


def drop(optimizer, t):
    if t == 6:
        for group in optimizer.param_groups:
            group["lr"] *= 0.1


from_torch("momentum drop", lambda p: O.SGD(p, lr=0.01, momentum=0.9), drop)
from_torch("adamw drop", lambda p: O.AdamW(p, lr=0.05, weight_decay=0.1), drop)
from_torch("adamw groups", lambda p: O.AdamW([{"params": [p[0]]}, {"params": [p[1]], "weight_decay": 0.0, "lr": 0.01}],
                                             lr=0.05, weight_decay=0.2))
from_torch("clip_value", lambda p: O.Adam(p, lr=0.05), None,
           lambda p: torch.nn.utils.clip_grad_value_(p, 0.5))

# ---- what PyTorch does not have, from the formula ----
v = np.zeros(10)


def step_form(w, t):  # v = γ v + η g, θ −= v, with η dropping at step 6
    global v
    v = 0.9 * v + (0.01 if t < 6 else 0.001) * gradient(w)
    return w - v


from_numpy("momentum step form", step_form)
G = np.zeros(10)


def adagrad_inside(w, t):
    global G
    G = G + gradient(w) ** 2
    return w - 0.1 * gradient(w) / np.sqrt(G + 1e-2)


from_numpy("adagrad inside", adagrad_inside)
s = np.zeros(10)


def rmsprop_inside(w, t):
    global s
    s = 0.9 * s + 0.1 * gradient(w) ** 2
    return w - 0.01 * gradient(w) / np.sqrt(s + 1e-2)


from_numpy("rmsprop inside", rmsprop_inside)


class NumpyAdam:
    def __init__(self, lr, decay=0.0, decay_factor=None):
        self.m, self.v, self.lr, self.decay, self.decay_factor = np.zeros(10), np.zeros(10), lr, decay, decay_factor

    def __call__(self, w, g, t):
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g * g
        lr = self.lr(t)
        factor = lr if self.decay_factor is None else self.decay_factor(t)
        w = w - factor * self.decay * w
        return w - lr / (1 - 0.9**t) * self.m / (np.sqrt(self.v) / np.sqrt(1 - 0.999**t) + 1e-8)


halving = lambda t: 0.05 * 0.5 ** ((t - 1) // 10)
rule = NumpyAdam(halving, 0.02, lambda t: 0.5 ** ((t - 1) // 10))
from_numpy("adamw decoupled", lambda w, t: rule(w, gradient(w), t))


def sam_step(rho, adaptive, base):
    def step(w, t):
        g = gradient(w)
        T = np.abs(w) + 0.01 if adaptive else np.ones(10)
        climbed = w + rho * T * T * g / np.linalg.norm(T * g)
        return base(w, gradient(climbed), t)

    return step


from_numpy("sam sgd", sam_step(0.05, False, lambda w, g, t: w - 0.01 * g))
from_numpy("sam adamw", sam_step(0.1, False, (lambda r: lambda w, g, t: r(w, g, t))(NumpyAdam(lambda t: 0.05, 0.01))))
from_numpy("asam sgd", sam_step(0.5, True, lambda w, g, t: w - 0.01 * g))


def clipped(g, c):
    n = np.linalg.norm(g)
    return g * (c / n) if n > c else g


def clip_each(g, c):
    return np.concatenate([clipped(g[:6], c), clipped(g[6:], c)])


from_numpy("clip_norm", lambda w, t: w - 0.01 * clipped(gradient(w), 3.0))
from_numpy("clip_norm_per_parameter", lambda w, t: w - 0.01 * clip_each(gradient(w), 3.0))
from_numpy("clip value then norm", lambda w, t: w - 0.01 * clipped(np.clip(gradient(w), -1.0, 1.0), 2.0))
from_numpy("clip norm then value", lambda w, t: w - 0.01 * np.clip(clipped(gradient(w), 6.0), -1.0, 1.0))

# ---- averages: PyTorch's swa_utils ----
ps = parameters()
model = torch.nn.Module()
model.a, model.b = torch.nn.Parameter(ps[0].detach().clone()), torch.nn.Parameter(ps[1].detach().clone())
optimizer = O.SGD([model.a, model.b], lr=0.01)
swa = torch.optim.swa_utils.AveragedModel(model)
ema = torch.optim.swa_utils.AveragedModel(model, avg_fn=lambda e, p, n: 0.9 * e + 0.1 * p)
swa_rows, ema_rows = [], []
for t in range(STEPS):
    optimizer.zero_grad()
    loss_of([model.a, model.b]).backward()
    optimizer.step()
    if t >= 10 and (t - 10) % 3 == 0:
        swa.update_parameters(model)
    ema.update_parameters(model)
    swa_rows.append(flat([swa.module.a, swa.module.b]))
    ema_rows.append(flat([ema.module.a, ema.module.b]))
for name, rows in (("swa", swa_rows), ("ema", ema_rows)):
    out.case(name)
    out.tensor("average", rows[-1])

# ---- schedules: what the optimizer's rate is at steps 0 … 59 ----
S = torch.optim.lr_scheduler


def schedule(name, make, lr=0.1, steps=60):
    p = torch.nn.Parameter(torch.zeros(1))
    optimizer = O.SGD([p], lr=lr, momentum=0.9)
    s = make(optimizer)
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        s.step()
    out.case("schedule " + name)
    out.tensor("values", values)


schedule("step", lambda o: S.StepLR(o, 7, 0.3))
schedule("exponential", lambda o: S.ExponentialLR(o, 0.95))
schedule("linear", lambda o: S.LinearLR(o, 0.25, 1.0, 20))
schedule("cosine", lambda o: S.CosineAnnealingLR(o, 60, 0.01))
schedule("one_cycle", lambda o: S.OneCycleLR(o, 0.5, total_steps=61, cycle_momentum=False))
schedule("swa_lr", lambda o: torch.optim.swa_utils.SWALR(o, 0.02, 15, "cos"))
schedule("swa_lr_linear", lambda o: torch.optim.swa_utils.SWALR(o, 0.02, 15, "linear"))
schedule("joined", lambda o: S.SequentialLR(o, [S.ExponentialLR(o, 0.9), S.ExponentialLR(o, 0.5)], [10]), steps=20)
p = torch.nn.Parameter(torch.zeros(1))
optimizer = O.SGD([p], lr=0.1)
plateau = S.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, cooldown=1, min_lr=0.004)
metrics = [1.0, 0.9, 0.95, 0.9, 0.91, 0.92, 0.5, 0.6, float("nan"), 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 0.6, 0.6, 0.6, 0.6,
           0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]
values = []
for metric in metrics:
    plateau.step(metric)
    values.append(optimizer.param_groups[0]["lr"])
out.case("plateau")
out.tensor("metrics", metrics)
out.tensor("values", values)
