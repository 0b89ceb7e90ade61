// The optimizers that tests run over: every rule of the registry, each rule with each of its
// switches on, and every wrapper.
#pragma once

#include <descent/descent.h>

#include <string>
#include <vector>

namespace descent::testing {

struct Described {
  std::string name;         // of letters, digits and underscores
  std::string description;  // for optim::make
};

/// What a closure is to return if the optimizer minimises `loss`: the loss, after backward(). A
/// rule of least squares gets the loss as its only residual.
inline Tensor returned(const optim::Optimizer& o, const Tensor& loss) {
  if (!o.takes_residuals()) loss.backward();
  return loss;
}

/// The arguments that a wrapper requires, as text.
inline std::string required(const optim::Entry& e) {
  std::string s;
  for (const auto& f : e.fields)
    if (f.text == "required") s += ", " + f.name + "=1";
  return s;
}

/// The optimizer of a description, for a matrix of four weights.
inline optim::Optimizer small(const std::string& description) {
  return optim::make(description, {{"w", ones({2, 2}).requires_grad_()}});
}
/// True if a step evaluates the loss as often as it likes.
inline bool searches(const std::string& description) { return small(description).searches(); }
/// True if the optimizer keeps a matrix, and takes only so many weights.
inline bool is_dense(const std::string& description) {
  return small(description).most_weights() > 0;
}

/// Every rule of the registry at its defaults and with each switch on, and wrappers around AdamW.
inline std::vector<Described> all_optimizers() {
  std::vector<Described> all;
  for (const optim::Entry& e : optim::registry()) {
    if (e.is_wrapper) {
      all.push_back({e.name, to_text(e.name, "(adamw(lr=0.01)", required(e), ")")});
      continue;
    }
    // With a smaller eps, Shampoo's first roots magnify what rounding leaves in directions that no
    // gradient has had.
    const std::string settings = e.name == "shampoo" ? "eps=0.0001" : "";
    all.push_back({e.name, settings.empty() ? e.name : to_text(e.name, "(", settings, ")")});
    for (const auto& f : e.fields)
      if (f.is_switch && f.value == 0 && !(e.name == "sgd" && f.name == "nesterov"))
        all.push_back(
            {e.name + "_" + f.name,
             to_text(e.name, "(", settings, settings.empty() ? "" : ", ", f.name, "=true)")});
  }
  all.push_back({"rmsprop_all", "rmsprop(momentum=0.9, centered=true)"});
  all.push_back({"prodigy_decay", "prodigy(d0=0.01, weight_decay=0.1)"});
  all.push_back({"all_wrappers",
                 "swa(ema(clip_value(sam(clip_norm(adamw(lr=0.01), 1)), 0.5), 0.9), start=2)"});
  all.push_back({"other_wrappers",
                 "ema(lookahead(noise(accumulate(agc(skip_non_finite(rmsprop)), 2), eta=1e-6)))"});
  return all;
}

}  // namespace descent::testing
