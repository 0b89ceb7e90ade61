// Parameter: a tensor with a name. Where modules and optimizers meet.
#pragma once

#include <descent/core/tensor.h>

#include <string>
#include <vector>

namespace descent {

struct Parameter {
  std::string name;  // dotted path: "fc1.weight"
  Tensor value;
};
using Parameters = std::vector<Parameter>;

/// Replaces a tensor's values, shape and type behind every handle to it. For converting a module.
void set_data(const Tensor& t, const Tensor& value);

}  // namespace descent
