// Times one step of every rule on a matrix of a million parameters. Beside the rule, times plain
// loops that move the same bytes through memory: one loop for each pass of the rule. The loop reads
// and writes as many arrays as the pass. If a pass only reads, OpenBLAS's dot stands for the loop.
// All runs use one thread. Rounds of rule and loops take turns in the same memory, and the medians
// are printed.
//
//   rules [SIDE [RULE …]]     of the matrix, 1000 if not given; of all rules
#include <descent/core/floating_mode.h>
#include <descent/core/simd/loop.h>
#include <descent/descent.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>

extern "C" float cblas_sdot(int n, const float* x, int x_step, const float* y, int y_step);
extern "C" void openblas_set_num_threads(int n);

using namespace descent;

namespace {

using Clock = std::chrono::steady_clock;

double seconds(const std::function<void()>& f) {
  const auto start = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr int kRounds = 10, kWarm = 3, kTimed = 11, kMiddle = kRounds * kTimed / 2;

void measure(const std::function<void()>& f, std::vector<double>& times) {
  for (int i = 0; i < kWarm; ++i) f();
  for (int i = 0; i < kTimed; ++i) times.push_back(seconds(f));
}

/// A pass through memory: how many arrays are only read, and how many are read and written.
struct Pass {
  int read, written;
};

/// The passes of a rule in one step. An element-wise rule has one pass, which reads the gradient,
/// and reads and writes weights and state.
std::vector<Pass> passes(const optim::Entry& rule) {
  static const std::map<std::string, std::vector<Pass>> others{
      {"lars", {{2, 0}, {1, 2}}},               // w g; g, w b
      {"lamb", {{2, 2}, {2, 1}}},               // w g, m v; m v, w
      {"prodigy", {{3, 3}, {2, 1}}},            // w g start, m v s; m v, w
      {"adafactor", {{2, 0}, {1, 0}, {1, 1}}},  // w g; g; g, w. Its state is small
      {"sophia", {{1, 0}, {1, 3}}},  // g, which the closure renews, is searched for NaN; g, w m h
  };
  const auto found = others.find(rule.name);
  return found != others.end() ? found->second : std::vector<Pass>{{1, 1 + rule.card.state}};
}

/// Computes x = a·x + b·y for each array x that is written. y is the sum of the arrays that are
/// only read.
template <std::size_t... R, std::size_t... W>
void triad(std::int64_t n, float* const* p, std::index_sequence<R...>, std::index_sequence<W...>) {
  constexpr std::size_t kRead = sizeof...(R);
  simd::loop(
      n,
      [](auto&... x) {
        const std::tuple<decltype(x)...> all(x...);
        const float y = (std::get<R>(all) + ...);
        ((std::get<kRead + W>(all) = 0.999f * std::get<kRead + W>(all) + 0.001f * y), ...);
      },
      static_cast<const float*>(p[R])..., p[kRead + W]...);
}

/// Stands for a pass that only reads. Reading alone takes longer per byte than a triad, even in
/// BLAS.
void read(std::int64_t n, const float* x, const float* y) {
  volatile float sum = cblas_sdot(static_cast<int>(n), x, 1, y, 1);
  static_cast<void>(sum);
}

template <std::size_t R, std::size_t W>
void triad(std::int64_t n, float* const* p) {
  triad(n, p, std::make_index_sequence<R>(), std::make_index_sequence<W>());
}

void triad(const Pass& pass, std::int64_t n, float* const* p) {
  switch (10 * pass.read + pass.written) {
    case 10:
      return read(n, p[0], p[0]);
    case 20:
      return read(n, p[0], p[1]);
    case 11:
      return triad<1, 1>(n, p);
    case 12:
      return triad<1, 2>(n, p);
    case 13:
      return triad<1, 3>(n, p);
    case 14:
      return triad<1, 4>(n, p);
    case 15:
      return triad<1, 5>(n, p);
    case 21:
      return triad<2, 1>(n, p);
    case 22:
      return triad<2, 2>(n, p);
    case 33:
      return triad<3, 3>(n, p);
    default:
      std::printf("no loop for %d arrays read and %d written\n", pass.read, pass.written);
      std::exit(1);
  }
}

/// True for rules that spend their time on matrix products, factorisations or evaluations of the
/// loss.
bool moves_more_than_memory(const optim::Entry& e) {
  return e.name.starts_with("muon") || e.name == "soap" || e.name == "lbfgs";
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t side = argc > 1 ? std::atoll(argv[1]) : 1000, n = side * side;
  const std::vector<std::string_view> wanted(argv + std::min(argc, 2), argv + argc);
  set_num_threads(1);
  openblas_set_num_threads(1);
  const detail::FlushDenormals flush;
  std::printf("| rule | step, µs | triads, µs | ratio |\n|---|---|---|---|\n");
  for (const optim::Entry& e : optim::registry()) {
    if (e.is_wrapper || moves_more_than_memory(e)) continue;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), e.name) == wanted.end())
      continue;
    Generator generator(1);
    const Tensor w = randn({side, side}, generator).requires_grad_(),
                 g = randn({side, side}, generator);
    w.set_grad(g);
    const Tensor zero = zeros({});
    std::vector<double> own, plain;
    for (int round = 0; round < kRounds; ++round) {
      {
        optim::Optimizer o = e.make({{"w", w}}, {});
        if (o.needs_closure()) {  // Sophia: no step below measures curvature
          o.set("every", 1e9);
          o.step([&] {
            const Tensor loss = sum(square(w));
            loss.backward();
            return loss;
          });
          measure(
              [&] {
                o.step([&] {
                  w.set_grad(g);
                  return zero;
                });
              },
              own);
        } else {
          measure([&] { o.step(); }, own);
        }
      }
      // The loops get the memory that the rule's state has just given back, because the place of an
      // array in memory changes the time.
      float* p[6] = {static_cast<float*>(g.raw()), static_cast<float*>(w.raw())};
      std::vector<Tensor> arrays;
      for (int i = 2; i < 6; ++i)
        p[i] = static_cast<float*>(arrays.emplace_back(zeros({side, side})).raw());
      measure(
          [&] {
            for (const Pass& pass : passes(e)) triad(pass, n, p);
          },
          plain);
    }
    std::nth_element(own.begin(), own.begin() + kMiddle, own.end());
    std::nth_element(plain.begin(), plain.begin() + kMiddle, plain.end());
    std::printf("| %s | %.0f | %.0f | %.2f |\n", e.name.c_str(), own[kMiddle] * 1e6,
                plain[kMiddle] * 1e6, own[kMiddle] / plain[kMiddle]);
  }
}
