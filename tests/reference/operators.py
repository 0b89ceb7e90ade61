"""Values and gradients of every operator, from PyTorch in double. Writes operators.txt.

Run with the Python that has PyTorch 1.13: python3 operators.py
"""
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

from reference import Writer, weights

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(7)
out = Writer(os.path.join(os.path.dirname(os.path.abspath(__file__)), "operators.txt"))


def real(*shape):
    return rng.normal(size=shape)


def positive(*shape):
    return rng.uniform(0.3, 2.5, size=shape)


def away(*shape):
    """Not near zero: for what has a kink there."""
    x = rng.uniform(0.2, 2.0, size=shape)
    return x * rng.choice([-1.0, 1.0], size=shape)


def small(*shape):
    return rng.uniform(-0.9, 0.9, size=shape)


def case(name, f, *inputs):
    xs = [torch.tensor(x, requires_grad=True) for x in inputs]
    y = f(*xs)
    out.case(name)
    for x in xs:
        out.tensor("in", x.detach())
    out.tensor("out", y.detach().double())
    if y.requires_grad:
        (y * torch.tensor(weights(tuple(y.shape)))).sum().backward()
        for x in xs:
            out.tensor("grad", x.grad if x.grad is not None else torch.zeros_like(x))


# ---- arithmetic, with every kind of broadcasting ----
for name, f, kind in [("add", torch.add, real), ("sub", torch.sub, real), ("mul", torch.mul, real),
                      ("div", torch.div, away), ("maximum", torch.maximum, real),
                      ("minimum", torch.minimum, real), ("pow", torch.pow, positive)]:
    case(name, f, kind(2, 3), kind(2, 3))
    case(name + "_row", f, kind(2, 3), kind(3))
    case(name + "_column", f, kind(2, 1), kind(2, 3))
    case(name + "_scalar", f, kind(), kind(2, 1, 3))
    case(name + "_outer", f, kind(3, 1), kind(1, 2))
case("pow_number", lambda x: x**3, away(2, 3))
case("pow_number_half", lambda x: x**0.5, positive(2, 3))
case("pow_of_number", lambda x: 2.0**x, real(2, 3))
case("neg", torch.neg, real(2, 3))
case("where", lambda a, b: torch.where(a > b, a, b * 2), real(2, 3), real(2, 3))
case("number_ops", lambda x: 3 - x * 2 + 1 / x - x / 4, away(2, 3))

# ---- one variable ----
for name, f, kind in [
        ("abs", torch.abs, away), ("exp", torch.exp, real), ("expm1", torch.expm1, real),
        ("log", torch.log, positive), ("log1p", torch.log1p, positive), ("sqrt", torch.sqrt, positive),
        ("rsqrt", torch.rsqrt, positive), ("square", torch.square, real),
        ("reciprocal", torch.reciprocal, away), ("sin", torch.sin, real), ("cos", torch.cos, real),
        ("tanh", torch.tanh, real), ("erf", torch.erf, real), ("sigmoid", torch.sigmoid, real),
        ("relu", torch.relu, away), ("leaky_relu", lambda x: F.leaky_relu(x, 0.1), away),
        ("elu", lambda x: F.elu(x, 1.5), away), ("silu", F.silu, real), ("softplus", F.softplus, real),
        ("gelu", F.gelu, real), ("sign", torch.sign, away)]:
    case(name, f, kind(3, 4))


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


case("gelu_tanh", gelu_tanh, real(3, 4))
case("clamp", lambda x: torch.clamp(x, -0.5, 0.8), real(3, 4))
case("clamp_low", lambda x: torch.clamp(x, min=-0.1), real(3, 4))

# ---- softmax ----
case("softmax", lambda x: F.softmax(x, 1), real(3, 4))
case("softmax_first", lambda x: F.softmax(x, 0), real(3, 4))
case("log_softmax", lambda x: F.log_softmax(x, -1), real(2, 3, 4))
case("log_softmax_middle", lambda x: F.log_softmax(x, 1), real(2, 3, 4))

# ---- reductions ----
for suffix, dims, keep in [("all", (0, 1, 2), False), ("first", (0,), False), ("middle", (1,), True),
                           ("last", (2,), False), ("outer", (0, 2), False), ("pair", (1, 2), True)]:
    case("sum_" + suffix, lambda x: torch.sum(x, dims, keep), real(2, 3, 4))
    case("mean_" + suffix, lambda x: torch.mean(x, dims, keep), real(2, 3, 4))
    case("var_" + suffix, lambda x: torch.var(x, dims, unbiased=True, keepdim=keep), real(2, 3, 4))
    case("std_" + suffix, lambda x: torch.std(x, dims, unbiased=False, keepdim=keep), real(2, 3, 4))
    case("max_" + suffix, lambda x: torch.amax(x, dims, keep), real(2, 3, 4))
    case("min_" + suffix, lambda x: torch.amin(x, dims, keep), real(2, 3, 4))
    case("logsumexp_" + suffix, lambda x: torch.logsumexp(x, dims, keep), real(2, 3, 4))
    case("norm_" + suffix, lambda x: torch.linalg.vector_norm(x, 2, dims, keep), real(2, 3, 4))


def prod(x, dims, keep):
    for d in sorted(dims, reverse=True):
        x = torch.prod(x, d, keepdim=keep)
    return x


case("prod_all", lambda x: prod(x, (0, 1), False), away(3, 5))
case("prod_last", lambda x: prod(x, (1,), True), away(3, 5))
case("prod_zeros", lambda x: prod(x, (1,), False), np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0], [1.5, -2.0, 4.0]]))
case("max_ties", lambda x: torch.amax(x, 1), np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]))
case("norm_1", lambda x: torch.linalg.vector_norm(x, 1, 1), away(3, 4))
case("norm_3", lambda x: torch.linalg.vector_norm(x, 3, 0), away(3, 4))
case("norm_inf", lambda x: torch.linalg.vector_norm(x, math.inf, 1), away(3, 4))
case("cumsum", lambda x: torch.cumsum(x, 1), real(3, 4))
case("cumsum_first", lambda x: torch.cumsum(x, 0), real(3, 4))
case("argmax", lambda x: torch.argmax(x, 1), real(3, 4))
case("argmin_all", lambda x: torch.argmin(x), real(3, 4))

# ---- products ----
case("matmul", torch.matmul, real(2, 3), real(3, 4))
case("matmul_vectors", torch.matmul, real(3), real(3))
case("matmul_vector_matrix", torch.matmul, real(3), real(3, 4))
case("matmul_matrix_vector", torch.matmul, real(2, 3), real(3))
case("matmul_batch", torch.matmul, real(2, 2, 3), real(2, 3, 2))
case("matmul_batch_matrix", torch.matmul, real(2, 2, 3), real(3, 2))
case("matmul_matrix_batch", torch.matmul, real(2, 3), real(2, 3, 2))
case("matmul_broadcast", torch.matmul, real(2, 1, 2, 3), real(3, 3, 2))
case("matmul_wide", torch.matmul, real(7, 5), real(5, 19))
case("outer", torch.outer, real(3), real(4))
case("dot", torch.dot, real(4), real(4))
case("linear", F.linear, real(5, 3), real(4, 3), real(4))
case("linear_batch", F.linear, real(2, 2, 3), real(4, 3), real(4))
for i, (equation, shapes) in enumerate([("ij,jk->ik", [(2, 3), (3, 4)]), ("ij->ji", [(2, 3)]), ("ii->i", [(3, 3)]),
                                        ("ij->", [(2, 3)]), ("bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]),
                                        ("i,j->ij", [(2,), (3,)]), ("ij,kj->ik", [(2, 3), (4, 3)]),
                                        ("...ij,jk->...ik", [(2, 2, 3), (3, 2)]), ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 4)]),
                                        ("bi,bj", [(2, 3), (2, 2)])]):
    case(f"einsum_{i}", lambda *xs: torch.einsum(equation, *xs), *[real(*s) for s in shapes])

# ---- shapes ----
case("reshape", lambda x: x.reshape(3, -1), real(2, 6))
case("reshape_transposed", lambda x: x.t().reshape(4, 3), real(2, 6))
case("flatten", lambda x: x.flatten(1), real(2, 3, 2))
case("transpose", lambda x: x.transpose(0, 2), real(2, 3, 2))
case("permute", lambda x: x.permute(2, 0, 1), real(2, 3, 4))
case("squeeze", lambda x: x.squeeze(1), real(2, 1, 3))
case("unsqueeze", lambda x: x.unsqueeze(1), real(2, 3))
case("expand", lambda x: x.expand(4, 2, 3), real(2, 1))
case("slice", lambda x: x[:, 1:6:2], real(2, 7))
case("select", lambda x: x[:, -1], real(3, 4))
case("narrow", lambda x: x.narrow(0, 1, 2), real(4, 3))
case("cat", lambda a, b: torch.cat([a, b], 1), real(2, 3), real(2, 2))
case("stack", lambda a, b: torch.stack([a, b], 1), real(2, 3), real(2, 3))
case("split", lambda x: torch.split(x, [1, 3], 1)[1] * torch.split(x, [3, 1], 1)[0], real(2, 4))
case("chunk", lambda x: torch.chunk(x, 3, 1)[0] * torch.chunk(x, 3, 1)[2], real(2, 6))

# ---- by index ----
case("index_select", lambda x: torch.index_select(x, 0, torch.tensor([2, 0, 2])), real(3, 2))
case("gather", lambda x: torch.gather(x, 1, torch.tensor([[0, 2, 2], [1, 0, 1]])), real(2, 3))
case("scatter_add", lambda x, s: torch.scatter_add(x, 1, torch.tensor([[0, 2, 2], [1, 0, 1]]), s), real(2, 3), real(2, 3))
case("masked_fill", lambda x: x.masked_fill(x > 0, -3.0), away(2, 3))

# ---- rounding, logic, and further functions ----
for name, f, kind in [
        ("floor", torch.floor, away), ("ceil", torch.ceil, away), ("round", torch.round, real),
        ("trunc", torch.trunc, real), ("sinh", torch.sinh, real), ("cosh", torch.cosh, real),
        ("atan", torch.atan, real), ("log2", torch.log2, positive), ("log10", torch.log10, positive)]:
    case(name, f if name not in ("floor", "ceil", "round", "trunc") else lambda x, f=f: f(x.detach()), kind(3, 4))
case("atan2", torch.atan2, away(2, 3), away(3))
case("logaddexp", torch.logaddexp, real(2, 3) * 3, real(3))
case("lerp", torch.lerp, real(2, 3), real(2, 3), positive(3) / 3)
case("lerp_number", lambda a, b: torch.lerp(a, b, 0.7), real(2, 3), real(3))
case("isfinite", lambda x: torch.isfinite(1 / (x * (x > 0))).double(), away(3, 4))
case("logical", lambda a, b: (torch.logical_and(a > 0, b > 0).double() + 2 * torch.logical_or(a > 0, b > 0)
                              + 4 * torch.logical_xor(a > 0, b > 0) + 8 * torch.logical_not(a > 0)), away(3, 4), away(3, 4))
case("any_all", lambda x: torch.any(x > 0, 1).double() + 2 * torch.all(x > -1, 1), away(3, 4))
case("nan_to_num", lambda x: torch.nan_to_num(torch.where(x > 0, x, torch.where(x > -1, torch.nan, -torch.inf)), nan=2.0, neginf=-5.0), away(3, 4))

# ---- order and places ----
case("sort", lambda x: torch.sort(x, 1)[0], real(3, 5))
case("sort_descending_first", lambda x: torch.sort(x, 0, descending=True)[0], real(5, 3))
case("argsort", lambda x: torch.argsort(x, 1).double(), real(3, 5))
case("topk", lambda x: torch.topk(x, 2, 1)[0], real(3, 5))
case("topk_smallest", lambda x: torch.topk(x, 3, 0, largest=False)[0], real(5, 2))
case("scatter", lambda x, s: torch.scatter(x, 1, torch.tensor([[0, 2], [1, 0]]), s), real(2, 3), real(2, 2))
case("index_put", lambda x, v: torch.index_put(x, (torch.tensor([0, 2]), torch.tensor([1, 1])), v), real(3, 2, 4), real(2, 4))
case("index_put_accumulate", lambda x, v: torch.index_put(x, (torch.tensor([0, 2, 0]),), v, accumulate=True), real(3, 2), real(2))
case("masked_select", lambda x: torch.masked_select(x, x > 0), away(3, 4))
case("index_mask", lambda x: x[torch.tensor([True, False, True])], real(3, 4))
case("index_integers", lambda x: x[torch.tensor([[2, 0], [1, 1]])], real(3, 4))

# ---- repeated, moved and cut ----
case("repeat", lambda x: x.repeat(2, 3, 1), real(2, 3))
case("tile", lambda x: torch.tile(x, (2,)), real(2, 3))
case("roll", lambda x: torch.roll(x, 2, 1), real(2, 5))
case("flip", lambda x: torch.flip(x, (0, 1)), real(2, 3))
case("meshgrid", lambda a, b: torch.meshgrid(a, b, indexing="ij")[0] * torch.meshgrid(a, b, indexing="ij")[1], real(2), real(3))
case("tril", lambda x: torch.tril(x, 1), real(2, 4, 3))
case("triu", lambda x: torch.triu(x, -1), real(4, 3))
case("diag", lambda x: torch.diag(x, -1), real(3))
case("diag_of_matrix", lambda x: torch.diag(x, 1), real(3, 4))
case("trace", torch.trace, real(3, 3))

# ---- linear algebra ----
def definite(n):
    a = real(n, n)
    return a @ a.T + n * np.eye(n)


case("solve", torch.linalg.solve, real(3, 3) + 3 * np.eye(3), real(3, 2))
case("solve_vector", torch.linalg.solve, real(3, 3) + 3 * np.eye(3), real(3))
case("inverse", torch.linalg.inv, real(3, 3) + 3 * np.eye(3))
case("det", torch.linalg.det, real(3, 3))
case("cholesky", lambda a: torch.linalg.cholesky(a @ a.T + 3 * torch.eye(3)), real(3, 3))
case("eigh_values", lambda a: torch.linalg.eigh(a + a.T)[0], real(4, 4))
case("eigh_projector", lambda a: (lambda v: v[:, :2] @ v[:, :2].T)(torch.linalg.eigh(a + a.T)[1]), real(4, 4))
case("lstsq", lambda a, b: torch.linalg.solve(a.T @ a, a.T @ b), real(5, 3), real(5, 2))

# ---- losses ----
labels = torch.tensor([1, 0, 3, 1, 2])
class_weight = torch.tensor([0.5, 2.0, 1.0, 1.5])
ignored = torch.tensor([1, -100, 3, -100, 2])
target = torch.tensor(rng.normal(size=(5, 4)))
bits = torch.tensor(rng.integers(0, 2, size=(5, 4)).astype(float))
probabilities = torch.tensor(rng.dirichlet(np.ones(4), size=5))
out.case("constants")
out.tensor("target", target)
out.tensor("bits", bits)
out.tensor("probabilities", probabilities)
for reduction in ("mean", "sum", "none"):
    r = {"reduction": reduction}
    case("mse_" + reduction, lambda x: F.mse_loss(x, target, **r), real(5, 4))
    case("l1_" + reduction, lambda x: F.l1_loss(x, target, **r), real(5, 4))
    case("huber_" + reduction, lambda x: F.huber_loss(x, target, delta=0.7, **r), real(5, 4) * 2)
    case("smooth_l1_" + reduction, lambda x: F.smooth_l1_loss(x, target, beta=0.7, **r), real(5, 4) * 2)
    case("cross_entropy_" + reduction, lambda x: F.cross_entropy(x, labels, **r), real(5, 4))
    case("cross_entropy_weight_" + reduction, lambda x: F.cross_entropy(x, labels, weight=class_weight, **r), real(5, 4))
    case("cross_entropy_ignore_" + reduction, lambda x: F.cross_entropy(x, ignored, **r), real(5, 4))
    case("cross_entropy_smooth_" + reduction,
         lambda x: F.cross_entropy(x, ignored, weight=class_weight, label_smoothing=0.2, **r), real(5, 4))
    case("cross_entropy_probabilities_" + reduction, lambda x: F.cross_entropy(x, probabilities, label_smoothing=0.1, **r), real(5, 4))
    case("nll_" + reduction, lambda x: F.nll_loss(F.log_softmax(x, 1), ignored, weight=class_weight, **r), real(5, 4))
    case("bce_" + reduction, lambda x: F.binary_cross_entropy(torch.sigmoid(x), bits, **r), real(5, 4))
    case("bce_with_logits_" + reduction, lambda x: F.binary_cross_entropy_with_logits(x, bits, **r), real(5, 4) * 3)
    case("bce_pos_weight_" + reduction, lambda x: F.binary_cross_entropy_with_logits(x, bits, pos_weight=class_weight, **r), real(5, 4) * 3)
    case("kl_div_" + reduction, lambda x: F.kl_div(F.log_softmax(x, 1), probabilities, **r), real(5, 4))
case("kl_div_batchmean", lambda x: F.kl_div(F.log_softmax(x, 1), probabilities, reduction="batchmean"), real(5, 4))
case("hinge", lambda x: torch.clamp(1 - (2 * bits - 1) * x, min=0).mean(), away(5, 4) * 2)

# ---- layers, whose parameters are inputs ----
case("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), real(5, 3), real(3), real(3))
case("layer_norm", lambda x, w, b: F.layer_norm(x, (3,), w, b), real(5, 3), real(3), real(3))
case("embedding", lambda w: F.embedding(torch.tensor([[2, 0], [1, 2]]), w), real(3, 4))


def rnn(x, w1, b1, w2, b2):
    h = torch.zeros(2, 3)
    states = []
    for t in range(x.shape[0]):
        h = torch.tanh(F.linear(x[t], w1, b1) + F.linear(h, w2, b2))
        states.append(h)
    return torch.stack(states)


def torch_rnn(x, w1, b1, w2, b2):
    layer = torch.nn.RNN(2, 3)
    with torch.no_grad():
        for p, v in zip([layer.weight_ih_l0, layer.bias_ih_l0, layer.weight_hh_l0, layer.bias_hh_l0], [w1, b1, w2, b2]):
            p.copy_(v)
    assert torch.allclose(layer(x)[0], rnn(x, w1, b1, w2, b2))
    return rnn(x, w1, b1, w2, b2)


case("prelu", lambda x, w: F.prelu(x, w), away(5, 3), positive(3))
case("focal", lambda x: ((1 - torch.softmax(x, 1)) ** 2 * -F.log_softmax(x, 1)).gather(1, labels[:, None]).mean(), real(5, 4))
case("quantile", lambda x: torch.maximum(0.8 * (target - x), -0.2 * (target - x)).mean(), real(5, 4))


def recurrent(name, layers):
    """What PyTorch's own layer calls, as a function of x and the parameters in the layer's order."""
    def f(x, *parameters):
        zero = torch.zeros(layers, x.shape[1], 3)
        start = (zero, zero) if name == "lstm" else zero
        y, *state = getattr(torch._VF, name)(x, start, parameters, True, layers, 0.0, False, False, False)
        return torch.cat([y.flatten()] + [s.flatten() for s in state])
    return f


for name, call, gates in [("lstm", "lstm", 4), ("gru", "gru", 3), ("rnn_layers", "rnn_tanh", 1)]:
    case(name, recurrent(call, 2), real(4, 2, 2), real(3 * gates, 2), real(3 * gates, 3), real(3 * gates), real(3 * gates),
         real(3 * gates, 3), real(3 * gates, 3), real(3 * gates), real(3 * gates))
case("rnn", torch_rnn, real(4, 2, 2), real(3, 2), real(3), real(3, 3), real(3))
# Layers side by side: what torch calls baddbmm, with an input for all and with one for each.
layers = lambda x, w, b: x @ w.transpose(-1, -2) + b.unsqueeze(-2)
case("linear_stack", layers, real(2, 5, 3), real(2, 4, 3), real(2, 4))
case("linear_stack_shared", layers, real(5, 3), real(2, 4, 3), real(4))
case("linear_stack_biases", layers, real(5, 3), real(4, 3), real(2, 4))
case("linear_stack_tanh", lambda x, w, b: torch.tanh(layers(x, w, b)), real(5, 3), real(2, 4, 3), real(2, 4))
