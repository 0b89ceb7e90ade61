#include <descent/optim/engine/groups.h>
#include <descent/optim/plateau.h>

#include <algorithm>

namespace descent::optim {

ReduceOnPlateau::ReduceOnPlateau(Optimizer& optimizer, PlateauOptions o, std::string field)
    : optimizer_(optimizer.watch()),
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
  const auto optimizer = optimizer_.lock();
  if (!optimizer)
    fail<StateError>("plateau", "got an optimizer that was destroyed, expected one that lives");
  // PyTorch's relative threshold. Before the first metric, best_ is infinite, and every number is
  // better.
  const bool first = best_ == kInfinity || best_ == -kInfinity;
  const bool better = first               ? metric == metric
                      : options_.maximize ? metric > best_ * (1 + options_.threshold)
                                          : metric < best_ * (1 - options_.threshold);
  if (better) best_ = metric;
  bad_ = better || cooling_ > 0 ? 0 : bad_ + 1;
  if (cooling_ > 0) --cooling_;
  if (bad_ <= options_.patience) return false;
  cooling_ = options_.cooldown;
  bad_ = 0;
  bool reduced = false;
  std::vector<double> before;
  const auto groups = static_cast<int>(optimizer->groups().size());
  for (int g = 0; g < groups; ++g) before.push_back(detail::get_setting(*optimizer, field_, g));
  for (int g = 0; g < groups; ++g) {
    const double now = before[static_cast<std::size_t>(g)],
                 after = std::max(now * options_.factor, options_.min);
    if (!(now - after > 1e-8)) continue;
    detail::set_setting(*optimizer, field_, after, g);
    reduced = true;
  }
  return reduced;
}

void ReduceOnPlateau::state(StateVisitor& visit) {
  visit("plateau/best", best_);
  visit("plateau/bad", bad_);
  visit("plateau/cooling", cooling_);
}

State ReduceOnPlateau::state_dict() const { return save_state(*this); }

void ReduceOnPlateau::load_state_dict(const State& saved) {
  load_state("a plateau", saved, [this](StateVisitor& visit) { state(visit); });
}

}  // namespace descent::optim
