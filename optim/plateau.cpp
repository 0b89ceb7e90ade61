#include <descent/optim/engine/groups.h>
#include <descent/optim/plateau.h>

#include <algorithm>
#include <cmath>

namespace descent::optim {

ReduceOnPlateau::ReduceOnPlateau(Optimizer& optimizer, PlateauOptions o, std::string field)
    : optimizer_(optimizer.watch()),
      options_(o),
      field_(std::move(field)),
      best_(o.maximize ? -kInfinity : kInfinity) {
  if (!(o.factor > 0 && o.factor < 1))
    fail<ValueError>("plateau", "got factor = ", o.factor, ", expected a number in (0, 1)");
  if (o.patience < 0 || o.cooldown < 0 || !(o.threshold >= 0) || !(o.min >= 0) || !(o.eps >= 0))
    fail<ValueError>("plateau", "got patience = ", o.patience, ", cooldown = ", o.cooldown,
                     ", threshold = ", o.threshold, ", min = ", o.min, ", eps = ", o.eps,
                     ", expected none below 0");
  for (int g = 0; g < optimizer.groups(); ++g) optimizer.get(field_, g);
}

bool ReduceOnPlateau::step(double metric) {
  const auto optimizer = optimizer_.lock();
  if (!optimizer)
    fail<StateError>("plateau", "got an optimizer that was destroyed, expected one that lives");
  // Before the first metric, best_ is the worst of all, and every number but that is better.
  const double worst = options_.maximize ? -kInfinity : kInfinity;
  const bool better = best_ == worst      ? metric == metric && metric != worst
                      : options_.maximize ? metric > best_ + options_.threshold * std::abs(best_)
                                          : metric < best_ - options_.threshold * std::abs(best_);
  const std::int64_t bad = better || cooling_ > 0 ? 0 : bad_ + 1;
  const bool reduces = bad > options_.patience;
  std::vector<std::pair<int, Hyper>> lowered;
  for (int g = 0; reduces && g < static_cast<int>(optimizer->groups().size()); ++g) {
    const Hyper setting = detail::get_hyper(*optimizer, field_, g);
    const double now = setting(optimizer->groups().steps()),
                 after = std::max(now * options_.factor, options_.min);
    if (now - after <= options_.eps) continue;
    const double factor = after > options_.min ? options_.factor : after / now;
    lowered.emplace_back(g, setting.is_constant() ? Hyper(after) : setting.scaled(factor));
  }
  detail::set_settings(*optimizer, field_, lowered);  // if it throws, nothing has changed
  if (better) best_ = metric;
  bad_ = reduces ? 0 : bad;
  cooling_ = reduces ? options_.cooldown : std::max<std::int64_t>(cooling_ - 1, 0);
  return !lowered.empty();
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
