// Rules: what an optimizer is made of. A rule is a struct that reads like its paper:
//
//   struct Momentum {
//     optim::Hyper lr = 1e-2, mu = 0.9;
//     static constexpr optim::Card card{
//         .name = "mine", .title = "Momentum", .formula = "v = μv + g, θ −= ηv"};
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
// - `card`: what the rule says about itself. Only the name is required. The name appears in text
//   and in saved states;
// - `slot_names`: the names of the slots. A slot is a number that is kept for each weight; it is
//   0 at the start. The names of slots and numbers must all differ, and "step" is taken. If a
//   rule keeps nothing, it writes
//   `static constexpr std::array<const char*, 0> slot_names{}`;
// - `fields(rule, f)`: lists the settings once, by f(name, number, range) for a Hyper and f(name,
//   flag) for a bool. Groups, schedules, checking, saving and printing work with this list;
// - an update, in one of the three forms below.
//
// Every rule may have
// - `maximize`, a bool: if it is true, the rule gets the gradient with the opposite sign;
// - `check()`: throws if settings do not go together;
// - `check_parameter(name, w)`: throws if the rule cannot work on the parameter w;
// - `numbers`, an array of at most 4 Number. A number is kept for each parameter. The update
//   reads and writes it as step.numbers[i];
// - `average(step, w, slots)`: returns the weights to be evaluated. swap_average() uses them;
// - `presets()`, of a built-in rule: other default settings under names of their own; see Preset.
//
// 1. Element rules update each weight from its own gradient and slots. They have one of
// - `at<T>(step)`, with T float or double. at() computes in double what is the same for all
//   weights, and returns the formula: a lambda that captures numbers of type T by value, at most
//   256 bytes. step.t counts the updates of this parameter from 1, for corrections such as 1 − βᵗ.
//   The engine runs the formula over all weights in one pass. The lambda takes the
//   weight (auto& w), the gradient (auto g) and the slots in the order of slot_names. It takes a
//   slot that it writes by reference (auto&), and a slot that it only reads by value (auto).
//   <descent/core/simd/pack.h> lists what a formula may use. A formula needs no compiler flags.
//   at() may throw; the formula must not;
// - `dispatch<T>(step, run)`, if the settings decide which slots are used. dispatch() calls
//   run(formula) once. The formula takes the first slots. If names follow the formula, as in
//   run(formula, "square", "mean"), the formula takes the slots of these names.
// Element rules may have
// - `measure<T>(step, run)`: a pass before the update. measure() calls run(formula, names…) once.
//   This formula leaves w alone and returns a std::array of at most 4 terms. The update finds the
//   sums of the terms over the parameter in step.sums;
// - `static constexpr bool shares_sums = true`: the sums run over all parameters of such rules;
// - `wants_curvature(step)`: if it returns true, the formula of that step takes one more
//   argument, the last: an estimate of the diagonal of the Hessian. Such a rule needs a closure.
//
// 2. Tensor rules work on whole tensors, with Descent's operators. They have
// - `update(step, w, g, slots)`, where slots is a std::span<Tensor>. update() writes w in place:
//   w.sub_(x), w.copy_(x). It writes a slot in place or assigns to the slot. If an assigned slot
//   shares memory with w or g, the engine copies the slot after the update. If update() throws,
//   the engine puts back the weights and slots of all parameters.
// Tensor rules may have
// - `slot_shape(slot, shape of w)`: returns the shape of a slot, or nothing if w has no such
//   slot.
//
// 3. Search rules evaluate the loss as often as they like. A file with such a rule includes
// search_rule.h: see there, and rules/lbfgs.h.
#pragma once

#include <descent/optim/engine/element_rule.h>

namespace descent::optim {
class Optimizer;
struct Search;
}  // namespace descent::optim

namespace descent::optim::detail {

/// True for a wrapper, which has a role. A rule has none.
template <class T>
inline constexpr bool is_wrapper = requires {
  T::role;
};
template <class Rule>
class SearchRuleOf;  // in search_rule.h

/// The code of a rule or wrapper. make() erases the type of a rule of any form, and wrap() puts a
/// wrapper around an optimizer. Configuration tells files with other flags apart, so that the
/// linker does not mix their code.
template <class T, class Configuration, bool kWrapper = is_wrapper<T>>
struct CodeOf;
template <class Rule, class Configuration>
struct CodeOf<Rule, Configuration, false> {
  static std::unique_ptr<AnyRule> make(Rule rule);
};
template <class W, class Configuration>
struct CodeOf<W, Configuration, true> {
  static Optimizer wrap(Optimizer&& inner, W wrapper);
};
/// Stands for the flags of the library, which holds the code of built-in rules and wrappers.
struct Library {};
template <class T, class Configuration>
using Code = CodeOf<T, std::conditional_t<built_in<T>, Library, Configuration>>;

/// @cond
template <class Rule, class Configuration>
std::unique_ptr<AnyRule> CodeOf<Rule, Configuration, false>::make(Rule rule) {
  if constexpr (requires { typename Rule::Memory; })
    return std::make_unique<SearchRuleOf<Rule>>(std::move(rule));
  else if constexpr (names_update<Rule> ||
                     requires(const Rule& r, Step s, const Tensor& t, std::span<Tensor> kept) {
                       r.update(s, t, t, kept);
                     })
    return std::make_unique<TensorRuleOf<Rule>>(std::move(rule));
  else
    return std::make_unique<ElementRuleOf<Rule, Configuration>>(std::move(rule));
}
/// @endcond

}  // namespace descent::optim::detail
