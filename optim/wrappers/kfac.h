// K-FAC: natural gradient for MLPs, by the Kronecker factors of each layer.
#pragma once

#include <descent/autograd/fisher.h>
#include <descent/core/random.h>
#include <descent/optim/engine/wrapper.h>

#include <map>
#include <string>

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
/// Which Fisher: that of the model's own distribution, by one more evaluation for each output of
/// the model; S does not depend on the targets. It is exact where a row of the output depends on
/// one row of the inputs. Batch normalisation and recurrent nets couple rows, and S is then an
/// approximation. The paper samples targets, which gives the same mean for rows that are not
/// coupled. Many programs use the gradients of the training targets ('empirical Fisher'), which is
/// another matrix.
///
/// The loss is one of mse_loss, bce_with_logits and cross_entropy, without weights or smoothing, of
/// outputs (N, C), or (N) of one output a row. Another loss that is added to it would count as a
/// part of its curvature; a penalty on weights does not. The closure takes the same batch at each
/// call, and backward() runs on the thread of step(). In the further evaluations the gradients
/// mean nothing, layers leave their running statistics alone, and dropout drops the same units.
///
/// nn::Kfac has these factors of one batch as a matrix to multiply and to solve with; it damps by
/// λI in place of the two shares. kfac() trains.
///
/// Layers are found where they run: any module may hold them. If one runs several times, its rows
/// count together. A parameter outside them keeps its gradient, which is not clipped. If no layer
/// is found, a warning says so. A compiled step evaluates the factors every time, whatever
/// `frequency` is. Factors and their inverses are kept in double.
struct Kfac {
  Hyper damping = 1e-3;  ///< λ, above 0
  Hyper decay = 0.95;    ///< ε, how much of the old factors stays, in [0, 1)
  Hyper kl_clip = 1e-3;  ///< κ, bound on the change of the distribution; 1e30 for none
  Hyper frequency = 1;   ///< steps between two evaluations of the factors; a fraction is cut off

  static constexpr Card card{
      .name = "kfac",
      .title = "K-FAC: natural gradient by Kronecker factors of each layer",
      .formula =
          "g̃ = (S + √λ/π I)⁻¹ G (A + π√λ I)⁻¹,  A = E[hhᵀ],  S = E[δδᵀ] of the exact Fisher,  λ: "
          "damping,  π² = mean diag A/mean diag S",
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
    if (visit.loads()) check_pairs(factors);
  }

  /// Evaluates the gradient, and then the factors, with one evaluation for each output. The
  /// gradient is put back as it was, because each evaluation clears it.
  double evaluate(auto& e) {
    e.perform([this](const Parameters&, std::int64_t) { draws = default_generator().state(); });
    const double loss = e.inner();
    e.perform([this](const Parameters&, std::int64_t t) { begin(t); });
    if (!due && !e.recording()) return loss;
    const Gradients kept(e.parameters());
    const FrozenStatisticsGuard frozen;
    std::int64_t columns = 1;
    for (std::int64_t c = 0; c < columns; ++c) {
      e.perform([this](const Parameters&, std::int64_t) { default_generator().set_state(draws); });
      descent::detail::FisherPass pass{.parameters = e.parameters(), .column = c};
      {
        const descent::detail::FisherGuard guard(pass);
        e.inner();
      }
      columns = columns_of(pass, e.parameters());
      e.perform([this, pass](const Parameters& all, std::int64_t) { gather(all, pass); });
    }
    e.perform([this](const Parameters&, std::int64_t t) { end(t); });
    return loss;
  }
  /// Makes the step with the preconditioned gradients.
  void apply(Update& u);

  /// The inverses of a layer's damped factors, and what they were made of.
  struct Inverse {
    Tensor a, s;         ///< the factors
    double damping = 0;  ///< λ
    Tensor left, right;  ///< (S + √λ/π·I)⁻¹ and (A + π√λ·I)⁻¹
  };

  std::int64_t updates = 0;                      ///< how often the factors were evaluated, k
  State factors = {};                            ///< A and S, and which weight has which bias
  std::map<std::string, Inverse> inverses = {};  ///< by the name of the weight
  Generator::State draws = {};                   ///< the generator before the first evaluation
  State fresh = {};         ///< the factors of this step, while they are gathered
  bool due = false;         ///< true if the step under way evaluates the factors
  bool non_finite = false;  ///< true if these are not finite
  bool warned = false;      ///< true if no layer was found, and it was said

 private:
  /// Puts the gradients of all parameters back when it is destroyed.
  struct Gradients {
    explicit Gradients(const Parameters& all) : parameters(&all) {
      for (const Parameter& p : all) gradients.push_back(p.value.grad());
    }
    Gradients(const Gradients&) = delete;
    Gradients& operator=(const Gradients&) = delete;
    ~Gradients() {
      for (std::size_t i = 0; i < gradients.size(); ++i)
        if ((*parameters)[i].value.requires_grad()) (*parameters)[i].value.set_grad(gradients[i]);
    }
    const Parameters* parameters;
    std::vector<Tensor> gradients;
  };
  std::int64_t columns_of(const descent::detail::FisherPass& pass, const Parameters& all);
  /// Throws StateError if a layer has one of its factors alone.
  static void check_pairs(const State& factors);
  void begin(std::int64_t t);
  void gather(const Parameters& all, const descent::detail::FisherPass& pass);
  void end(std::int64_t t);
  const Inverse& inverse(const std::string& name, const Tensor& a, const Tensor& s, double lambda);
};

/// Puts K-FAC around an optimizer. See Kfac; throws as wrap().
inline Optimizer kfac(Optimizer&& inner, Kfac options = {}) {
  return wrap(std::move(inner), std::move(options));
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Kfac
#include <descent/optim/engine/built_in.inc>
