// The time of one step of every element-wise rule on a million parameters, beside that of a plain
// loop which moves the same bytes: it reads the weights, the gradient and the rule's state, and
// writes weights and state. One thread; medians of runs that take turns.
//
//   rules [ELEMENTS]
#include <descent/core/floating_mode.h>
#include <descent/core/simd.h>
#include <descent/descent.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

using namespace descent;

namespace {

using Clock = std::chrono::steady_clock;

double seconds(const std::function<void()>& f) {
  const auto start = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// w and each array of state become a·x + g: a triad for each.
void triads(Tensor& w, const Tensor& g, std::vector<Tensor>& state) {
  const std::int64_t n = w.numel();
  float* p[5] = {static_cast<float*>(w.raw())};
  for (std::size_t i = 0; i < state.size(); ++i) p[i + 1] = static_cast<float*>(state[i].raw());
  const float* d = static_cast<const float*>(g.raw());
  const auto one = [](float& x, float y) { x = 0.999f * x + y; };
  switch (state.size()) {
    case 0:
      return simd::loop(
          n, [=](float& a, const float& y) { one(a, y); }, p[0], d);
    case 1:
      return simd::loop(
          n, [=](float& a, float& b, const float& y) { one(a, y), one(b, y); }, p[0], p[1], d);
    case 2:
      return simd::loop(
          n, [=](float& a, float& b, float& c, const float& y) { one(a, y), one(b, y), one(c, y); },
          p[0], p[1], p[2], d);
    case 3:
      return simd::loop(
          n,
          [=](float& a, float& b, float& c, float& e, const float& y) {
            one(a, y), one(b, y), one(c, y), one(e, y);
          },
          p[0], p[1], p[2], p[3], d);
    default:
      return simd::loop(
          n,
          [=](float& a, float& b, float& c, float& e, float& f, const float& y) {
            one(a, y), one(b, y), one(c, y), one(e, y), one(f, y);
          },
          p[0], p[1], p[2], p[3], p[4], d);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t n = argc > 1 ? std::atoll(argv[1]) : 1000000;
  set_num_threads(1);
  const detail::FlushDenormals flush;
  std::printf("| rule | step, µs | triad, µs | ratio |\n|---|---|---|---|\n");
  for (const optim::Entry& e : optim::registry()) {
    if (e.is_wrapper) continue;
    const Shape shape = e.name.starts_with("muon") ? Shape{1, n} : Shape{n};
    Generator generator(1);
    const Tensor w = randn(shape, generator).requires_grad_(), g = randn(shape, generator);
    optim::Optimizer o = e.make({{"w", w}}, {});
    if (!o.elementwise() || o.needs_closure()) continue;
    w.set_grad(g);
    for (int i = 0; i < 3; ++i) o.step();
    Tensor other = randn(shape, generator);
    std::vector<Tensor> state;
    for (int i = 0; i < e.card.state; ++i) state.push_back(randn(shape, generator));
    std::vector<double> own, plain;
    for (int i = 0; i < 101; ++i) {
      own.push_back(seconds([&] { o.step(); }));
      plain.push_back(seconds([&] { triads(other, g, state); }));
    }
    std::nth_element(own.begin(), own.begin() + 50, own.end());
    std::nth_element(plain.begin(), plain.begin() + 50, plain.end());
    std::printf("| %s | %.0f | %.0f | %.2f |\n", e.name.c_str(), own[50] * 1e6, plain[50] * 1e6,
                own[50] / plain[50]);
  }
}
