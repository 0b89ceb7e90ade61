"""K-FAC in NumPy, from arXiv:1503.05671: nets, batches and weights by formula, 300 steps of SGD with momentum around it.

The Fisher matrix is the mean over targets that the model itself gives: every label of a class model with its probability,
both values of a logit, and for squared errors the two points one standard deviation away from the output.
"""
import numpy as np

from reference import Writer


def wave(shape, start, scale=1.0):
    n = int(np.prod(shape))
    return (scale * np.sin(1.7 * np.arange(start, start + n) + 0.3)).reshape(shape)


ACTIVATIONS = {
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "relu": (lambda s: np.maximum(s, 0), lambda y: (y > 0).astype(float)),
    "sigmoid": (lambda s: 1 / (1 + np.exp(-s)), lambda y: y * (1 - y)),
}


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


class Net:
    def __init__(self, widths, activation, bias, shared):
        self.f, self.slope = ACTIVATIONS[activation]
        self.shared = shared  # the second layer runs twice
        self.layers = []
        for i, (n, m) in enumerate(zip(widths, widths[1:])):
            w = wave((m, n), 10 * i + 1, 0.8)
            self.layers.append(np.hstack([w, wave((m, 1), 50 + 7 * i, 0.4)]) if bias else w)
        self.bias = bias
        self.order = [0, 1, 1, 2] if shared else list(range(len(self.layers)))

    def forward(self, x):
        passed = []
        for k, i in enumerate(self.order):
            h = np.hstack([x, np.ones((len(x), 1))]) if self.bias else x
            s = h @ self.layers[i].T
            x = s if k == len(self.order) - 1 else self.f(s)
            passed.append((i, h, x))
        return x, passed

    def backward(self, passed, g):
        """The gradient of each layer's output before the activation."""
        found = []
        for k in range(len(passed) - 1, -1, -1):
            i, h, y = passed[k]
            if k < len(passed) - 1:
                g = g * self.slope(y)
            found.append((i, h, g))
            w = self.layers[i]
            g = g @ (w[:, :-1] if self.bias else w)
        return found


def slope(loss, z, y):
    """Each row's gradient of its own negative log-likelihood, times its share of the loss."""
    n = len(z)
    if loss == "cross_entropy":
        return (softmax(z) - np.eye(z.shape[1])[y]) / n
    if loss == "bce":
        return (1 / (1 + np.exp(-z)) - y) / z.size
    return 2 * (z - y) / z.size


def value(loss, z, y):
    if loss == "cross_entropy":
        return -np.mean(np.log(softmax(z)[np.arange(len(z)), y]))
    if loss == "bce":
        return np.mean(np.logaddexp(0, z) - z * y)
    return np.mean((z - y) ** 2)


def sampled(loss, z):
    """Pairs of a weight for each row and the slope of the loss at targets of the model's own, of which the weighted sum
    of squares is the Fisher matrix, for the loss as it is scaled. Outputs of one row are independent but for classes."""
    n, c = z.shape
    if loss == "cross_entropy":
        p = softmax(z)
        for k in range(c):
            yield p[:, k] * n, slope(loss, z, np.full(n, k))
        return
    for k in range(c):
        unit = np.zeros((1, c))
        unit[0, k] = 1
        if loss == "bce":
            p = 1 / (1 + np.exp(-z[:, k]))
            for label, weight in ((1.0, p), (0.0, 1 - p)):
                yield weight * z.size, (p - label)[:, None] * unit / z.size
        else:
            deviation = np.sqrt(0.5)  # −log p = (z − y)² for each output: σ² = ½
            for sign in (-1, 1):
                yield np.full(n, 0.5 * z.size), slope(loss, z, z - sign * deviation) * unit


def train(net, loss, x, y, steps, lr, momentum, damping=1e-3, decay=0.95, kl_clip=1e-3, frequency=1, lr_bias=None):
    count, updates = len(net.layers), 0
    a, s = [None] * count, [None] * count
    velocity = [np.zeros_like(w) for w in net.layers]
    losses = []
    for t in range(steps):
        z, passed = net.forward(x)
        losses.append(value(loss, z, y))
        grads = [np.zeros_like(w) for w in net.layers]
        for i, h, g in net.backward(passed, slope(loss, z, y)):
            grads[i] += g.T @ h
        if t % frequency == 0:
            updates += 1
            keep = min(1 - 1 / updates, decay)
            for i in range(count):
                inputs = np.vstack([h for j, h, _ in passed if j == i])
                now_a = inputs.T @ inputs / len(inputs)
                now_s = np.zeros((len(net.layers[i]),) * 2)
                for weight, target_slope in sampled(loss, z):
                    for j, _, g in net.backward(passed, target_slope):
                        if j == i:
                            now_s += g.T @ (weight[:, None] * g)
                a[i] = now_a if updates == 1 else keep * a[i] + (1 - keep) * now_a
                s[i] = now_s if updates == 1 else keep * s[i] + (1 - keep) * now_s
        made = []
        for i in range(count):
            pi = np.sqrt((np.trace(a[i]) / len(a[i])) / (np.trace(s[i]) / len(s[i])))
            left = np.linalg.inv(s[i] + np.sqrt(damping) / pi * np.eye(len(s[i])))
            right = np.linalg.inv(a[i] + np.sqrt(damping) * pi * np.eye(len(a[i])))
            made.append(left @ grads[i] @ right)
        rates = [np.full_like(w, lr) for w in net.layers]
        if lr_bias is not None:
            for r in rates:
                r[:, -1] = lr_bias
        length = sum(np.sum(r * r * m * g) for r, m, g in zip(rates, made, grads))
        clip = min(1, np.sqrt(kl_clip / length))
        for i in range(count):
            velocity[i] = momentum * velocity[i] + clip * made[i]
            net.layers[i] = net.layers[i] - rates[i] * velocity[i]
    return losses


# name, widths, activation, bias, shared, loss, settings
CASES = [
    ("classes", [3, 5, 4], "tanh", True, False, "cross_entropy", dict(lr=0.1, momentum=0.9)),
    ("curve", [2, 6, 1], "tanh", True, False, "mse", dict(lr=0.05, momentum=0.9, damping=0.01)),
    ("curves", [2, 5, 3], "sigmoid", True, False, "mse", dict(lr=0.2, momentum=0, kl_clip=1e30, damping=0.1)),
    ("logits", [3, 4, 4, 2], "relu", True, False, "bce", dict(lr=0.1, momentum=0.5, decay=0.5)),
    ("seldom", [3, 5, 2], "tanh", True, False, "cross_entropy", dict(lr=0.1, momentum=0.9, frequency=7)),
    ("plain", [3, 5, 2], "tanh", False, False, "mse", dict(lr=0.05, momentum=0, decay=0)),
    ("rates", [2, 5, 2], "tanh", True, False, "mse", dict(lr=0.02, momentum=0.5, lr_bias=0.1, damping=0.1)),
    ("shared", [2, 4, 4, 1], "tanh", True, True, "mse", dict(lr=0.05, momentum=0.9)),
]

if __name__ == "__main__":
    out = Writer("kfac.txt")
    for name, widths, activation, bias, shared, loss, settings in CASES:
        n = 12
        x = wave((n, widths[0]), 3)
        c = widths[-1]
        y = np.arange(n) % c if loss == "cross_entropy" else wave((n, c), 91)
        if loss == "bce":
            y = (y > 0).astype(float)
        net = Net(widths, activation, bias, shared)
        first = [w.copy() for w in net.layers]
        losses = train(net, loss, x, y, 300, **settings)
        # A trajectory that doubles a perturbation of the last digit again and again proves nothing.
        other = Net(widths, activation, bias, shared)
        other.layers = [w * (1 + 1e-15) for w in first]
        again = train(other, loss, x, y, 300, **settings)
        assert np.max(np.abs(np.array(losses) - again)) < 1e-12, name
        out.case(name)
        out.tensor("x", x)
        out.tensor("y", y)
        for w in first:
            out.tensor("first", w)
        out.tensor("losses", losses)
        for w in net.layers:
            out.tensor("last", w)
        print(name, losses[0], losses[9], losses[-1])
