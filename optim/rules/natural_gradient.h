// Natural gradient in the space of samples, and SPRING, its form with momentum.
#pragma once

#include <descent/core/tensor.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

class StateVisitor;
struct LeastSquares;

namespace detail {
/// What one step of the natural gradient leaves to the next.
struct NaturalMemory {
  Tensor direction;  ///< δ of the last step, (n); undefined before the first
  void state(StateVisitor& visit, std::int64_t n);
};
}  // namespace detail

/// Natural gradient of F = ½Σr² (ENGD-W), and SPRING. Sources: Müller & Zeinhofer 2023,
/// arXiv:2302.13163 (with its line search); Guzmán-Cordero et al. 2025, arXiv:2505.12149, Alg. 1
/// and eq. 5; Goldshlager et al. 2024, arXiv:2401.10190 (SPRING). With J the derivatives of the m
/// residuals r:
///   δ = Jᵀ(JJᵀ + λI)⁻¹(r − μ·Jδ₋) + μ·δ₋,  θ −= t·δ,  t = min(η, max_norm/‖δ‖).
/// If there are more residuals than parameters, (JᵀJ + λI)⁻¹Jᵀ gives the same δ.
/// `line_search`: t is the one of t, t/2, …, t/2³⁰ with the smallest F, where the first t is the
/// one above; if F falls for none, θ stays. Deviation, as in the authors' code: no bias correction
/// 1/√(1 − μ²ᵏ). Their code limits ‖tδ‖ by the root of its norm constraint; max_norm is that root.
///
/// The closure returns the residuals, a tensor of any shape, and calls no backward(); for the mean
/// of N squares it divides them by √N. Works in double for every dtype.
/// Throws ValueError for more than 10,000 parameters: J has m of these rows.
struct NaturalGradient {
  /// lr: rate η. damping: λ. momentum: share of the last direction that is kept, μ. max_norm: most
  /// length of a change of the weights, 0 for any.
  Hyper lr = 1, damping = 1e-6, momentum = 0, max_norm = 0;
  bool line_search = true;  ///< tries 31 rates and takes the best

  static constexpr Card card{
      .name = "natural_gradient",
      .title = "Natural gradient, solved in the space of samples",
      .formula = "δ = Jᵀ(JJᵀ + λI)⁻¹(r − μJδ₋) + μδ₋,  θ −= t δ,  t by a search on a grid",
      .paper =
          "Müller & Zeinhofer 2023, arXiv:2302.13163; Guzmán-Cordero et al. 2025, "
          "arXiv:2505.12149",
      .when =
          "Physics-informed nets with up to some hundred points at a time, which may change at "
          "every step. The closure returns residuals.",
      .avoid = "Losses that are no sum of squares; many points: a step solves a system of them.",
      .traps =
          "λ decides, and may be a schedule: damping=exponential(1e-3, 0.99). If nothing moves at "
          "first, λ is too small. Use double.",
      .state = 1,
      .most_weights = 10000,
      .gradient_evaluations = 300};
  /// None: the memory keeps δ.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("damping", r.damping, kPositive);
    f("momentum", r.momentum, kUnit);
    f("max_norm", r.max_norm, kNonNegative);
    f("line_search", r.line_search);
  }
  /// spring.
  static std::vector<Preset<NaturalGradient>> presets() {
    return {{"spring",
             {.lr = 0.1, .damping = 1e-3, .momentum = 0.99, .max_norm = 0.03, .line_search = false},
             {.title = "SPRING: natural gradient with momentum",
              .formula = "δ = Jᵀ(JJᵀ + λI)⁻¹(r − μJδ₋) + μδ₋,  θ −= min(η, max_norm/‖δ‖) δ",
              .paper = "Goldshlager et al. 2024, arXiv:2401.10190; Guzmán-Cordero et al. 2025, "
                       "arXiv:2505.12149",
              .when = "Residuals at points that are drawn anew at every step."}}};
  }
  using Memory = detail::NaturalMemory;  ///< what one step leaves to the next
  void minimize(LeastSquares& problem, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN NaturalGradient
#include <descent/optim/engine/built_in.inc>
