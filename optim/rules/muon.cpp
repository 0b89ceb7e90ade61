#include <descent/autograd/ops.h>
#include <descent/optim/rules/muon.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace descent::optim {

void Muon::check_parameter(std::string_view name, const Tensor& w) const {
  if (w.dim() != 2)
    fail<ShapeError>(
        "muon", "got parameter '", name, "' of shape ", w.shape(),
        ", expected matrices only. Hint: split_for_muon() gives the rest to AdamW, and so does "
        "the name muon_adamw");
}

namespace {

/// Returns about U (UᵀU)^−½: the iterations bring the singular values of U near 1, to within some
/// 20 %.
Tensor orthogonalise(const Tensor& u, int steps) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = u.size(0) > u.size(1);
  Tensor x = tall ? u.t() : u;
  x = x / (norm(x).item() + 1e-7);
  for (int i = 0; i < steps; ++i) {
    const Tensor gram = matmul(x, x.t());
    x = x * a + matmul(gram * b + matmul(gram, gram) * c, x);
  }
  return tall ? x.t() : x;
}

}  // namespace

void Muon::update(Step s, const Tensor& w, const Tensor& g, std::span<Tensor> state) const {
  if (w.numel() == 0) return;
  const double mu = momentum(s);
  const Tensor& m = state[0];
  m.add_(g - m, 1 - mu);
  const Tensor u = nesterov ? g + (m - g) * mu : m;
  const double rows = static_cast<double>(w.size(0)), columns = static_cast<double>(w.size(1));
  const Tensor x = orthogonalise(u, static_cast<int>(steps(s)));
  w.mul_(1 - lr(s) * weight_decay(s)).sub_(x * (lr(s) * std::sqrt(std::max(1.0, rows / columns))));
}

MuonSplit split_for_muon(const Parameters& parameters, bool keep_ends) {
  std::size_t matrices = 0;
  for (const Parameter& p : parameters) matrices += p.value.dim() == 2;
  MuonSplit split;
  std::size_t at = 0;
  for (const Parameter& p : parameters) {
    const bool matrix = p.value.dim() == 2;
    const bool end = matrix && (at == 0 || at + 1 == matrices);
    at += matrix;
    (matrix && (keep_ends || !end) ? split.muon : split.other).push_back(p);
  }
  return split;
}

Optimizer muon_adamw(Parameters parameters, Muon muon, AdamW rest) {
  std::set<std::string> names;  // in two groups, a name that comes twice would get a prefix
  for (const Parameter& p : parameters)
    if (!names.insert(p.name).second)
      fail<ValueError>("muon_adamw", "got parameter '", p.name,
                       "' twice, expected each once, under a name of its own");
  MuonSplit split = split_for_muon(parameters);
  if (split.muon.empty()) split = split_for_muon(parameters, true);
  if (split.muon.empty()) return Optimizer(std::move(parameters), std::move(rest));
  Optimizer o(std::move(split.muon), std::move(muon));
  if (!split.other.empty()) o.add_group(std::move(split.other), std::move(rest));
  return o;
}

}  // namespace descent::optim
