// BFGS and its self-scaled kin: quasi-Newton methods that keep the whole inverse Hessian.
#pragma once

#include <descent/optim/engine/rule.h>

#include <cstdint>

namespace descent::optim {

class StateVisitor;

namespace detail {
struct Line;

/// What one step of BFGS leaves to the next.
struct BfgsMemory {
  Tensor inverse;                             ///< H, (n, n) in double; undefined: the identity
  std::int64_t updates = 0;                   ///< of H so far
  double rate = 1;                            ///< η of the step that runs
  bool self_scaled = false, broyden = false;  ///< of the rule

  Tensor direction(const Tensor& g) const;
  double guess(const Tensor& g, double slope) const;
  void learn(const Line& line);
  bool forget();
  void state(StateVisitor& visit, std::int64_t n);
};
}  // namespace detail

/// BFGS. Sources: Broyden, Fletcher, Goldfarb, Shanno 1970; Nocedal & Wright 2006, Alg. 6.1. With
/// s = θ − θ₋, y = g − g₋, ρ = 1/yᵀs, z = H·y:
///   d = −H·g,  θ += t·d,  H ← (H − zzᵀ/yᵀz + φ·(yᵀz)·vvᵀ)/τ + ρ·ssᵀ,  v = ρ·s − z/yᵀz.
/// BFGS has φ = τ = 1, and H = (yᵀs/yᵀy)·I before the first update.
/// `self_scaled`: later updates have τ = min(1, 1/b) with b = ρ·sᵀH⁻¹s; Al-Baali 1998.
/// `broyden`: φ and τ are those of Al-Baali, Spedicato & Maggioni 2014, as in Urbán et al. 2024,
/// arXiv:2405.04230, eq. 13 to 23, and in their code (SSBroyden2 with its initial scale).
/// Choices: strong Wolfe conditions with c₁ = 1e-4 and c₂ = 0.9. The first search starts at
/// t = min(1, 1/‖g‖₁)·η, later searches start at t = η; the search goes as PyTorch's L-BFGS. If yᵀs
/// <= 0, H stays as it is. If a search finds nothing lower, H becomes the identity.
///
/// One step() makes max_iter iterations, or fewer if it runs out of evaluations or has converged.
/// Needs a closure and one group. Works in double for every dtype. A missing gradient counts as 0.
/// Throws ValueError for more than 10,000 parameters: H would have more than 800 MB.
struct BFGS {
  /// lr: first guess of t, η. max_iter: most iterations in a step. max_eval: evaluations after
  /// which a step ends, 0 for 1.25·max_iter. tolerance_grad: a step ends if no |g| is larger.
  /// tolerance_change: a step ends once weights or loss change no more than this.
  Hyper lr = 1, max_iter = 20, max_eval = 0, tolerance_grad = 1e-7, tolerance_change = 1e-9;
  /// self_scaled: divides H by τ at each update. broyden: chooses both τ and φ.
  bool self_scaled = false, broyden = false;

  static constexpr Card card{
      .name = "bfgs",
      .title = "BFGS, with a strong Wolfe line search",
      .formula = "d = −H g,  θ += t d,  H ← (I − ρsyᵀ)H(I − ρysᵀ) + ρssᵀ,  ρ = 1/yᵀs",
      .paper = "Broyden, Fletcher, Goldfarb, Shanno 1970; Nocedal & Wright 2006, Alg. 6.1",
      .when = "Smooth problems of up to some thousand weights on the whole data: fits, PINNs.",
      .avoid = "Mini-batches and dropout; more than 10,000 weights: take lbfgs.",
      .traps =
          "Needs a closure; one step() evaluates many times. Its tolerances suit losses of about "
          "1: "
          "for a loss that is to fall below 1e-7, as a PINN's, set tolerance_grad=0 and "
          "tolerance_change=0, or minimise log(loss). ended() says which tolerance ended a step. "
          "Keeps n² numbers and reads them twice an iteration.",
      .most_weights = 10000,
      .full_batch = true,
      .gradient_evaluations = 20};
  /// None: the memory keeps H.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("max_iter", r.max_iter, kCount);
    f("max_eval", r.max_eval, Range{0, 1e15});
    f("tolerance_grad", r.tolerance_grad, kNonNegative);
    f("tolerance_change", r.tolerance_change, kNonNegative);
    f("self_scaled", r.self_scaled);
    f("broyden", r.broyden);
  }
  /// ssbfgs and ssbroyden.
  static std::vector<Preset<BFGS>> presets() {
    return {{"ssbfgs",
             {.self_scaled = true},
             {.title = "Self-scaled BFGS",
              .formula = "as bfgs, with H/τ in place of H,  τ = min(1, yᵀs/sᵀH⁻¹s)",
              .paper = "Al-Baali 1998; Urbán et al. 2024, arXiv:2405.04230",
              .when = "Ill-conditioned problems, such as physics-informed nets."}},
            {"ssbroyden",
             {.broyden = true},
             {.title = "Self-scaled Broyden",
              .formula = "H ← (H − zzᵀ/yᵀz + φ yᵀz vvᵀ)/τ + ρssᵀ,  z = Hy,  v = ρs − z/yᵀz",
              .paper = "Al-Baali et al. 2014; Urbán et al. 2024, arXiv:2405.04230",
              .when = "Physics-informed nets: often the lowest error of this family."}}};
  }
  using Memory = detail::BfgsMemory;  ///< what one step leaves to the next
  void minimize(Search& search, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN BFGS
#include <descent/optim/engine/built_in.inc>
