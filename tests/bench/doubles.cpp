// Prints how long functions and products take in double and in float, on one thread. Both types
// take turns. A function is timed on a million elements, beside a plain copy into existing memory.
//
//   doubles             every function, and products of squares from 32 to 2048
//   doubles pow         one function
#include <descent/descent.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

using namespace descent;

namespace {

constexpr std::array kTypes{kFloat64, kFloat32};

/// The medians of the microseconds that f(0) and f(1) take, which take turns.
std::array<double, 2> medians(int rounds, const std::function<void(std::size_t)>& f) {
  std::array<std::vector<double>, 2> times;
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < 2; ++i) {
      f(i);
      const auto start = std::chrono::steady_clock::now();
      f(i);
      times[i].push_back(
          std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
              .count());
    }
  std::array<double, 2> result;
  for (std::size_t i = 0; i < 2; ++i) {
    std::sort(times[i].begin(), times[i].end());
    result[i] = times[i][times[i].size() / 2];
  }
  return result;
}

/// x is normal, p lies between 0.1 and 1.1.
using Function = Tensor (*)(const Tensor& x, const Tensor& p);
const std::vector<std::pair<std::string, Function>> kFunctions{
    {"exp", [](const Tensor& x, const Tensor&) { return exp(x); }},
    {"log", [](const Tensor&, const Tensor& p) { return log(p); }},
    {"tanh", [](const Tensor& x, const Tensor&) { return tanh(x); }},
    {"sigmoid", [](const Tensor& x, const Tensor&) { return sigmoid(x); }},
    {"sin", [](const Tensor& x, const Tensor&) { return sin(x); }},
    {"cos", [](const Tensor& x, const Tensor&) { return cos(x); }},
    {"erf", [](const Tensor& x, const Tensor&) { return erf(x); }},
    {"gelu", [](const Tensor& x, const Tensor&) { return gelu(x); }},
    {"softplus", [](const Tensor& x, const Tensor&) { return softplus(x); }},
    {"pow", [](const Tensor& x, const Tensor& p) { return pow(p, x); }},
    {"pow, half of the bases negative", [](const Tensor& x, const Tensor& p) { return pow(x, p); }},
    {"log2", [](const Tensor&, const Tensor& p) { return log2(p); }},
    {"log10", [](const Tensor&, const Tensor& p) { return log10(p); }},
    {"sinh", [](const Tensor& x, const Tensor&) { return sinh(x); }},
    {"cosh", [](const Tensor& x, const Tensor&) { return cosh(x); }},
    {"atan", [](const Tensor& x, const Tensor&) { return atan(x); }},
    {"atan2", [](const Tensor& x, const Tensor& p) { return atan2(x, p); }},
    {"logaddexp", [](const Tensor& x, const Tensor& p) { return logaddexp(x, p); }}};

void print_functions(const std::string& only) {
  std::array<Tensor, 2> x, p;
  for (std::size_t i = 0; i < 2; ++i) {
    x[i] = randn({1'000'000}, kTypes[i]);
    p[i] = rand({1'000'000}, kTypes[i]) + 0.1;
  }
  std::printf("| Function | double, µs | copies | float, µs | copies |\n|---|---|---|---|---|\n");
  const std::array<Tensor, 2> target{x[0].clone(), x[1].clone()};
  const auto copy = medians(15, [&](std::size_t i) { target[i].copy_(x[i]); });
  std::printf("| copy | %.0f | 1.0 | %.0f | 1.0 |\n", copy[0], copy[1]);
  for (const auto& [name, f] : kFunctions) {
    if (!only.empty() && name != only) continue;
    const auto t = medians(15, [&, &f = f](std::size_t i) { f(x[i], p[i]); });
    std::printf("| `%s` | %.0f | %.1f | %.0f | %.1f |\n", name.c_str(), t[0], t[0] / copy[0], t[1],
                t[1] / copy[1]);
    std::fflush(stdout);
  }
}

void print_products() {
  std::printf(
      "\n| Side | Operands | float, GF/s | double, GF/s | ratio |\n|---|---|---|---|---|\n");
  for (const std::int64_t n : {32, 33, 64, 65, 100, 128, 200, 257, 384, 512, 768, 1000, 1024, 2048})
    for (const bool turned : {false, true})
      for (const bool b_turned : {false, true}) {
        std::array<Tensor, 2> a, b;
        for (std::size_t i = 0; i < 2; ++i) {
          a[i] = turned ? randn({n, n}, kTypes[i]).t() : randn({n, n}, kTypes[i]);
          b[i] = b_turned ? randn({n, n}, kTypes[i]).t() : randn({n, n}, kTypes[i]);
        }
        const double flops = 2.0 * static_cast<double>(n * n * n);
        const int repeats = std::max(1, static_cast<int>(2e7 / flops));
        const auto t = medians(n > 1024 ? 5 : 15, [&](std::size_t i) {
          for (int r = 0; r < repeats; ++r) matmul(a[i], b[i]);
        });
        std::printf("| %lld | A%s·B%s | %.0f | %.0f | %.2f |\n", static_cast<long long>(n),
                    turned ? "ᵀ" : "", b_turned ? "ᵀ" : "", flops * repeats / t[1] * 1e-3,
                    flops * repeats / t[0] * 1e-3, t[1] / t[0]);
        std::fflush(stdout);
      }
}

}  // namespace

int main(int argc, char** argv) {
  set_num_threads(1);
  const NoGradGuard no_grad;
  print_functions(argc > 1 ? argv[1] : "");
  if (argc == 1) print_products();
}
