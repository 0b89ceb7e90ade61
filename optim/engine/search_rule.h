// Search rules: rules that evaluate the loss while they step. L-BFGS is one.
//
// A search rule has card, fields and an empty slot_names, as every rule has (see rule.h), and
// - `using Memory = …`: a struct for what one step leaves to the next. Memory has a member
//   state(StateVisitor& visit, std::int64_t n), which lists its contents for n weights;
// - `void minimize(Search& search, Memory& memory) const`: moves search.x downhill. If it
//   throws, the engine puts weights and memory back. The engine keeps a copy of the memory for
//   this. A tensor shares its numbers with its copies: assign to the tensors of the memory, and
//   write none in place.
// A search rule has no slots and no numbers. It serves one group, which holds all parameters.
//
// A rule of least squares is a search rule whose minimize() takes a LeastSquares in place of a
// Search: `void minimize(LeastSquares& problem, Memory& memory) const`. Levenberg–Marquardt is one.
// The closure of such a rule returns the residuals.
//
// A search rule with `static constexpr bool gradient_free = true` reads no gradient: its closure
// need not call backward().
#pragma once

#include <descent/optim/engine/any_rule.h>
#include <descent/optim/engine/state.h>

namespace descent::optim {

/// Why minimize() ended, for Optimizer::ended(): the name of the setting that ended it,
/// "no lower point", or "" for a rule that does not say.
using Ending = const char*;
/// The ending of a search that found nothing lower where the gradient is not small.
inline constexpr Ending kNoLowerPoint = "no lower point";

/// What minimize() works on: all parameters of the optimizer, joined to one vector of n doubles.
struct Search {
  Tensor x;     ///< the weights, (n) in double; minimize() assigns the new weights
  double loss;  ///< the loss at x
  Tensor g;     ///< the gradient at x, (n); 0 for a parameter without a gradient
  Step step;    ///< which step this is, for reading settings: lr(search.step)
  /// Returns 1 for each weight whose parameter has a gradient, and 0 for the others: (n).
  std::function<Tensor()> has_gradient;
  /// Moves the weights to x, (n), and calls the closure. Returns the loss and the gradient (n) at
  /// x. Throws what the closure throws.
  std::function<std::pair<double, Tensor>(const Tensor& x)> evaluate;
  /// The product of the Hessian at the first x with v, (n). Costs a backward pass, which counts as
  /// an evaluation. Empty unless the rule has `static constexpr bool uses_hessian = true`. Call it
  /// before evaluate().
  std::function<Tensor(const Tensor& v)> hessian;
  Ending ended = "";  ///< minimize() may say why it ended
};

/// What minimize() of a rule of least squares works on: the loss is ½Σr², with m residuals r that
/// depend on all parameters of the optimizer, joined to one vector of n doubles.
struct LeastSquares {
  Tensor x;        ///< the weights, (n) in double; minimize() assigns the new weights
  Tensor r;        ///< the residuals at x, (m) in double
  double epsilon;  ///< the machine epsilon of the dtype that the closure returns
  Step step;       ///< which step this is, for reading settings
  /// Moves the weights to x, (n), and calls the closure. Returns the residuals at x, (m). Throws
  /// what the closure throws, and ShapeError if their number has changed.
  std::function<Tensor(const Tensor& x)> evaluate;
  /// The derivatives of the residuals that evaluate() returned last, or of r before the first call:
  /// (m, n), 0 for a parameter that is frozen. Takes min(m, n) backward passes, which count as
  /// evaluations.
  std::function<Tensor()> jacobian;
  /// The same derivatives J by their products: J·v (m) for v (n), and Jᵀ·u (n) for u (m). Each
  /// takes a backward pass, which counts as an evaluation. The first jvp() at a point takes
  /// another.
  std::function<Tensor(const Tensor& v)> jvp;
  std::function<Tensor(const Tensor& u)> vjp;  ///< see jvp
  Ending ended = "";                           ///< minimize() may say why it ended
};

namespace detail {

/// The memory of a rule that leaves nothing from one step to the next.
struct NoMemory {
  void state(StateVisitor&, std::int64_t) {}
};

class SearchRule : public AnyRule {
 public:
  static constexpr RuleKind kKind = RuleKind::search;
  /// Calls the rule's minimize(). Only that of the rule's form is called.
  virtual void minimize(Search& search) = 0;
  virtual void minimize(LeastSquares& problem) = 0;
  /// Copies the memory into `log`.
  virtual void remember(UndoLog& log) = 0;
  /// Lists the memory, for n weights.
  virtual void state(StateVisitor& visit, std::int64_t n) = 0;

 protected:
  using AnyRule::AnyRule;
};

template <class Rule>
class SearchRuleOf final : public RuleOf<Rule, SearchRule> {
  using Memory = typename Rule::Memory;
  static constexpr bool kResiduals = requires(const Rule& r, LeastSquares& p, Memory& m) {
    r.minimize(p, m);
  };
  static_assert(
      kResiduals || requires(const Rule& r, Search& s, Memory& m) { r.minimize(s, m); },
      "minimize is: void minimize(optim::Search& search, Memory& memory) const, or with an "
      "optim::LeastSquares& in place of the Search&");

 public:
  explicit SearchRuleOf(Rule rule) : RuleOf<Rule, SearchRule>(std::move(rule), traits()) {}
  void minimize(Search& search) override {
    if constexpr (!kResiduals) this->rule_.minimize(search, memory_);
  }
  void minimize(LeastSquares& problem) override {
    if constexpr (kResiduals) this->rule_.minimize(problem, memory_);
  }
  void remember(UndoLog& log) override {
    log.add([this, old = memory_]() mutable { memory_ = std::move(old); });
  }
  void state(StateVisitor& visit, std::int64_t n) override { memory_.state(visit, n); }

 private:
  static RuleTraits traits() {
    RuleTraits t = RuleOf<Rule, SearchRule>::traits_of();
    t.residuals = kResiduals;
    t.uses_hessian = requires { requires Rule::uses_hessian; };
    t.gradient_free = requires { requires Rule::gradient_free; };
    return t;
  }
  Memory memory_;
};

}  // namespace detail
}  // namespace descent::optim
