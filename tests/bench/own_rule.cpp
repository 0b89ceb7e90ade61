// A user's own rule beside the built-in one of the same formula. This file is compiled at -O2 with
// no other flag, as a user's file may be, and its copy of AdamW is to take as long as Descent's.
//
//   own_rule     prints the time of a step for both, and the ratio
#include <descent/descent.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

using namespace descent;

namespace {

struct OwnAdamW {
  optim::Hyper lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 1e-2;
  static constexpr optim::Card card{.name = "own_adamw"};
  static constexpr std::array slot_names{"m", "v"};
  static void fields(auto& r, auto&& f) { f("lr", r.lr, optim::kNonNegative); }
  template <class T>
  auto at(optim::Step s) const {
    const auto t = static_cast<double>(s.t);
    const T b1 = T(beta1(s)), k1 = T(1 - beta1(s)), b2 = T(beta2(s)), k2 = T(1 - beta2(s));
    const T eta = T(lr(s) / (1 - std::pow(beta1(s), t)));
    const T root = T(1 / std::sqrt(1 - std::pow(beta2(s), t)));
    const T e = T(eps(s)), keep = T(1 - lr(s) * weight_decay(s));
    return [=](auto& w, auto g, auto& m, auto& v) {
      m = b1 * m + k1 * g;
      v = b2 * v + k2 * g * g;
      const auto d = sqrt(v) * root + e;
      w = keep * w - where(d == 0, 0, eta * m / d);
    };
  }
};

/// The median time of a step on n weights, in microseconds.
template <class Rule>
double time_of(Rule rule, std::int64_t n, DType dtype) {
  const Tensor w = ones({n}, dtype).requires_grad_();
  w.set_grad(full({n}, 0.1, dtype));
  optim::Optimizer optimizer({{"w", w}}, rule);
  const std::int64_t steps = 1 + 2000000 / n;
  std::vector<double> times(60);
  for (double& time : times) {
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < steps; ++i) optimizer.step();
    const std::chrono::duration<double, std::micro> taken =
        std::chrono::steady_clock::now() - start;
    time = taken.count() / static_cast<double>(steps);
  }
  std::nth_element(times.begin(), times.begin() + 30, times.end());
  return times[30];
}

}  // namespace

int main() {
  set_num_threads(1);
  std::puts("| numbers | adamw, µs | own copy at -O2, µs | ratio |\n|---|---|---|---|");
  for (const DType dtype : {kFloat32, kFloat64})
    for (const std::int64_t n : {1000, 20000, 1000000}) {
      double built_in = 1e300, own = 1e300;
      for (int round = 0; round < 3; ++round) {
        built_in = std::min(built_in, time_of(optim::AdamW{}, n, dtype));
        own = std::min(own, time_of(OwnAdamW{}, n, dtype));
      }
      std::printf("| %ld %s | %.2f | %.2f | %.2f |\n", static_cast<long>(n),
                  dtype == kFloat32 ? "floats" : "doubles", built_in, own, own / built_in);
    }
}
