"""The part of run.sh that needs Python: tables to train on, and models and arrays read by others.

check.py tables | model NAME TABLE | arrays | returned
"""
import csv
import json
import math
import sys

import numpy as np


def write(name, header, rows):
    with open(name, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def tables():
    r = np.random.default_rng(1)
    n = 400
    x = r.normal(size=(n, 4)) * [1, 10, 0.01, 1000] + [0, 50, 3, 1e5]
    z = (x - [0, 50, 3, 1e5]) / [1, 10, 0.01, 1000]
    word = r.choice(["red", "green, dark", 'a "b"'], n)
    flag = r.choice(["yes", "no"], n)
    value = z[:, 0] - 2 * z[:, 1] * z[:, 2] + (word == "red") + 0.1 * r.normal(size=n)
    names = ["a", "b%", "c_@", "größe", "word", "flag"]

    def row(i, target, gaps):
        numbers = ["" if gaps and (i + k) % 13 == 0 else repr(float(v)) for k, v in enumerate(x[i])]
        return [*numbers, "" if gaps and i % 11 == 0 else word[i], flag[i], target]

    write("values.csv", [*names, "load"], [row(i, repr(1000 + 50 * float(value[i])), False) for i in range(n)])
    kinds = np.digitize(value, [-1, 1])
    write("classes.csv", [*names, "kind"], [row(i, ["low", "middle", "high"][kinds[i]], True) for i in range(n)])
    town = r.integers(0, 30, n)
    write("words.csv", ["town", "time", "x", "y"],
          [[f"town {town[i]}", 1700000000 + 3 * i, repr(float(z[i, 0])), ["no", "yes"][int(town[i] % 3 + z[i, 0] > 1)]] for i in range(n)])
    write("binary.csv", ["p", "q", "y"], [[repr(float(z[i, 0])), repr(float(z[i, 1])), int(value[i] > 0)] for i in range(n)])


def gelu(x):
    return np.array([0.5 * v * (1 + math.erf(v / np.sqrt(2))) for v in x.ravel()]).reshape(x.shape)


def model(name, table):
    import cv2
    import onnx

    file = onnx.load(name + ".onnx")
    onnx.checker.check_model(file, full_check=True)
    assert file.ir_version == 7 and file.opset_import[0].version == 13
    assert all(len(node.input) == 3 for node in file.graph.node if node.op_type == "Gemm")
    notes = {p.key: p.value for p in file.metadata_props}
    with open(table + ".csv", newline="") as f:
        rows = list(csv.DictReader(f))
    with open(name + ".csv", newline="") as f:
        said = list(csv.reader(f))[1:]
    columns = notes["inputs"].split("\n")[:-1]
    inputs, kept = [], []
    for i, row in enumerate(rows):
        if any(v == "" for v in row.values()):
            continue  # what fills a gap is measured on rows that this script does not know
        line = []
        for column in columns:
            if " = " in column:
                key, word = column.split(" = ", 1)
                line.append(1.0 if row[key] == word else 0.0)
            elif " less " in column:
                key, shift = column.rsplit(" less ", 1)
                line.append(float(row[key]) - float(shift))
            elif column.endswith(" gap"):
                line.append(0.0)
            else:
                line.append(float(row[column]))
        inputs.append(line)
        kept.append(i)
    x = np.array(inputs, np.float32)
    expected = np.array([[float(v) for v in (said[i][1:] if notes["classes"] else said[i])] for i in kept])
    arrays = np.load(name + ".npz")
    scale = arrays["output_scale"]  # errors are measured in the target's deviation
    net = cv2.dnn.readNetFromONNX(name + ".onnx")
    net.setInput(x)
    got = net.forward()
    worst = (abs(got - expected) / scale).max()
    assert got.shape == expected.shape and worst <= 1e-5, f"{name}: OpenCV differs by {worst}"

    # The arrays, by hand.
    z = (x.astype(float) - arrays["mean"]) * arrays["scale"]
    z = np.where(arrays["clip"] > 0, z / np.sqrt(1 + z * z / 9), z)
    activation = {
        "relu": lambda v: np.maximum(v, 0), "tanh": np.tanh, "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
        "gelu": gelu, "silu": lambda v: v / (1 + np.exp(-v)), "leaky_relu": lambda v: np.where(v > 0, v, 0.01 * v),
        "elu": lambda v: np.where(v > 0, v, np.expm1(v)), "softplus": lambda v: np.logaddexp(0, v),
    }["silu" if name == "robust" else name[2:] if name[2:] in ("tanh", "sigmoid", "gelu", "silu", "leaky_relu", "elu", "softplus") else "relu"]
    total, networks = 0, 0
    while f"net{networks}.layer0.weight" in arrays:
        y, layer = z, 0
        while f"net{networks}.layer{layer}.weight" in arrays:
            y = activation(y) if layer else y
            y = y @ arrays[f"net{networks}.layer{layer}.weight"] + arrays[f"net{networks}.layer{layer}.bias"]
            layer += 1
        if notes["classes"]:
            y = np.exp(y - y.max(1, keepdims=True))
            y /= y.sum(1, keepdims=True)
        total, networks = total + y, networks + 1
    total = total / networks
    if not notes["classes"]:
        total = total * arrays["output_scale"] + arrays["output_mean"]
    worst = (abs(total - expected) / scale).max()
    assert worst <= 1e-5, f"{name}: NumPy differs by {worst}"
    with open(name + ".json", "w") as f:
        json.dump({"inputs": x.astype(float).tolist(), "outputs": (expected / scale).tolist(), "scale": scale.tolist()}, f)


SAMPLES = {
    "f2": np.array([1.5, -0.1, np.inf, 6e-8], np.float16), "f4": np.arange(6, dtype="<f4").reshape(2, 3),
    "f8big": np.arange(24, dtype=">f8").reshape(2, 3, 4) / 7, "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "i1": np.array([-128, 127], np.int8), "u2big": np.array([1, 65535], ">u2"), "i8": np.array([-(2**62), 5]),
    "flag": np.array([[True], [False]]), "scalar": np.array(2.5), "none": np.zeros((0, 3), np.float32),
    "fortran3": np.asfortranarray(np.arange(24, dtype=">i4").reshape(2, 3, 4)),
}


def arrays():
    import os

    os.makedirs("arrays", exist_ok=True)
    np.savez("arrays/stored.npz", **SAMPLES)
    np.savez_compressed("arrays/deflated.npz", **SAMPLES)
    for name, a in SAMPLES.items():
        for version in [(1, 0), (2, 0), (3, 0)]:
            with open(f"arrays/{name}-{version[0]}.npy", "wb") as f:
                np.lib.format.write_array(f, a, version=version)


def returned():
    for file in ("stored", "deflated"):
        again = np.load(f"arrays/{file}-again.npz")
        assert set(again) == set(SAMPLES)
        for name, a in SAMPLES.items():
            assert np.array_equal(again[name].astype(float), a.astype(float)), name
            assert again[name].shape == a.shape, name
    for name, a in SAMPLES.items():
        for version in (1, 2, 3):
            again = np.load(f"arrays/{name}-{version}-again.npy")
            assert np.array_equal(again.astype(float), a.astype(float)) and again.shape == a.shape, name


{"tables": tables, "model": model, "arrays": arrays, "returned": returned}[sys.argv[1]](*sys.argv[2:])
