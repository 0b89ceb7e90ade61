// Muon: momentum for matrices, made orthogonal.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/optim/engine/rule.h>

namespace descent::optim {

/// Jordan et al. 2024 (kellerjordan.github.io/posts/muon), for 2-D hidden weights only:
///   m = lerp(m, g, 1−μ),  U = lerp(g, m, μ) (nesterov; else m),  X = U/(‖U‖_F + 1e-7), transposed
///   if tall;  `steps` times: A = XXᵀ, X = aX + (bA + cA²)X with (3.4445, −4.7750, 2.0315); θ ← (1
///   − ηλ)θ − η·√max(1, rows/columns)·X.
/// Throws ShapeError for a parameter that is no matrix.
struct Muon {
  Hyper lr = 0.02, momentum = 0.95, weight_decay = 0, steps = 5;
  bool nesterov = true;

  static constexpr Card card{
      .name = "muon",
      .title = "Muon: orthogonalised momentum",
      .formula =
          "U = momentum of g,  X = U (UᵀU)^−½ by 5 Newton–Schulz steps,  θ −= η √max(1, r/c) X",
      .paper =
          "Jordan et al. 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025, "
          "arXiv:2502.16982",
      .when = "Hidden weight matrices: fewer steps than AdamW to the same loss.",
      .avoid = "Biases, embeddings, the last layer: split_for_muon() gives these to AdamW.",
      .traps =
          "The size of the gradient does not matter, that of the rate does: every step moves each "
          "direction by η.",
      .state = 1};
  static constexpr std::array slot_names{"momentum"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("momentum", r.momentum, kUnit);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("steps", r.steps, Range{0, 100});
    f("nesterov", r.nesterov);
  }
  void check_parameter(std::string_view name, const Tensor& w) const;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const;
};

struct MuonSplit {
  Parameters muon;   ///< the hidden weight matrices
  Parameters other;  ///< everything else: biases, norms, the first and the last matrix
};
/// Splits a model's parameters for two groups:
///   auto [muon, other] = optim::split_for_muon(model.parameters());
///   optim::Optimizer o(muon, optim::Muon{});
///   o.add_group(other, optim::AdamW{});
/// Of the matrices, the first and the last in order count as input and output; with `keep_ends`
/// they go to Muon too.
MuonSplit split_for_muon(const Parameters& parameters, bool keep_ends = false);

template <>
inline constexpr bool detail::built_in<Muon> = true;
#ifdef DESCENT_BUILT_IN
DESCENT_BUILT_IN(Muon)
#endif

}  // namespace descent::optim
