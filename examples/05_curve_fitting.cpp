// Fits curves by least squares, on three problems of NIST whose answers are certified.
//
// Levenberg–Marquardt needs no loss and no backward(): the closure returns the residuals, and one
// step is a whole fit. The derivatives come from autograd, so that a new curve is one line.
#include <descent/descent.h>

#include <cmath>
#include <cstdio>
#include <functional>

using namespace descent;

/// A curve y ≈ f(b, x), with its data, where a fit starts, and the parameters b and their standard
/// deviations that NIST has certified: https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml.
struct Problem {
  const char* name;
  std::function<Tensor(const Tensor& b, const Tensor& x)> f;
  Tensor x, y, start, certified, deviations;
};

std::vector<Problem> problems() {
  return {
      {"BoxBOD: oxygen used by bacteria, b1 (1 - exp(-b2 x))",
       [](const Tensor& b, const Tensor& x) { return b[0] * (1 - exp(-b[1] * x)); },
       tensor({1.0, 2.0, 3.0, 5.0, 7.0, 10.0}, kFloat64),
       tensor({109.0, 149.0, 149.0, 191.0, 213.0, 224.0}, kFloat64), tensor({1.0, 1.0}, kFloat64),
       tensor({2.1380940889e+02, 5.4723748542e-01}, kFloat64),
       tensor({1.2354515176e+01, 1.0455993237e-01}, kFloat64)},
      {"MGH10: a thermistor's resistance, b1 exp(b2 / (x + b3))",
       [](const Tensor& b, const Tensor& x) { return b[0] * exp(b[1] / (x + b[2])); },
       arange(50, 126, 5, kFloat64),
       tensor({34780.0, 28610.0, 23650.0, 19630.0, 16370.0, 13720.0, 11540.0, 9744.0, 8261.0,
               7030.0, 6005.0, 5147.0, 4427.0, 3820.0, 3307.0, 2872.0},
              kFloat64),
       tensor({2.0, 400000.0, 25000.0}, kFloat64),
       tensor({5.6096364710e-03, 6.1813463463e+03, 3.4522363462e+02}, kFloat64),
       tensor({1.5687892471e-04, 2.3309021107e+01, 7.8486103508e-01}, kFloat64)},
      {"Rat43: how onions grow, b1 / (1 + exp(b2 - b3 x))^(1/b4)",
       [](const Tensor& b, const Tensor& x) {
         return b[0] / pow(1 + exp(b[1] - b[2] * x), 1 / b[3]);
       },
       arange(1, 16, 1, kFloat64),
       tensor({16.08, 33.83, 65.80, 97.20, 191.55, 326.20, 386.87, 520.53, 590.03, 651.92, 724.93,
               699.56, 689.96, 637.56, 717.41},
              kFloat64),
       tensor({100.0, 10.0, 1.0, 1.0}, kFloat64),
       tensor({6.9964151270e+02, 5.2771253025e+00, 7.5962938329e-01, 1.2792483859e+00}, kFloat64),
       tensor({1.6302297817e+01, 2.0828735829e+00, 1.9566123451e-01, 6.8761936385e-01}, kFloat64)}};
}

/// The standard deviations of fitted parameters: with J the derivatives of the m residuals r by the
/// n parameters, the roots of the diagonal of (JᵀJ)⁻¹·Σr²/(m − n).
Tensor standard_deviations(const FunctionOfTensor& residuals, const Tensor& b) {
  const auto flat = [&](const Tensor& at) { return residuals(at).reshape({-1}); };
  const Tensor j = jacobian(flat, b), r = flat(b);
  const Tensor lengths = sqrt(sum(square(j), {0}, true)), scaled = j / lengths;
  const Tensor covariance = inverse(matmul(scaled.t(), scaled));
  const auto freedom = static_cast<double>(r.numel() - b.numel());
  return sqrt(diag(covariance) * (sum(square(r)) / freedom)) / lengths.squeeze(0);
}

int main() {
  double worst = 0;
  for (const Problem& p : problems()) {
    const Tensor b = p.start.clone().requires_grad_();
    optim::Optimizer optimizer({b}, optim::LevenbergMarquardt{});
    optimizer.step([&] { return p.f(b, p.x) - p.y; });

    const auto residuals = [&](const Tensor& at) { return p.f(at, p.x) - p.y; };
    const Tensor found = b.detach(), error = standard_deviations(residuals, found).detach();
    std::printf("%s\n", p.name);
    for (std::int64_t i = 0; i < found.numel(); ++i)
      std::printf("  b%d = %-17.10g ± %-10.4g  NIST: %.10g ± %.4g\n", static_cast<int>(i + 1),
                  found[i].item(), error[i].item(), p.certified[i].item(), p.deviations[i].item());
    const auto off = [](const Tensor& a, const Tensor& c) { return max(abs(a / c - 1)).item(); };
    worst = std::fmax(worst, std::fmax(off(found, p.certified), off(error, p.deviations)));
  }
  if (!(worst < 5e-7)) {
    std::printf("differs from NIST by %.2g, expected six equal digits\n", worst);
    return 1;
  }
  std::printf("All parameters and deviations have six digits of NIST's.\n");
}
