// Mechanic: finds a factor for the steps of any rule.
#pragma once

#include <descent/core/create.h>
#include <descent/optim/engine/wrapper.h>

#include <algorithm>
#include <array>

namespace descent::optim {

/// Mechanic. Source: Cutkosky et al. 2023, arXiv:2306.00144, Alg. 1, as the authors' PyTorch code
/// with its defaults. θ₀ are the first weights, u the step of the inner optimizer, Δ the sum of its
/// steps so far, and S = Σs. For each β of .9, .99, …, .999999, with sums over all parameters:
///   h = ⟨Δ, g + s_decay·S·‖g‖·θ′/(‖θ′‖ + ε)⟩,  m = max(βm, |h|),  v = β²v + h²,
///   r = max(βr − s·h, 0),  s = (s_init·m/6 + r)/(√v + ε);
///   Δ += u,  θ = θ₀ + S·Δ.
/// θ′ are the weights after the inner step. Δ is not kept: it is (θ − θ₀)/(S + ε). m starts at
/// 1e-6.
/// g is the gradient that Mechanic gets: around SAM, that at the weights that climbed.
struct Mechanic {
  /// s_decay: pull of S to 0. s_init: scale of the first factor. eps: ε.
  Hyper s_decay = 0.01, s_init = 1e-8, eps = 1e-8;

  static constexpr Card card{
      .name = "mechanic",
      .title = "Mechanic: a learned factor for the steps of any rule",
      .formula = "θ = θ₀ + S·Δ,  Δ the sum of the inner steps,  S from ⟨Δ, g⟩ by six tuners",
      .paper = "Cutkosky et al. 2023, arXiv:2306.00144",
      .when =
          "Around a rule whose rate is unknown, with the schedule you want: it finds the scale.",
      .avoid = "Where the rate is known: it costs steps until S has grown from about 1e-6.",
      .traps = "Keep the inner schedule, with its peak at a usual rate. Inner decay is scaled too.",
      .state = 1};
  static constexpr Role role = Role::moves_weights;  ///< moves the weights after a step
  static void fields(auto& o, auto&& f) {
    f("s_decay", o.s_decay, kNonNegative);
    f("s_init", o.s_init, kPositive);
    f("eps", o.eps, kPositive);
  }
  /// Lists the first weights and the six tuners.
  void state(auto& visit) {
    visit("start", start, !start.empty());
    visit("tuners", tuners, {4, 6}, kFloat64, !start.empty());
  }

  /// Makes the inner step and scales the sum of the steps.
  void apply(Update& u) {
    constexpr std::array kBetas{0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999};
    const std::size_t parameters = u.size();
    std::vector<Tensor> first = start, before;
    if (first.empty())
      for (std::size_t i = 0; i < parameters; ++i) first.push_back(u.weight(i).clone());
    for (std::size_t i = 0; i < parameters; ++i) before.push_back(u.weight(i).clone());
    if (!u.inner()) return;
    // The rows of `tuners`: s, v, r and m.
    Tensor next = tuners.defined() ? tuners.clone() : zeros({4, 6}, kFloat64);
    double* const s = next.data_ptr<double>();
    double *const v = s + 6, *const r = s + 12, *const m = s + 18;
    if (!tuners.defined()) std::fill(m, m + 6, 1e-6);
    double scale = 0, g_norm = 0, w_norm = 0, along_g = 0, along_w = 0;
    for (int k = 0; k < 6; ++k) scale += s[k];
    const double epsilon = eps(u.step());
    std::vector<Tensor> delta;
    for (std::size_t i = 0; i < parameters; ++i) {
      delta.push_back((before[i] - first[i]) / (scale + epsilon));
      const Tensor g = u.gradient(i), w = u.weight(i);
      if (!g.defined()) continue;
      const Tensor d = delta[i].to(kFloat64);
      g_norm = std::hypot(g_norm, euclidean_norm(g));
      w_norm = std::hypot(w_norm, euclidean_norm(w));
      along_g += u.sign(i) * sum(d * g.to(kFloat64)).item();
      along_w += sum(d * w.to(kFloat64)).item();
    }
    const double h = along_g + s_decay(u.step()) * scale * g_norm / (w_norm + epsilon) * along_w;
    double sum_of_s = std::isfinite(h) ? 0 : scale;  // then the factors stay as they are
    for (std::size_t k = 0; k < 6 && std::isfinite(h); ++k) {
      m[k] = std::fmax(kBetas[k] * m[k], std::fabs(h));
      v[k] = kBetas[k] * kBetas[k] * v[k] + h * h;
      r[k] = std::fmax(kBetas[k] * r[k] - s[k] * h, 0);
      s[k] = (s_init(u.step()) / 6 * m[k] + r[k]) / (std::sqrt(v[k]) + epsilon);
      sum_of_s += s[k];
    }
    for (std::size_t i = 0; i < parameters; ++i) {
      if (!u.gradient(i).defined()) continue;
      const Tensor w = u.weight(i);
      write_weight(w, first[i] + (delta[i] + (w - before[i])) * sum_of_s);
    }
    start = std::move(first);
    tuners = next;
  }

  std::vector<Tensor> start = {};  ///< θ₀, one tensor for each parameter
  Tensor tuners = {};              ///< s, v, r and m of each β, (4, 6)
};

/// Puts Mechanic around an optimizer. See Mechanic; throws as wrap().
inline Optimizer mechanic(Optimizer&& inner, Mechanic options = {}) {
  return wrap(std::move(inner), std::move(options));
}

}  // namespace descent::optim

#define DESCENT_BUILT_IN Mechanic
#include <descent/optim/engine/built_in.inc>
