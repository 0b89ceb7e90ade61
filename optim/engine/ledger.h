// Internal. Ledger: the parameters of an optimizer, their rules, and what is kept for each.
#pragma once

#include <descent/optim/engine/any_rule.h>
#include <descent/optim/engine/update.h>

#include <vector>

namespace descent::optim::detail {

struct Ledger {
  /// What is kept for one parameter.
  struct Memory {
    int group;
    std::int64_t t = 0;           // updates of this parameter
    std::vector<Tensor> kept;     // undefined until needed
    std::vector<double> numbers;  // the rule's own
  };

  Parameters parameters;
  std::vector<Memory> memory;                   // one for each parameter
  std::vector<std::unique_ptr<AnyRule>> rules;  // one for each group
  std::vector<Tensor> curvature;  // estimates of the Hessian's diagonal for the step under way
  std::int64_t steps = 0;         // of the optimizer, made or skipped

  const AnyRule& rule_of(std::size_t parameter) const {
    return *rules[static_cast<std::size_t>(memory[parameter].group)];
  }
  /// A slot of a parameter, made if it was not there: zeros. A slot of an element rule lies in
  /// memory as the weights do. Throws StateError if the weights have changed shape or dtype since.
  Tensor& slot(std::size_t parameter, int id);
  /// "adamw/m/fc1.weight".
  std::string key(std::size_t parameter, std::string_view name) const;
};

}  // namespace descent::optim::detail
