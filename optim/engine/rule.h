// clang-format off
// Rules: what an optimizer is made of. A rule is a struct that reads like its paper:
//
//   struct Momentum {
//     optim::Hyper lr = 1e-2, mu = 0.9;
//     static constexpr optim::Card card{.name = "mine", .title = "Momentum", .formula = "v = μv + g, θ −= ηv"};
//     static constexpr std::array slot_names{"v"};
//     static void fields(auto& rule, auto&& f) {
//       f("lr", rule.lr, optim::kNonNegative);
//       f("mu", rule.mu, optim::kUnit);
//     }
//     template <class T>
//     auto at(optim::Step s) const {
//       const T eta = T(lr(s)), m = T(mu(s));
//       return [=](auto& w, auto g, auto& v) {
//         v = m * v + g;
//         w -= eta * v;
//       };
//     }
//   };
//   optim::Optimizer optimizer(model.parameters(), Momentum{.lr = 1e-2});
//
// Every rule has
// - `card`, whose name appears in text and in saved states;
// - `slots`, the names of what is kept for each weight: arrays that start at zero. A rule that keeps
//   nothing writes `static constexpr std::array<const char*, 0> slot_names{}`. Names of slots and numbers
//   differ, and none is "step";
// - `fields(rule, f)`, which lists the settings once: f(name, number, range) for a Hyper, f(name,
//   flag) for a bool. Groups, schedules, checking, saving and printing follow;
// - an update, in one of the forms below.
// It may have `maximize`, a bool: the gradient is negated; `check()`, which throws if settings do not
// go together; `check_parameter(name, w)`, which throws if the rule cannot work on w; `numbers`, an
// array of at most 4 Number, kept for each parameter: the update reads and writes step.numbers[i];
// `average(step, w, slots)`, which returns the weights to be evaluated, for swap_average().
//
// Element rules update each weight from its own gradient and slots.
// - at<T>(step), T float or double, computes what is the same for all weights, in double, and returns
//   a formula: a lambda that captures numbers of type T by value. The engine runs the formula over
//   all weights in one pass. The lambda takes the weight (auto& w), the gradient (auto g) and the
//   slots in their order: by reference (auto&) to write one, by value (auto) to read it only.
//   <descent/core/simd/pack.h> lists what a formula may use. No flags are needed: a formula is as
//   fast at -O2 as those of Descent.
// - dispatch<T>(step, run) stands in place of at() if the settings decide which slots are used. It
//   calls run(formula) once. The formula takes the first slots, or those that are named behind it:
//   run(formula, "square", "mean").
// - measure<T>(step, run) is a pass before the update. It calls run(formula, slots…) once; the formula
//   leaves w alone and returns a std::array of at most 4 terms. The update finds their sums over the
//   parameter in step.sums. With `static constexpr bool shares_sums = true` the sums run over all
//   parameters that such rules serve.
// - wants_curvature(step): if true, the formula of that step has one more argument, the last: an
//   estimate of the diagonal of the Hessian. Such a rule needs a closure.
//
// Tensor rules have update(step, w, g, slots): they work on whole tensors, with Descent's operators,
// and write w in place (w.sub_(x), w.copy_(x)). A slot, a std::span<Tensor>'s element, is written in place or
// assigned; an assigned slot that shares memory with w or g is copied when the update ends.
// slot_shape(slot, shape of w) returns how large a slot is; nothing for no slot.
//
// Search rules evaluate the loss as often as they like: see search_rule.h and rules/lbfgs.h.
// clang-format on
#pragma once

#include <descent/optim/engine/element_rule.h>
#include <descent/optim/engine/search_rule.h>
#include <descent/optim/engine/tensor_rule.h>

namespace descent::optim {
class Optimizer;
}

namespace descent::optim::detail {

/// True for the rules and wrappers of Descent, which the library has compiled.
template <class T>
inline constexpr bool built_in = false;
template <class T>
inline constexpr bool is_wrapper = requires { T::role; };
/// What the library has compiled of a built-in rule or wrapper.
template <class T>
struct Compiled {
  static std::unique_ptr<AnyRule> make(T rule) requires(!is_wrapper<T>);
  static Optimizer wrap(Optimizer inner, T wrapper) requires is_wrapper<T>;
};

/// A rule of any form, its type erased. The second argument keeps what is compiled in files with
/// other flags apart.
template <class Rule, class Configuration = simd::Configuration>
std::unique_ptr<AnyRule> make_rule(Rule rule) {
  if constexpr (requires(const Rule& r, Search& s) { r.minimize(s); })
    return std::make_unique<SearchRuleOf<Rule>>(std::move(rule));
  else if constexpr (names_update<Rule>)
    return std::make_unique<TensorRuleOf<Rule>>(std::move(rule));
  else
    return std::make_unique<ElementRuleOf<Rule, Configuration>>(std::move(rule));
}

}  // namespace descent::optim::detail
