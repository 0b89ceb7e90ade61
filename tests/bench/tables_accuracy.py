"""How well `descent train` does on tables, beside scikit-learn's MLP with its defaults.

    /usr/bin/python3 tests/bench/tables_accuracy.py [DESCENT]

14 tables, each parted three times at random: three quarters to train, one to test. scikit-learn gets
standardised numbers, medians for gaps with an indicator, and an input for each word. Prints accuracy or R² on
the test, the difference to scikit-learn's in brackets. Needs Debian's python3-sklearn and python3-pandas.
"""
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

DESCENT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/release/bin/descent")
VARIANTS = {"train": [], "--preset tabular": ["--preset", "tabular"]}
SPLITS = 3


def table(x, y, names=None):
    x = pd.DataFrame(x, columns=names or [f"x{i}" for i in range(np.shape(x)[1])])
    return x.assign(target=y)


def tables():
    r = np.random.default_rng(5)
    words = lambda letter, y: [f"{letter}{v}" for v in y]
    for name, load in dict(
        cancer=datasets.load_breast_cancer, wine=datasets.load_wine, digits=datasets.load_digits
    ).items():
        d = load()
        yield name, table(d.data, words("c", d.target))
    d = datasets.load_diabetes()
    yield "diabetes", table(d.data, d.target)
    yield "friedman1", table(*datasets.make_friedman1(2000, n_features=10, noise=1, random_state=1))
    yield "friedman2", table(*datasets.make_friedman2(1500, noise=50, random_state=1))
    yield "friedman3", table(*datasets.make_friedman3(1500, noise=0.1, random_state=1))
    x, y = datasets.make_classification(
        3000, 20, n_informative=8, n_redundant=4, n_classes=3, n_clusters_per_class=3, random_state=2
    )
    yield "clusters", table(x, words("k", y))

    n = 3000  # skewed numbers, words, gaps, and few of one class
    income, age = r.lognormal(10, 1, n), r.integers(18, 90, n).astype(float)
    city, plan = r.choice(list("ABCDE"), n), r.choice(["basic", "plus", "pro"], n, p=[0.6, 0.3, 0.1])
    z = -2.8 + 0.8 * (np.log(income) - 10) + 0.03 * (age - 50) * (plan == "basic") + 0.5 * np.sin(age / 8)
    z += 1.0 * (city == "B") - 0.5 * (city == "C")
    churn = np.where(r.random(n) < 1 / (1 + np.exp(-z)), "yes", "no")
    age[r.random(n) < 0.1] = np.nan
    yield "messy", pd.DataFrame(dict(income=income, age=age, city=city, plan=plan, target=churn))
    n = 4000  # numbers with very heavy tails
    a, b, c, k = r.lognormal(0, 1.5, n), r.standard_cauchy(n), r.normal(size=n), r.choice(list("uvw"), n)
    y = 3 * np.log1p(a) + 2 * np.tanh(b) + c * c + 2 * c * (k == "u") + 0.5 * r.normal(size=n)
    yield "tails", pd.DataFrame(dict(a=a, b=b, c=c, k=k, target=y))
    n = 2500  # Unix times
    time, w = 1600000000 + r.integers(0, 10**7, n), r.normal(size=n)
    y = 3 * np.sin((time - 1.6e9) / 1e7 * 6) + 2 * w + 0.5 * r.normal(size=n)
    yield "times", pd.DataFrame(dict(time=time, w=w, target=y))
    x = r.uniform(-1, 1, (n, 6))
    y = np.sin(4 * x[:, 0]) * np.cos(3 * x[:, 1]) + x[:, 2] * x[:, 3] + 0.2 * r.normal(size=n) > 0
    yield "waves", table(x, np.where(y, "p", "n"))
    x = r.normal(size=(400, 150))  # 145 columns of noise
    yield "wide", table(x, np.where(x[:, :5].sum(1) + 0.5 * r.normal(size=400) > 0, "p", "n"))
    n, shops = 4000, r.normal(size=120) * 1.5  # many words
    shop, product = r.choice(120, n, p=r.dirichlet(np.ones(120))), r.integers(0, 40, n)
    slopes, x = r.normal(size=40), r.normal(size=n)
    y = shops[shop] + slopes[product] * x + 0.5 * x * x + 0.3 * r.normal(size=n)
    yield "words", pd.DataFrame(dict(shop=words("s", shop), product=words("p", product), x=x, target=y))


def scikit_learn(train, test, regression):
    x = train.drop(columns="target")
    text = [c for c in x if x[c].dtype == object]
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore")
    prepare = make_column_transformer((numbers, [c for c in x if c not in text]), (words, text))
    if not regression:
        model = make_pipeline(prepare, MLPClassifier(random_state=0)).fit(x, train.target)
        return accuracy_score(test.target, model.predict(test))
    mean, deviation = train.target.mean(), train.target.std()
    model = make_pipeline(prepare, MLPRegressor(random_state=0)).fit(x, (train.target - mean) / deviation)
    return r2_score(test.target, model.predict(test) * deviation + mean)


def descent(folder, options, seed, truth, regression):
    train = [DESCENT, "train", "--data", folder + "/train.csv", "--out", folder + "/run", "--seed", str(seed)]
    subprocess.run(train + options, check=True, capture_output=True)
    predict = [DESCENT, "predict", folder + "/run/model.safetensors", folder + "/test.csv"]
    said = subprocess.run(predict, check=True, capture_output=True, text=True).stdout.split("\n")[1:-1]
    return r2_score(truth, np.array(said, float)) if regression else accuracy_score(truth, said)


warnings.filterwarnings("ignore")  # scikit-learn's, that 200 epochs were not enough
differences = []
for name, all_rows in tables():
    regression = all_rows.target.dtype != object
    scores = []
    for split in range(SPLITS):
        order = np.random.default_rng(100 + split).permutation(len(all_rows))
        test, train = all_rows.iloc[order[: len(order) // 4]], all_rows.iloc[order[len(order) // 4 :]]
        scores.append([scikit_learn(train, test, regression)])
        for options in VARIANTS.values():
            with tempfile.TemporaryDirectory() as folder:
                train.to_csv(folder + "/train.csv", index=False)
                test.to_csv(folder + "/test.csv", index=False)
                scores[-1].append(descent(folder, options, split + 1, test.target, regression))
    peer, *own = np.mean(scores, 0)
    differences.append([s - peer for s in own])
    parts = (f"  {v} {s:.3f} ({s - peer:+.3f})" for v, s in zip(VARIANTS, own))
    print(f"{name:10} scikit-learn {peer:.3f}", *parts, flush=True)
for i, variant in enumerate(VARIANTS):
    d = np.array(differences)[:, i]
    print(f"{variant}: mean difference {d.mean():+.3f}, ahead on {(d > 0).sum()} of {len(d)} tables")
