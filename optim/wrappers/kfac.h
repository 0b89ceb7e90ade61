// K-FAC: natural gradient for MLPs, by the Kronecker factors of each layer.
#pragma once

#include <descent/autograd/fisher.h>
#include <descent/core/random.h>
#include <descent/optim/engine/wrapper.h>

#include <map>
#include <memory>

namespace descent::optim {

/// K-FAC, Kronecker-factored approximate curvature. Source: Martens & Grosse 2015,
/// arXiv:1503.05671, with the rate, the clip and the defaults of kfac-pytorch (Pauloski et al.
/// 2020, arXiv:2007.00784). For each layer s = W·h + b, with means over the rows of a batch, and
/// the bias as a last column of W:
///   A = mean (h,1)(h,1)ᵀ,  S = Σ (∂z/∂s)ᵀ·H·(∂z/∂s),  H the Fisher matrix of the loss by z;
///   both are averaged over updates: F_k = ε·F_{k−1} + (1 − ε)·F,  ε = min(1 − 1/k, decay);
///   π = √((tr A/dim A)/(tr S/dim S));
///   the rule sees ν·(S + √λ/π·I)⁻¹·[G_W G_b]·(A + π√λ·I)⁻¹,  ν = min(1, √(κ/Σ lr²⟨g̃, g⟩)),
/// λ the damping, κ the clip, g̃ the preconditioned gradient; the sum runs over all layers.
///
/// Which Fisher: that of the model's own distribution, computed exactly by one more evaluation for
/// each output of the model; S does not depend on the targets. The paper samples targets, which
/// gives the same mean, and many programs use the gradients of the training targets ('empirical
/// Fisher'), which is another matrix. The loss is one of mse_loss, bce_with_logits and
/// cross_entropy, without weights or smoothing, of outputs (N, C) or (N). In the further
/// evaluations, layers leave their running statistics alone, and dropout drops the same units.
///
/// Another loss that is added to it would count as a part of its curvature; a penalty on weights
/// does not. Layers are found where they run: any module may hold them. If one runs several times,
/// as in a recurrent net, its rows count together. A parameter outside them keeps its gradient. A
/// compiled step evaluates the factors every time, whatever `frequency` is. Factors are kept in
/// double.
struct Kfac {
  Hyper damping = 1e-3;  ///< λ, above 0
  Hyper decay = 0.95;    ///< ε, how much of the old factors stays, in [0, 1)
  Hyper kl_clip = 1e-3;  ///< κ, bound on the change of the distribution; 1e30 for none
  Hyper frequency = 1;   ///< steps between two evaluations of the factors; a fraction is cut off

  static constexpr Card card{
      .name = "kfac",
      .title = "K-FAC: natural gradient by Kronecker factors of each layer",
      .formula = "g̃ = (S + √λ/π I)⁻¹ G (A + π√λ I)⁻¹,  A = E[hhᵀ],  S = E[δδᵀ] of the exact Fisher",
      .paper = "Martens & Grosse 2015, arXiv:1503.05671",
      .when =
          "MLPs of a few outputs around sgd(momentum=0.9): far fewer steps than a first-order "
          "rule.",
      .avoid =
          "Models of many outputs, unless frequency is 10 or more: each output costs an "
          "evaluation.",
      .traps =
          "Tune damping with lr. Needs a closure, and mse_loss, bce_with_logits or "
          "cross_entropy. Keeps two matrices a layer, of its inputs and its outputs.",
      .gradient_evaluations = 2};
  static constexpr Role role = Role::climbs;  ///< evaluates more than the gradient
  static void fields(auto& o, auto&& f) {
    f("damping", o.damping, kPositive);
    f("decay", o.decay, kUnit);
    f("kl_clip", o.kl_clip, kPositive);
    f("frequency", o.frequency, kCount);
  }
  /// Lists the number of updates and the factors.
  void state(auto& visit) {
    visit("updates", updates);
    visit.all("factor/", factors);
  }

  /// Evaluates the gradient, and then the factors, with one evaluation for each output.
  double evaluate(auto& e) {
    const auto draw_again = [this](const Parameters&, std::int64_t) {
      default_generator().set_state(draws);
    };
    e.perform([this](const Parameters&, std::int64_t) { draws = default_generator().state(); });
    const double loss = e.inner();
    e.perform([this](const Parameters& all, std::int64_t t) { begin(all, t); });
    if (!due && !e.recording()) return loss;
    const FrozenStatisticsGuard frozen;
    std::int64_t columns = 1;
    for (std::int64_t c = 0; c < columns; ++c) {
      e.perform(draw_again);
      descent::detail::FisherPass pass{.column = c};
      {
        const descent::detail::FisherGuard guard(pass);
        e.inner();
      }
      if (pass.layers.empty()) break;
      columns = columns_of(pass);
      e.perform([this, pass](const Parameters& all, std::int64_t) { gather(all, pass); });
    }
    e.perform([this](const Parameters& all, std::int64_t t) { end(all, t); });
    return loss;
  }
  /// Makes the step with the preconditioned gradients.
  void apply(Update& u);

  std::int64_t updates = 0;       ///< how often the factors were evaluated, k
  State factors = {};             ///< A and S by "a/" and "s/" and the name of the weight
  Generator::State draws = {};    ///< the generator before the first evaluation
  bool due = false;               ///< true if the step under way evaluates the factors
  State fresh = {};               ///< the factors of this step, while they are gathered
  std::vector<Tensor> kept = {};  ///< the gradients, while the factors are evaluated

 private:
  static std::int64_t columns_of(const descent::detail::FisherPass& pass);
  void begin(const Parameters& all, std::int64_t t);
  void gather(const Parameters& all, const descent::detail::FisherPass& pass);
  void end(const Parameters& all, std::int64_t t);
};

/// Puts K-FAC around an optimizer. See Kfac; throws as wrap().
inline Optimizer kfac(Optimizer&& inner, Kfac options = {}) {
  return wrap(std::move(inner), std::move(options));
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Kfac
#include <descent/optim/engine/built_in.inc>
