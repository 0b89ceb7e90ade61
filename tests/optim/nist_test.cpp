// Levenberg–Marquardt at its default settings on NIST's nonlinear regression problems.
// tests/reference/nist.txt holds the numbers of the Statistical Reference Datasets, National
// Institute of Standards and Technology, https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml:
// two starts, the certified parameters with their standard deviations, the residual sum of squares,
// and the data. All 27 problems are here.
#include "tests/support/reference.h"

#include <descent/descent.h>
#include <gtest/gtest.h>
#include <cmath>
#include <functional>
#include <numbers>

namespace descent {
namespace {

using Model = std::function<Tensor(const Tensor& b, const Tensor& x)>;
constexpr double kPi = std::numbers::pi;

Tensor exponential(const Tensor& b, const Tensor& x) { return b[0] * (1 - exp(-b[1] * x)); }
Tensor chwirut(const Tensor& b, const Tensor& x) { return exp(-b[0] * x) / (b[1] + b[2] * x); }
Tensor gauss(const Tensor& b, const Tensor& x) {
  return b[0] * exp(-b[1] * x) + b[2] * exp(-square((x - b[3]) / b[4])) +
         b[5] * exp(-square((x - b[6]) / b[7]));
}
Tensor lanczos(const Tensor& b, const Tensor& x) {
  return b[0] * exp(-b[1] * x) + b[2] * exp(-b[3] * x) + b[4] * exp(-b[5] * x);
}
Tensor cubic(const Tensor& b, const Tensor& x) {
  return (b[0] + x * (b[1] + x * (b[2] + x * b[3]))) / (1 + x * (b[4] + x * (b[5] + x * b[6])));
}
Tensor enso(const Tensor& b, const Tensor& x) {
  const auto wave = [&](const Tensor& cosine, const Tensor& sine, const Tensor& angle) {
    return cosine * cos(angle) + sine * sin(angle);
  };
  const Tensor turns = x * (2 * kPi);
  return b[0] + wave(b[1], b[2], turns / 12) + wave(b[4], b[5], turns / b[3]) +
         wave(b[7], b[8], turns / b[6]);
}

const std::map<std::string, Model>& models() {
  using T = const Tensor&;
  static const std::map<std::string, Model> all{
      {"Bennett5", [](T b, T x) { return b[0] * pow(b[1] + x, -1 / b[2]); }},
      {"BoxBOD", exponential},
      {"Chwirut1", chwirut},
      {"Chwirut2", chwirut},
      {"DanWood", [](T b, T x) { return b[0] * pow(x, b[1]); }},
      {"ENSO", enso},
      {"Eckerle4", [](T b, T x) { return b[0] / b[1] * exp(square((x - b[2]) / b[1]) * -0.5); }},
      {"Gauss1", gauss},
      {"Gauss2", gauss},
      {"Gauss3", gauss},
      {"Hahn1", cubic},
      {"Kirby2",
       [](T b, T x) { return (b[0] + x * (b[1] + x * b[2])) / (1 + x * (b[3] + x * b[4])); }},
      {"Lanczos1", lanczos},
      {"Lanczos2", lanczos},
      {"Lanczos3", lanczos},
      {"MGH09", [](T b, T x) { return b[0] * x * (x + b[1]) / (x * (x + b[2]) + b[3]); }},
      {"MGH10", [](T b, T x) { return b[0] * exp(b[1] / (x + b[2])); }},
      {"MGH17", [](T b, T x) { return b[0] + b[1] * exp(-x * b[3]) + b[2] * exp(-x * b[4]); }},
      {"Misra1a", exponential},
      {"Misra1b", [](T b, T x) { return b[0] * (1 - 1 / square(1 + b[1] * x / 2)); }},
      {"Misra1c", [](T b, T x) { return b[0] * (1 - 1 / sqrt(1 + b[1] * x * 2)); }},
      {"Misra1d", [](T b, T x) { return b[0] * b[1] * x / (1 + b[1] * x); }},
      {"Nelson",  // of log y
       [](T b, T x) { return b[0] - b[1] * x.select(1, 0) * exp(-b[2] * x.select(1, 1)); }},
      {"Rat42", [](T b, T x) { return b[0] / (1 + exp(b[1] - b[2] * x)); }},
      {"Rat43", [](T b, T x) { return b[0] / pow(1 + exp(b[1] - b[2] * x), 1 / b[3]); }},
      {"Roszman1", [](T b, T x) { return b[0] - b[1] * x - atan(b[2] / (x - b[3])) / kPi; }},
      {"Thurber", cubic}};
  return all;
}

class Nist : public ::testing::TestWithParam<std::string> {};

TEST_P(Nist, LevenbergMarquardtFindsSixDigitsFromBothStartsInOneStep) {
  static const auto problems = testing::read_reference("nist.txt");
  const testing::ReferenceCase& problem = problems.at(GetParam());
  const auto numbers = [&](const char* key) { return problem.at(key)[0]; };
  const Model& model = models().at(GetParam());
  const Tensor x = numbers("x"), y = GetParam() == "Nelson" ? log(numbers("y")) : numbers("y");
  const std::vector<double> certified = numbers("certified").to_vector();
  for (const int start : {0, 1}) {
    const Tensor b = numbers("start")[start].clone().requires_grad_();
    optim::Optimizer optimizer({b}, optim::LevenbergMarquardt{});
    const auto residuals = [&] { return model(b, x) - y; };
    optimizer.step(residuals);
    const std::vector<double> found = b.detach().to_vector();
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(found[i], certified[i], 5e-7 * std::fabs(certified[i]))
          << "b" << i + 1 << " from start " << start + 1;
    // That of Lanczos1, 1.4e-25, is the rounding error of the data.
    const double sum_of_squares = sum(square(residuals())).item(), best = numbers("sum").item();
    if (best > 1e-20) {
      EXPECT_NEAR(sum_of_squares, best, 1e-8 * best) << "from start " << start + 1;
    }
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, model] : models()) all.push_back(name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, Nist, ::testing::ValuesIn(names()),
                         [](const auto& i) { return i.param; });

}  // namespace
}  // namespace descent
