#include <descent/core/launch.h>
#include <descent/optim/engine/groups.h>
#include <descent/optim/engine/wrapper.h>

#include <algorithm>

namespace descent::optim::detail {

void check_order(std::string_view wrapper, Role role, Layer& inner) {
  const auto refuse = [&](const char* reason) {
    fail<ValueError>(wrapper, "got ", inner.text(), " inside, expected another order: ", reason);
  };
  Layer* rules = &inner;
  for (; rules->inner(); rules = rules->inner()) {
    if (role == Role::climbs && rules->climbs())
      refuse(
          "each of two such wrappers evaluates more than the gradient, and they would disturb each "
          "other");
    if (role == Role::changes_gradients && rules->mixes())
      refuse(
          "it would change a gradient that is combined further in with what else was evaluated. "
          "Hint: put it inside");
    if (role == Role::moves_weights && rules->keeps_average())
      refuse("the average would be of weights that are moved afterwards. Hint: put it outside");
  }
  if ((role == Role::changes_gradients || role == Role::climbs) && inner.groups().searches())
    refuse("the rule takes loss and gradients straight from the closure, past what is around it");
  if ((role == Role::averages || role == Role::moves_weights) && rules->keeps_average())
    refuse("this rule keeps an average itself. Hint: swap_average() works without a wrapper");
}

void Wrapper::apply_revocably(bool weights, const std::function<void()>& f) {
  Groups& groups = inner_->groups();
  const std::size_t mark = groups.undo_log().size();
  try {
    if (weights) groups.remember_weights();
    remember();
    f();
  } catch (...) {
    groups.undo_log().back_to(mark);
    throw;
  }
}

double Wrapper::evaluate_revocably(const std::function<double()>& f) {
  descent::detail::perform([this] {
    inner_->groups().remember_weights();
    remember();
  });
  if (descent::detail::recording())
    descent::detail::t_tape->at_failure([&groups = inner_->groups()] { groups.undo(); });
  return f();
}

void Wrapper::remember() {
  UndoLog& log = inner_->groups().undo_log();
  StateVisitor visit = StateVisitor::remembering(log);
  visit.enter({}, inner_->groups().parameters());
  visit.fields([this](const FieldVisitor& f) { own_fields(f); });
  own_state(visit);
  remember_struct(log);  // put back first, because it shares its tensors' numbers
}

void Wrapper::skip_non_finite() { inner_->groups().policy = NonFinite::skip; }

std::string Wrapper::text() {
  return fields_text(name(), inner_->text(), [this](const FieldVisitor& f) { own_fields(f); });
}

void Wrapper::visit_fields(const FieldVisitor& f, int, std::string_view owner) {
  if (owner.empty() || owner == key()) own_fields(f);
}

std::string Wrapper::key() const {
  int same = 1;
  for (Layer* s = inner_.get(); s; s = s->inner())
    same += s->inner() != nullptr && s->name() == name();
  return same == 1 ? std::string(name()) : to_text(name(), same);
}

void Wrapper::state(StateVisitor& visit) {
  refuse_while_swapped(visit.loads() ? "load_state_dict" : "state_dict");
  visit.enter(key() + "/", inner_->groups().parameters());
  visit.fields([this](const FieldVisitor& f) { own_fields(f); });
  own_state(visit);
}

void Wrapper::swap_average() {
  const Parameters& all = inner_->groups().parameters();
  if (is_swapped()) return give_training(all);
  if (!has_average())
    fail<StateError>(
        name(), "got no snapshot yet, expected at least one. Hint: train past its start first");
  give_average(all, *average_);
}

}  // namespace descent::optim::detail
