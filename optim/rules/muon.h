// Muon: momentum for matrices. The step is made orthogonal.
#pragma once

#include <descent/optim/optimizer.h>
#include <descent/optim/rules/adamw.h>

namespace descent::optim {

/// Muon, for the weight matrices of hidden layers. Source: Jordan et al. 2024,
/// kellerjordan.github.io/posts/muon; the decay is that of Liu et al. 2025, arXiv:2502.16982:
///   m = lerp(m, g, 1−μ),  U = lerp(g, m, μ)  (without `nesterov`: U = m),
///   X = U/(‖U‖_F + 1e-7),  transposed if X has more rows than columns,
///   `steps` times:  A = XXᵀ,  X = aX + (bA + cA²)X,  (a, b, c) = (3.4445, −4.7750, 2.0315),
///   θ ← (1 − ηλ)θ − η·√max(1, rows/columns)·X.
/// Deviation: the iterations run in the dtype of the weights, where the authors use bfloat16.
/// Throws ShapeError for a parameter that is no matrix: see split_for_muon().
struct Muon {
  /// lr: rate η. momentum: share of m that each step keeps, μ. weight_decay: decoupled decay λ.
  /// steps: Newton–Schulz iterations; a fraction is cut off.
  Hyper lr = 0.02, momentum = 0.95, weight_decay = 0, steps = 5;
  bool nesterov = true;  ///< looks ahead: Nesterov's momentum

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
  /// momentum: m, the moving average of g.
  static constexpr std::array slot_names{"momentum"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, kNonNegative);
    f("momentum", r.momentum, kUnit);
    f("weight_decay", r.weight_decay, kNonNegative);
    f("steps", r.steps, Range{0, 100});
    f("nesterov", r.nesterov);
  }
  /// Throws ShapeError if w is no matrix.
  void check_parameter(std::string_view name, const Tensor& w) const;
  void update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const;
};

/// What split_for_muon() returns.
struct MuonSplit {
  Parameters muon;   ///< the hidden weight matrices
  Parameters other;  ///< everything else: biases, norms, the first and the last matrix
};
/// Splits the parameters of a model into two groups. Matrices go to `muon`, all others to `other`.
/// The first and the last matrix are taken for those of the input and output layer and go to
/// `other`. If `keep_ends` is true, the first and the last matrix go to `muon`.
///
///   auto [muon, other] = optim::split_for_muon(model.parameters());
///   optim::Optimizer o(muon, optim::Muon{});
///   o.add_group(other, optim::AdamW{});
MuonSplit split_for_muon(const Parameters& parameters, bool keep_ends = false);

/// Makes an optimizer for a whole model: Muon for the hidden matrices, AdamW for the rest. If there
/// is no hidden matrix, Muon takes the first and the last matrix. If there is no matrix at all,
/// AdamW takes everything. Throws as Optimizer's constructor.
///
///   optim::Optimizer o = optim::muon_adamw(model.parameters(), {.lr = 0.02}, {.lr = 1e-3});
Optimizer muon_adamw(Parameters parameters, Muon muon = {}, AdamW rest = {});

}  // namespace descent::optim

#define DESCENT_BUILT_IN Muon
#include <descent/optim/engine/built_in.inc>
