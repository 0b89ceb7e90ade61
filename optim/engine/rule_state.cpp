// What a RuleStage saves, and what it expects of a state that it is to load.
#include <descent/autograd/ops.h>
#include <descent/core/kernels/copy.h>
#include <descent/optim/engine/rule_stage.h>
#include <descent/optim/fields.h>

#include <algorithm>

namespace descent::optim::detail {

std::string RuleStage::key(std::size_t i, std::string_view slot_name) const {
  return to_text(groups_[static_cast<std::size_t>(memory_[i].group)]->card().name, "/", slot_name,
                 "/", parameters_[i].name);
}

namespace {

/// The tensors of a search by name; numbers are (t, scale, iterations).
template <class F>
void visit_search(const Search& s, F f) {
  f("numbers", tensor({s.t, s.scale, static_cast<double>(s.iterations)}, kFloat64));
  if (s.direction.defined()) {
    f("direction", s.direction);
    f("last_gradient", s.last_gradient);
  }
  if (!s.ys.empty()) {
    f("y", stack(s.ys, 0));
    f("s", stack(s.ss, 0));
  }
}
const std::string kSearchKey = "lbfgs/search/";

}  // namespace

void RuleStage::save(State& state) const {
  refuse_while_swapped("state_dict");
  if (search_)
    visit_search(*search_, [&](const char* name, const Tensor& t) {
      state[kSearchKey + name] = kernel::clone(t);
    });
  state["optimizer/steps"] = number(steps_);
  state["optimizer/skipped"] = number(skipped);
  state["optimizer/gradient_evaluations"] = number(evaluations);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Fields fields([&](std::string_view name, Hyper* h, const Range*, bool* b) {
      const std::string k = to_text("group/", g, "/", name);
      if (b)
        state[k] = number(*b ? 1.0 : 0.0);
      else if (h->is_constant())  // a schedule is code, and a function of optimizer/steps
        state[k] = number((*h)(0));
    });
    groups_[g]->visit_fields(fields);
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    state[key(i, "step")] = number(memory_[i].t);
    const AnyRule& rule = rule_of(i);
    for (std::size_t k = 0; k < rule.scalars().size(); ++k)
      state[key(i, rule.scalars()[k].name)] = number(memory_[i].scalars[k]);
    for (int k = 0; k < rule.slot_count(); ++k) {
      const Tensor& s = memory_[i].slots[static_cast<std::size_t>(k)];
      if (s.defined()) state[key(i, rule.slot_name(k))] = kernel::clone(s);
    }
  }
}

void RuleStage::load_fields(const State& state) {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Fields fields([&](std::string_view name, Hyper* h, const Range*, bool* b) {
      const auto found = state.find(to_text("group/", g, "/", name));
      if (found == state.end() || found->second.numel() != 1) return;
      if (b)
        *b = found->second.item() != 0;
      else if (h->is_constant())
        *h = found->second.item();
    });
    groups_[g]->visit_fields(fields);
  }
}

namespace {

/// Which slots a rule uses at its present settings.
std::vector<bool> slots_needed(const AnyRule& rule, DType dtype) {
  std::vector<bool> needed(static_cast<std::size_t>(rule.slot_count()), rule.is_whole());
  const auto mark = [&](const BoundRule& bound) {
    for (int k = 0; k < bound.slot_count; ++k)
      if (bound.slot_ids[k] >= 0) needed[static_cast<std::size_t>(bound.slot_ids[k])] = true;
  };
  if (rule.is_whole()) return needed;
  Scalars scalars{};
  for (std::size_t k = 0; k < rule.scalars().size(); ++k) scalars[k] = rule.scalars()[k].start;
  const double sums[kMaxSums] = {};
  const Step step{1, 0, scalars.data(), sums};
  mark(rule.bind(step, dtype));
  if (rule.measures()) mark(rule.bind_measure(step, dtype));
  return needed;
}

}  // namespace

void RuleStage::expect(const State& state, std::vector<StateEntry>& entries) {
  refuse_while_swapped("load_state_dict");
  for (const char* key : {"optimizer/steps", "optimizer/skipped", "optimizer/gradient_evaluations"})
    entries.push_back({key, {}, kInt64, true});
  if (search_) {
    std::int64_t n = 0;
    for (const Parameter& p : parameters_) n += p.value.numel();
    const auto pairs = state.find(kSearchKey + "y");
    const bool some = pairs != state.end() && pairs->second.dim() == 2;
    const Shape history{some ? pairs->second.size(0) : 0, n};
    entries.push_back({kSearchKey + "numbers", {3}, kFloat64, true});
    const auto numbers = state.find(kSearchKey + "numbers");
    const bool begun = numbers != state.end() && numbers->second.numel() == 3 &&
                       numbers->second.to_vector()[2] > 0;
    for (const char* name : {"direction", "last_gradient"})
      entries.push_back({kSearchKey + name, {n}, kFloat64, begun});
    for (const char* name : {"y", "s"})
      entries.push_back({kSearchKey + name, history, kFloat64, some});
  }
  // Which slots a parameter must have depends on the settings that the state brings along: these
  // are tried on, and taken off again.
  State before;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Fields fields([&](std::string_view name, Hyper* h, const Range*, bool* b) {
      const std::string k = to_text("group/", g, "/", name);
      if (b || h->is_constant()) before[k] = number(b ? (*b ? 1.0 : 0.0) : (*h)(0));
      entries.push_back({k, {}, kFloat64, b || h->is_constant()});
    });
    groups_[g]->visit_fields(fields);
  }
  try {
    load_fields(state);
    check();
  } catch (...) {
    load_fields(before);
    throw;
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& w = parameters_[i].value;
    const AnyRule& rule = rule_of(i);
    entries.push_back({key(i, "step"), {}, kInt64, true});
    for (const Scalar& scalar : rule.scalars())
      entries.push_back({key(i, scalar.name), {}, kFloat64, true});
    const auto t = state.find(key(i, "step"));
    const bool used = t != state.end() && t->second.numel() == 1 && t->second.item() > 0;
    const std::vector<bool> needed = slots_needed(rule, w.dtype());
    for (int k = 0; k < rule.slot_count(); ++k)
      if (const auto shape = rule.slot_shape(k, w.shape()))
        entries.push_back({key(i, rule.slot_name(k)), *shape, w.dtype(),
                           used && needed[static_cast<std::size_t>(k)]});
  }
  load_fields(before);
}

void RuleStage::load(const State& state) {
  held_.clear();
  if (search_) {
    Search s;
    const auto at = [&](const char* name) {
      const auto found = state.find(kSearchKey + name);
      return found == state.end() ? Tensor() : kernel::clone(found->second);
    };
    const std::vector<double> numbers = at("numbers").to_vector();
    s.t = numbers[0], s.scale = numbers[1], s.iterations = static_cast<std::int64_t>(numbers[2]);
    s.direction = at("direction"), s.last_gradient = at("last_gradient");
    if (const Tensor y = at("y"), d = at("s"); y.defined())
      for (std::int64_t i = 0; i < y.size(0); ++i) {
        s.ys.push_back(y.select(0, i).clone());
        s.ss.push_back(d.select(0, i).clone());
      }
    *search_ = std::move(s);
  }
  steps_ = state.at("optimizer/steps").item<std::int64_t>();
  skipped = state.at("optimizer/skipped").item<std::int64_t>();
  evaluations = state.at("optimizer/gradient_evaluations").item<std::int64_t>();
  load_fields(state);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    memory_[i].t = state.at(key(i, "step")).item<std::int64_t>();
    const AnyRule& rule = rule_of(i);
    for (std::size_t k = 0; k < rule.scalars().size(); ++k)
      memory_[i].scalars[k] = state.at(key(i, rule.scalars()[k].name)).item();
    for (int k = 0; k < rule.slot_count(); ++k) {
      const auto found = state.find(key(i, rule.slot_name(k)));
      Tensor& own = memory_[i].slots[static_cast<std::size_t>(k)];
      own = Tensor();
      if (found != state.end()) kernel::copy(found->second, slot(i, k));
    }
  }
}

}  // namespace descent::optim::detail
