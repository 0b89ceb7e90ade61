"""What the reference scripts share: a text format that tests/support/reference.h reads.

  case NAME
  in 2 3 : 0.1 0.2 …        a tensor, its extents before the colon
  out 3 : …
"""
import numpy as np


class Writer:
    def __init__(self, path):
        self.file = open(path, "w")

    def case(self, name):
        self.file.write(f"case {name}\n")

    def tensor(self, key, value):
        a = np.asarray(value, dtype=np.float64)
        extents = " ".join(str(n) for n in a.shape)
        self.file.write(f"{key} {extents} : {' '.join(repr(float(v)) for v in a.ravel())}\n")


def weights(shape):
    """The weights with which outputs are summed into a loss: cos(1), cos(2), …"""
    n = int(np.prod(shape)) if len(shape) else 1
    return np.cos(np.arange(1, n + 1)).reshape(shape)
