"""Prints scikit-learn's numbers for the tables that tests/nn/metrics_test.cpp makes.

Needs Debian's python3-sklearn: /usr/bin/python3 tests/reference/metrics.py
"""
import numpy as np
from sklearn import metrics


def uniform(n, state=12345):
    """The numbers in [0, 1) that the test draws too."""
    out = []
    for _ in range(n):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(state / 2**31)
    return np.array(out)


def calibration_error(p, y):
    confidence, hit = p.max(1), p.argmax(1) == y
    bins = np.minimum((confidence * 15).astype(int), 14)
    return sum(abs(confidence[bins == b].sum() - hit[bins == b].sum()) for b in range(15)) / len(y)


def show(name, p, y):
    auc = metrics.roc_auc_score(y, p[:, 1]) if p.shape[1] == 2 else metrics.roc_auc_score(y, p, multi_class="ovr")
    called = p.argmax(1)
    print(name, metrics.accuracy_score(y, called), metrics.balanced_accuracy_score(y, called),
          metrics.f1_score(y, called, average="macro"), auc, metrics.log_loss(y, p), calibration_error(p, y))
    print(metrics.confusion_matrix(y, called))


u = uniform(160)
p = u[:120].reshape(40, 3) + 0.05
p /= p.sum(1, keepdims=True)
y = (u[120:] * 3).astype(int)
y[1::2] = p.argmax(1)[1::2]
show("three classes", p, y)

p1 = np.clip(np.round(u[:40] * 8) / 8, 0.125, 0.875)  # many equal probabilities
show("two classes", np.stack([1 - p1, p1], 1), (u[40:80] < p1 * 0.8 + 0.1).astype(int))

t = u[:50] * 10 + 1e6
q = t + u[50:100] - 0.4
error = abs(t - q)
print("values", metrics.r2_score(t, q), np.sqrt(metrics.mean_squared_error(t, q)),
      metrics.mean_absolute_error(t, q), np.quantile(error, 0.5, method="inverted_cdf"),
      np.quantile(error, 0.9, method="inverted_cdf"))
