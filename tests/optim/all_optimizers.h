// The optimizers that tests run over: whatever is in the registry, and every wrapper.
#pragma once

#include <descent/descent.h>

#include <functional>
#include <map>
#include <string>

namespace descent::testing {

using MakeOptimizer = std::function<optim::Optimizer(Parameters)>;

/// Every rule of the registry at its defaults and with each switch, and wrappers around AdamW.
inline std::map<std::string, MakeOptimizer> all_optimizers() {
  using namespace optim;
  std::map<std::string, MakeOptimizer> all;
  for (const Entry& e : registry()) {
    if (e.is_wrapper) continue;
    all[e.name] = [make = e.make](Parameters p) { return make(std::move(p), {}); };
    for (const Entry::Field& f : e.fields)
      if (f.range == "switch" && f.text == "false" && !(e.name == "sgd" && f.name == "nesterov"))
        all[e.name + "_" + f.name] = [make = e.make, field = f.name](Parameters p) {
          return make(std::move(p), {{field, 1.0}});
        };
  }
  all["rmsprop_all"] = [](Parameters p) {
    return Optimizer(std::move(p), RMSProp{.momentum = 0.9, .centered = true});
  };
  const auto adamw = [](Parameters p) { return Optimizer(std::move(p), AdamW{.lr = 0.01}); };
  all["sam"] = [=](Parameters p) { return sam(adamw(std::move(p))); };
  all["asam"] = [=](Parameters p) { return asam(adamw(std::move(p))); };
  all["clip_norm"] = [=](Parameters p) { return clip_norm(adamw(std::move(p)), 1.0); };
  all["clip_value"] = [=](Parameters p) { return clip_value(adamw(std::move(p)), 0.1); };
  all["clip_norm_per_parameter"] = [=](Parameters p) {
    return clip_norm_per_parameter(adamw(std::move(p)), 1.0);
  };
  all["swa"] = [=](Parameters p) { return swa(adamw(std::move(p)), {.start = 2}); };
  all["ema"] = [=](Parameters p) { return ema(adamw(std::move(p)), 0.9); };
  all["all_wrappers"] = [=](Parameters p) {
    return swa(ema(clip_value(sam(clip_norm(adamw(std::move(p)), 1.0)), 0.5), 0.9));
  };
  return all;
}

}  // namespace descent::testing
