"""What PyTorch saves, and what Descent must make of it. pytorch.py FOLDER writes networks, inputs, outputs and the
losses of 100 steps of AdamW; pytorch.py dlpack MODULE exchanges memory with an extension module of Descent."""
import os
import sys

import numpy as np
import torch


def save(folder, name, model, x, y):
    arrays = {"model." + k: v.detach().numpy() for k, v in model.state_dict().items()}
    np.savez(os.path.join(folder, name + ".npz"), x=x.numpy(), y=y.detach().numpy(), **arrays)


def write(folder):
    torch.manual_seed(1)
    x = torch.randn(7, 5, 4)
    for name, layer in [("rnn", torch.nn.RNN(4, 6, 2)), ("lstm", torch.nn.LSTM(4, 6, 2)), ("gru", torch.nn.GRU(4, 6))]:
        save(folder, name, layer, x, layer(x)[0])
    mlp = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 16), torch.nn.ReLU(),
                              torch.nn.Linear(16, 3))
    x = torch.randn(40, 4)
    save(folder, "mlp", mlp, x, mlp(x))
    labels = torch.randint(0, 3, (40,))
    optimizer = torch.optim.AdamW(mlp.parameters(), lr=1e-2, weight_decay=0.05)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(mlp(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.savez(os.path.join(folder, "training.npz"), labels=labels.numpy(), losses=np.array(losses))


class Capsule:
    """What numpy.from_dlpack() wants around a capsule."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, stream=None):
        return self.capsule

    def __dlpack_device__(self):
        return (1, 0)


def dlpack(folder):
    sys.path.insert(0, folder)
    import descent_dlpack as d
    ours = np.from_dlpack(Capsule(d.numbers()))
    assert ours.shape == (3, 4) and ours.dtype == np.float32 and ours.sum() == 66, ours
    theirs = torch.utils.dlpack.from_dlpack(d.numbers())
    assert theirs.t().is_contiguous() is False and theirs[2, 3] == 11, theirs
    theirs.mul_(2)
    assert theirs.sum() == 132
    t = torch.arange(12, dtype=torch.float64).reshape(3, 4)
    assert d.total(torch.utils.dlpack.to_dlpack(t.t())) == 66
    d.double_it(torch.utils.dlpack.to_dlpack(t))
    assert t.sum() == 132, t
    a = np.arange(6, dtype=np.int64).reshape(2, 3)
    assert d.total(a.__dlpack__()) == 15
    for _ in range(1000):  # nothing is freed twice
        np.from_dlpack(Capsule(d.numbers()))
        d.total(torch.utils.dlpack.to_dlpack(torch.ones(1000)))
    try:
        d.total(torch.utils.dlpack.to_dlpack(torch.ones(2, dtype=torch.float16)))
        raise SystemExit("half precision was taken")
    except RuntimeError as e:
        assert "expected bool, int64, float32 or float64" in str(e), e
    print("NumPy and PyTorch share memory with Descent")


if sys.argv[1] == "dlpack":
    dlpack(sys.argv[2])
else:
    write(sys.argv[1])
