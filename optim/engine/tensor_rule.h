// How the engine sees a tensor rule: a rule that works on whole tensors. To write one, read rule.h.
#pragma once

#include <descent/optim/engine/any_rule.h>

namespace descent::optim::detail {

/// A tensor rule whose type is erased. TensorRuleOf forwards to the rule that a user wrote.
class TensorRule : public AnyRule {
 public:
  static constexpr RuleKind kKind = RuleKind::tensor;
  virtual void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> kept) const = 0;

 protected:
  using AnyRule::AnyRule;
};

template <class Rule>
class TensorRuleOf final : public RuleOf<Rule, TensorRule> {
  static_assert(
      requires(const Rule& r, Step s, const Tensor& t, std::span<Tensor> kept) {
        r.update(s, t, t, kept);
      },
      "update is: void update(optim::Step, const Tensor& w, const Tensor& g, std::span<Tensor> "
      "slots) const");

 public:
  using RuleOf<Rule, TensorRule>::RuleOf;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> kept) const override {
    this->rule_.update(s, w, g, kept);
  }
};

}  // namespace descent::optim::detail
