#include <descent/optim/fields.h>

namespace descent::optim::detail {

std::string list_fields(std::string_view name, const std::string& first,
                        const std::function<void(FieldVisitor&)>& visit) {
  std::string s = to_text(name, "(", first);
  Fields fields([&](std::string_view field, Hyper* h, const Range*, bool* b) {
    s += to_text(s.back() == '(' ? "" : ", ", field, "=", h ? h->text() : *b ? "true" : "false");
  });
  visit(fields);
  return s + ")";
}

void check_fields(std::string_view rule, const std::function<void(FieldVisitor&)>& visit) {
  Fields fields([&](std::string_view name, Hyper* h, const Range* range, bool*) {
    if (h && !range->holds((*h)(0)))
      fail<ValueError>(rule, "got ", name, " = ", (*h)(0), ", expected a number in ",
                       range->text());
  });
  visit(fields);
}

void Wrapper::visit_fields(FieldVisitor& f, int, std::string_view owner) {
  if (owner.empty() || owner == key()) own_fields(f);
}

void Wrapper::check_schedules() {
  Fields fields([this](std::string_view field, Hyper* h, const Range* range, bool*) {
    if (h && !h->is_constant() && !range->holds((*h)(steps())))
      fail_schedule(name(), field, (*h)(steps()), *range, steps());
  });
  own_fields(fields);
  inner_->check_schedules();
}

std::string Wrapper::key() const {
  int same = 1;
  for (Stage* s = inner_.get(); s; s = s->inner())
    if (const auto* w = dynamic_cast<Wrapper*>(s)) same += w->name() == name();
  return same == 1 ? std::string(name()) : to_text(name(), same);
}

void Wrapper::save(State& state) const {
  inner_->save(state);
  Fields fields([&](std::string_view field, Hyper* h, const Range*, bool* b) {
    if (b || h->is_constant())
      state[to_text(key(), "/", field)] = number(b ? (*b ? 1.0 : 0.0) : (*h)(0));
  });
  const_cast<Wrapper*>(this)->own_fields(fields);
}

void Wrapper::expect(const State& state, std::vector<StateEntry>& entries) {
  inner_->expect(state, entries);
  Fields fields([&](std::string_view field, Hyper* h, const Range* range, bool* b) {
    const std::string k = to_text(key(), "/", field);
    entries.push_back({k, {}, kFloat64, b || h->is_constant()});
    const auto found = state.find(k);
    if (b || !h->is_constant() || found == state.end() || found->second.numel() != 1) return;
    if (const double x = found->second.item(); !range->holds(x))
      fail<ValueError>(name(), "got ", field, " = ", x, " from a state, expected a number in ",
                       range->text());
  });
  own_fields(fields);
}

void Wrapper::load(const State& state) {
  inner_->load(state);
  Fields fields([&](std::string_view field, Hyper* h, const Range*, bool* b) {
    const auto found = state.find(to_text(key(), "/", field));
    if (found == state.end()) return;
    if (b)
      *b = found->second.item() != 0;
    else if (h->is_constant())
      *h = found->second.item();
  });
  own_fields(fields);
}

std::string Wrapper::text() {
  return list_fields(name(), inner_->text(), [this](FieldVisitor& f) { own_fields(f); });
}

}  // namespace descent::optim::detail
