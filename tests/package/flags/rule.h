// A rule in a header. Several files include the header, and each file is compiled with other flags.
#pragma once

#include <descent/descent.h>

#include <vector>

struct Shared final {
  descent::optim::Hyper lr = 0.05, beta = 0.9;
  static constexpr descent::optim::Card card{.name = "shared"};
  static constexpr std::array slot_names{"m", "v"};
  static void fields(auto& r, auto&& f) {
    f("lr", r.lr, descent::optim::kNonNegative);
    f("beta", r.beta, descent::optim::kUnit);
  }
  template <class T>
  void measure(descent::optim::Step, auto&& run) const {
    run([](auto w, auto g) { return std::array{w * w, g * g}; });
  }
  template <class T>
  auto at(descent::optim::Step s) const {
    const T eta = T(lr(s) / (1 + s.sums[0] / s.sums[1])), b = T(beta(s)), k = T(1 - beta(s));
    return [=](auto& w, auto g, auto& m, auto& v) {
      m = b * m + k * g;
      v = fma(b, v, k * g * g);
      w = w * 0.999 - where(abs(m) > 0.01, ratio(eta * m, sqrt(v) + 1e-3), eta * sign(m));
    };
  }
};

/// The weights after 20 steps, first in float and then in double. Each function computes the
/// weights in another file.
std::vector<double> train_plain();
std::vector<double> train_fast();
std::vector<double> train_avx2();

template <class Rule>
std::vector<double> train() {
  using namespace descent;
  std::vector<double> all;
  for (const DType dtype : {kFloat32, kFloat64}) {
    Generator generator(7);
    const Tensor w = randn({1237}, generator).to(dtype).detach().requires_grad_();
    optim::Optimizer o({{"w", w}}, Rule{});
    for (int t = 0; t < 20; ++t) {
      w.set_grad(randn({1237}, generator).to(dtype));
      o.step();
    }
    for (const double x : w.detach().to_vector()) all.push_back(x);
  }
  return all;
}
