// Wrappers: an optimizer around another optimizer. A wrapper is a struct. wrap() puts it around:
//
//   struct Centralise {  // Yong et al. 2020, arXiv:2004.01461
//     static constexpr optim::Card card{.name = "centralise", .title = "Gradient centralisation"};
//     static constexpr optim::Role role = optim::Role::changes_gradients;
//     static void fields(auto&, auto&&) {}
//     void apply(optim::Update& u) {
//       for (std::size_t i = 0; i < u.size(); ++i)
//         if (const Tensor g = u.gradient(i); g.defined() && g.dim() > 1)
//           u.set_gradient(i, g - g.mean({1}, true));
//       u.inner();
//     }
//   };
//   auto optimizer = optim::wrap({model.parameters(), optim::AdamW{}}, Centralise{});
//
// This header includes the operators on tensors, and std::sqrt and its like.
//
// Every wrapper has
// - `card`: what the wrapper says about itself. Only the name is required. The name appears in
//   text and in saved states;
// - `role`: what kind of change the wrapper makes. The legal orders of wrappers follow from the
//   roles;
// - `fields(o, f)`: lists the settings of the wrapper o, by f("rho", o.rho, optim::kPositive) for
//   a Hyper and f("adaptive", o.adaptive) for a bool. Checking, printing, set(), schedules and
//   saving work with this list.
//
// Every wrapper has one of apply() and evaluate(), or both:
// - `apply(Update& u)`: uses the gradients. apply() calls u.inner() at most once; see Update;
// - `evaluate(Evaluation& e)`: makes the gradients. evaluate() calls e.inner() once or more often
//   and returns the loss. The gradients that lie in the parameters' .grad at the end are used:
//   evaluate() may add to them in place. An evaluate() that moves weights puts them back: see
//   sam.h. If a wrapper has evaluate(), step() needs a closure.
//
// Every wrapper may have
// - `state(visit)`: lists what the wrapper keeps. visit("count", count) lists a number.
//   visit("slow", slow) lists a std::vector<Tensor> with one tensor for each parameter. See
//   state.h;
// - `std::vector<Tensor> average`, required with the role `averages`: the averaged weights, one
//   tensor for each parameter; empty until the average begins. swap_average() and AverageGuard
//   use it;
// - `static constexpr bool elementwise = true`, if the update of each element depends on the
//   gradients of that element alone. The default is false;
// - `static constexpr bool atomic = true`, if apply() and evaluate() change nothing when they
//   throw. Such an apply() checks everything, and makes all that takes memory, before inner();
//   after inner() it throws nothing. The default is false: each step then copies the weights, the
//   slots and what the wrapper keeps, and if the step fails, the engine puts them back. Both are
//   safe; a step without the copies is faster;
// - `static constexpr bool skips_non_finite = true`, if a step whose gradients are not finite is
//   to be skipped and counted. The default is false: such a step throws. A wrapper with this
//   constant needs neither apply() nor evaluate();
// - `presets()`, of a built-in wrapper: other default settings under names of their own; see
//   Preset.
#pragma once

#include <descent/autograd/ops.h>
#include <descent/optim/engine/layer.h>
#include <descent/optim/optimizer.h>

#include <cmath>
#include <type_traits>
#include <utility>

namespace descent::optim {

/// What a wrapper does. wrap() refuses orders of wrappers that cannot work. It decides by the
/// roles.
enum class Role {
  changes_gradients,  ///< changes the gradients that the rule sees. Not around L-BFGS
  climbs,             ///< evaluates more than the gradient. Not around another, nor L-BFGS
  averages,           ///< keeps an average of the weights. Not around a rule that averages itself
  moves_weights,      ///< changes the weights after the step. Not around what keeps an average
  neither             ///< none of these. May go anywhere
};

namespace detail {

/// Throws ValueError if a wrapper of this role cannot go around `inner`. The message has the
/// reason.
void check_order(std::string_view wrapper, Role role, Layer& inner);

/// What all wrappers share: the part of a wrapper that does not depend on its type.
class Wrapper : public Layer {
 public:
  std::string text() override;
  void visit_fields(const FieldVisitor& f, int group, std::string_view owner) override;
  void state(StateVisitor& visit) override;
  Layer* inner() override { return inner_.get(); }
  bool keeps_average() const override { return average_ != nullptr; }
  bool has_average() const override { return average_ && !average_->empty(); }
  void swap_average() override;

 protected:
  void skip_non_finite();
  /// Makes a step by calling f. If f throws, puts back what has changed. With `weights`, copies the
  /// weights beforehand as well.
  void apply_revocably(bool weights, const std::function<void()>& f);
  /// Makes the gradients by calling f. If the step fails then or later, also in a replay of a
  /// compiled step, what this wrapper keeps is put back.
  double evaluate_revocably(const std::function<double()>& f);
  /// Copies the struct that a user wrote into `log`, if it can be copied. Its tensors share their
  /// numbers with the copy.
  virtual void remember_struct(UndoLog& log) = 0;
  virtual void own_fields(const FieldVisitor& f) = 0;
  virtual void own_state(StateVisitor& visit) = 0;
  /// The name of the wrapper in states and in get(): "ema". If another "ema" lies further in:
  /// "ema2".
  std::string key() const;

  std::unique_ptr<Layer> inner_;
  std::vector<Tensor>* average_ = nullptr;  // the wrapper's average; null if it keeps none

 private:
  void remember();  // copies what this wrapper keeps into Groups::undo_log()
};

/// A wrapper that a user wrote, as a layer.
template <class W>
class WrapperOf final : public Wrapper {
  static_assert(!W::card.name.empty(), "a wrapper's card has a name");
  static_assert(std::is_same_v<std::remove_cv_t<decltype(W::role)>, Role>,
                "a wrapper has a role: static constexpr optim::Role role = optim::Role::…");
  static constexpr bool kEvaluates = requires(W & w, Evaluation& e) { w.evaluate(e); };
  static constexpr bool kApplies = requires(W & w, Update& u) { w.apply(u); };
  static constexpr bool kElementwise = requires { requires W::elementwise; };
  static constexpr bool kAtomic = requires { requires W::atomic; };
  static_assert(kEvaluates || !names_evaluate<W>,
                "evaluate is: double evaluate(optim::Evaluation& e)");
  static_assert(kApplies || !names_apply<W>, "apply is: void apply(optim::Update& u)");
  static_assert(
      kApplies || kEvaluates || requires { requires W::skips_non_finite; },
      "a wrapper has one of apply and evaluate");
  static_assert(
      requires(W & w, StateVisitor& visit) { w.state(visit); } || !names_state<W>,
      "state is: void state(auto& visit)");

 public:
  /// If it throws, `inner` is as it was.
  WrapperOf(std::unique_ptr<Layer>& inner, W w) : w_(std::move(w)) {
    check_order(name(), W::role, *inner);
    check_fields([this](const FieldVisitor& f) { own_fields(f); });
    inner_ = std::move(inner);
    if constexpr (W::role == Role::averages) average_ = &w_.average;
    if constexpr (requires { requires W::skips_non_finite; }) skip_non_finite();
    if constexpr (kApplies && !kAtomic) revoke_from_here();
  }
  std::string_view name() const override { return W::card.name; }
  double evaluate(const Closure& closure) override {
    if constexpr (kEvaluates) {
      const auto evaluate = [&] {
        Evaluation e(*inner_, closure);
        const double loss = w_.evaluate(e);
        e.check_called(name());
        return loss;
      };
      return kAtomic ? evaluate() : evaluate_revocably(evaluate);
    } else {
      return inner_->evaluate(closure);
    }
  }
  void apply(Update& update) override {
    refuse_while_swapped(name());
    if constexpr (kApplies) {
      const auto apply = [&] { with_inner(update, *inner_, [&] { w_.apply(update); }); };
      revocable() ? apply_revocably(!kAtomic, apply) : apply();
    } else {
      inner_->apply(update);
    }
  }
  bool climbs() const override { return W::role == Role::climbs; }
  bool mixes() const override { return climbs() && kApplies; }
  bool needs_closure() const override { return kEvaluates || inner_->needs_closure(); }
  bool elementwise() const override { return kElementwise && inner_->elementwise(); }

 private:
  void own_fields(const FieldVisitor& f) override { detail::visit_fields(w_, f); }
  void own_state(StateVisitor& visit) override {
    if constexpr (requires { w_.state(visit); }) w_.state(visit);
  }
  void remember_struct(UndoLog& log) override {
    if constexpr (std::is_copy_constructible_v<W> && std::is_move_assignable_v<W>)
      log.add([this, old = w_]() mutable { w_ = std::move(old); });
  }
  W w_;
};

/// @cond
/// What wrap() does. The library holds the code for built-in wrappers: see built_in.inc.
template <class W, class Configuration>
Optimizer CodeOf<W, Configuration, true>::wrap(Optimizer&& inner, W wrapper) {
  inner.wrap([&](std::unique_ptr<Layer>& layer) -> std::unique_ptr<Layer> {
    return std::make_unique<WrapperOf<W>>(layer, std::move(wrapper));
  });
  Optimizer wrapped = std::move(inner);
  return wrapped;
}
/// @endcond

}  // namespace detail

/// Puts a wrapper around an optimizer and returns the result. Throws ValueError if a setting is out
/// of range, or if the wrapper cannot go around this optimizer. The message has the reason. `inner`
/// is moved from. If wrap() throws, `inner` is as it was.
template <class W>
Optimizer wrap(Optimizer&& inner, W wrapper) {
  static_assert(detail::is_wrapper<W>,
                "a wrapper has a role: static constexpr optim::Role role = optim::Role::…");
  return detail::Code<W, void>::wrap(std::move(inner), std::move(wrapper));
}

}  // namespace descent::optim
