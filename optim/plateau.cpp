#include <descent/core/create.h>
#include <descent/optim/plateau.h>

#include <algorithm>

namespace descent::optim {

ReduceOnPlateau::ReduceOnPlateau(Optimizer& optimizer, PlateauOptions o, std::string field)
    : optimizer_(&optimizer),
      options_(o),
      field_(std::move(field)),
      best_(o.maximize ? -kInfinity : kInfinity) {
  if (!(o.factor > 0 && o.factor < 1))
    fail<ValueError>("plateau", "got factor = ", o.factor, ", expected a number in (0, 1)");
  if (o.patience < 0 || o.cooldown < 0 || !(o.threshold >= 0) || !(o.min >= 0))
    fail<ValueError>("plateau", "got patience = ", o.patience, ", cooldown = ", o.cooldown,
                     ", threshold = ", o.threshold, ", min = ", o.min, ", expected none below 0");
  for (int g = 0; g < optimizer.groups(); ++g) optimizer.get(field_, g);
}

bool ReduceOnPlateau::step(double metric) {
  // PyTorch's relative threshold; at an infinite best every number is better.
  const bool first = best_ == kInfinity || best_ == -kInfinity;
  const bool better = first               ? metric == metric
                      : options_.maximize ? metric > best_ * (1 + options_.threshold)
                                          : metric < best_ * (1 - options_.threshold);
  if (better) {
    best_ = metric;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooling_ > 0) {
    --cooling_;
    bad_ = 0;
  }
  if (bad_ <= options_.patience) return false;
  cooling_ = options_.cooldown;
  bad_ = 0;
  bool reduced = false;
  std::vector<double> before;
  for (int g = 0; g < optimizer_->groups(); ++g) before.push_back(optimizer_->get(field_, g));
  for (int g = 0; g < optimizer_->groups(); ++g) {
    const double now = before[static_cast<std::size_t>(g)],
                 after = std::max(now * options_.factor, options_.min);
    if (!(now - after > 1e-8)) continue;
    optimizer_->set(field_, after, g);
    reduced = true;
  }
  return reduced;
}

State ReduceOnPlateau::state_dict() const {
  return {{"plateau/best", full({}, best_, kFloat64)},
          {"plateau/bad", full({}, bad_, kInt64)},
          {"plateau/cooling", full({}, cooling_, kInt64)}};
}

void ReduceOnPlateau::load_state_dict(const State& state) {
  for (const char* key : {"plateau/best", "plateau/bad", "plateau/cooling"})
    if (!state.contains(key))
      fail<StateError>("load_state_dict", "got a state without '", key, "', expected a plateau's");
  best_ = state.at("plateau/best").item();
  bad_ = state.at("plateau/bad").item<std::int64_t>();
  cooling_ = state.at("plateau/cooling").item<std::int64_t>();
}

}  // namespace descent::optim
