// Rules that evaluate the loss while they step, as L-BFGS does along a line.
//
// A search rule has `using Memory = …`, a struct with state(visit, n) that keeps what one step
// leaves to the next for n weights, and minimize(search), which moves search.x downhill. Slots and
// numbers are not for it. Such a rule takes one group, which holds all parameters.
#pragma once

#include <descent/optim/engine/any_rule.h>
#include <descent/optim/engine/state.h>

namespace descent::optim {

/// What a search works on: all parameters as one vector of doubles.
struct Search {
  Tensor x;     ///< where the weights are, (n); minimize() assigns where they are to go
  double loss;  ///< the loss there
  Tensor g;     ///< its gradient there, (n); 0 for a parameter without one
  Step step;
  void* memory;  ///< see memory_of()
  /// Moves the weights to a point and calls the closure. Returns the loss and the gradient there.
  std::function<std::pair<double, Tensor>(const Tensor& x)> evaluate;

  /// What the rule keeps from step to step.
  template <class Rule>
  typename Rule::Memory& memory_of() const {
    return *static_cast<typename Rule::Memory*>(memory);
  }
};

namespace detail {

class SearchRule : public AnyRule {
 public:
  virtual void minimize(Search& search) = 0;
  /// The memory, for n weights.
  virtual void state(StateVisitor& visit, std::int64_t n) = 0;
  /// Calls f; if f throws, the memory is as before.
  virtual void keep_memory_if(const std::function<void()>& f) = 0;

 protected:
  SearchRule(const Card& c, std::span<const char* const> s, std::span<const Number> n, bool a)
      : AnyRule(RuleKind::search, c, s, n, a) {}
};

template <class Rule>
class SearchRuleOf final : public RuleOf<Rule, SearchRule> {
 public:
  using RuleOf<Rule, SearchRule>::RuleOf;
  void minimize(Search& search) override {
    search.memory = &memory_;
    this->rule_.minimize(search);
  }
  void state(StateVisitor& visit, std::int64_t n) override { memory_.state(visit, n); }
  void keep_memory_if(const std::function<void()>& f) override {
    const typename Rule::Memory before = memory_;
    try {
      f();
    } catch (...) {
      memory_ = before;
      throw;
    }
  }

 private:
  typename Rule::Memory memory_;
};

}  // namespace detail
}  // namespace descent::optim
