#include <descent/optim/early_stopping.h>

namespace descent::optim {

EarlyStopping::EarlyStopping(EarlyStoppingOptions o)
    : options_(o), best_(o.maximize ? -kInfinity : kInfinity) {
  if (o.patience < 0 || !(o.min_delta >= 0))
    fail<ValueError>("early_stopping", "got patience = ", o.patience,
                     " and min_delta = ", o.min_delta, ", expected none below 0");
}

bool EarlyStopping::improves(double metric) const {
  return (options_.maximize ? metric - best_ : best_ - metric) > options_.min_delta;
}

/// Copies the tensors, because a model may return the tensors that it goes on training.
void EarlyStopping::keep(double metric, const State& state) {
  State copies;
  for (const auto& [key, t] : state) copies[key] = t.detach().clone();
  best_state_ = std::move(copies);
  best_ = metric;
  epoch_ = seen_;
}

bool EarlyStopping::count() {
  waited_ = epoch_ == seen_ ? 0 : waited_ + 1;
  ++seen_;
  return waited_ > options_.patience;
}

void EarlyStopping::check_kept() const {
  if (epoch_ < 0)
    fail<StateError>("early_stopping",
                     "got no epoch with a metric that is a number, expected one before restore()");
}

void EarlyStopping::state(StateVisitor& visit) {
  visit("early_stopping/best", best_);
  visit("early_stopping/seen", seen_);
  visit("early_stopping/best_epoch", epoch_, -1);
  visit("early_stopping/waited", waited_);
  visit.all("early_stopping/state/", best_state_);
}

State EarlyStopping::state_dict() const { return save_state(*this); }

void EarlyStopping::load_state_dict(const State& saved) {
  load_state("early stopping", saved, [this](StateVisitor& visit) { state(visit); });
}

}  // namespace descent::optim
