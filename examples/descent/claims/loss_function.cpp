// The loss decides: squared error bends to outliers.
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

void measure(Evidence& e) {
  constexpr std::int64_t kN = 200;
  Generator generator(5);
  const Tensor x = linspace(-1, 1, kN, kFloat64).reshape({kN, 1});
  Tensor y = 2.0 * x + 1.0 + 0.1 * randn({kN, 1}, generator, kFloat64);
  // Every fifth sample with x > 0 reads −3: a tenth of all samples.
  std::vector<double> values = y.to_vector<double>();
  for (std::size_t i = kN / 2; i < kN; i += 5) values[i] = -3;
  y = tensor(values, {kN, 1});

  Chart chart{"A line through data with 10 % outliers", "x", "y", false, false, {}};
  Series dots{"data", x.to_vector<double>(), values};
  dots.points = true;
  std::vector<double> errors;
  for (const std::string name : {"squared", "absolute", "Huber"}) {
    const Tensor w = point({0, 0});
    optim::Optimizer optimizer = optimizer_of("adam(lr=cosine(0.05, 2000))", w);
    for (int t = 0; t < 2000; ++t)
      step_on(optimizer, [&] {
        const Tensor out = w[0] * x + w[1];
        return name == "squared"    ? nn::mse_loss(out, y)
               : name == "absolute" ? nn::l1_loss(out, y)
                                    : nn::huber_loss(out, y, 0.2);
      });
    errors.push_back(std::fabs(w[0].item() - 2));
    chart.series.push_back({name, {-1, 1}, {w[1].item() - w[0].item(), w[1].item() + w[0].item()}});
  }
  chart.series.push_back(dots);
  e.expect("error of the slope, squared / absolute / Huber",
           to_text(format(errors[0], "%.3f"), " / ", format(errors[1], "%.3f"), " / ",
                   format(errors[2], "%.3f")),
           "squared at least 5 times either",
           errors[0] >= 5 * errors[1] && errors[0] >= 5 * errors[2]);
  e.show(chart);
}

}  // namespace

const Claim loss_function{"loss_function", "The loss decides: squared error bends to outliers.",
                          "A line of slope 2 through 200 points, 10 % of which are outliers on one "
                          "side, fitted with squared, "
                          "absolute and Huber loss (δ = 0.2): the error of the slope.",
                          measure};

}  // namespace app::claims
