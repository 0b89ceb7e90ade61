#include <descent/core/create.h>
#include <descent/optim/early_stopping.h>

namespace descent::optim {

EarlyStopping::EarlyStopping(EarlyStoppingOptions o)
    : options_(o), best_(o.maximize ? -kInfinity : kInfinity) {
  if (o.patience < 0 || !(o.min_delta >= 0))
    fail<ValueError>("early_stopping", "got patience = ", o.patience,
                     " and min_delta = ", o.min_delta, ", expected none below 0");
}

bool EarlyStopping::count(double metric) {
  const double gain = options_.maximize ? metric - best_ : best_ - metric;
  if (gain > options_.min_delta) {
    best_ = metric;
    epoch_ = seen_;
    waited_ = 0;
  } else {
    ++waited_;
  }
  ++seen_;
  return waited_ > options_.patience;
}

/// Copies: a model may hand out the very tensors that it goes on to train.
void EarlyStopping::keep(const State& state) {
  State copies;
  for (const auto& [key, t] : state) copies[key] = t.detach().clone();
  state_ = std::move(copies);
}

void EarlyStopping::check_kept() const {
  if (epoch_ < 0)
    fail<StateError>("early_stopping",
                     "got no epoch with a metric that is a number, expected one before restore()");
}

State EarlyStopping::state_dict() const {
  State state{{"early_stopping/best", full({}, best_, kFloat64)},
              {"early_stopping/seen", full({}, seen_, kInt64)},
              {"early_stopping/best_epoch", full({}, epoch_, kInt64)},
              {"early_stopping/waited", full({}, waited_, kInt64)}};
  for (const auto& [key, t] : state_) state[to_text("early_stopping/state/", key)] = t.clone();
  return state;
}

void EarlyStopping::load_state_dict(const State& state) {
  const auto number = [&](const char* name) {
    const auto found = state.find(to_text("early_stopping/", name));
    if (found == state.end())
      fail<StateError>("load_state_dict", "got a state without 'early_stopping/", name,
                       "', expected one of EarlyStopping");
    return found->second;
  };
  const double best = number("best").item();
  const auto seen = number("seen").item<std::int64_t>(),
             epoch = number("best_epoch").item<std::int64_t>(),
             waited = number("waited").item<std::int64_t>();
  best_ = best, seen_ = seen, epoch_ = epoch, waited_ = waited;
  state_.clear();
  constexpr std::string_view kState = "early_stopping/state/";
  for (const auto& [key, t] : state)
    if (key.starts_with(kState)) state_[key.substr(kState.size())] = t.clone();
}

}  // namespace descent::optim
