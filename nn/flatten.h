// Flatten: from images to rows.
#pragma once

#include <descent/nn/module.h>

namespace descent::nn {

/// Joins all dimensions but the first: (N, …) → (N, D).
struct Flatten : Module {
  Flatten() : Module("Flatten") {}
  Tensor forward(const Tensor& x) override { return x.flatten(1); }
};

}  // namespace descent::nn
