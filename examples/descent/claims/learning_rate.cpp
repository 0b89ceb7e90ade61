// Too high a rate diverges, a low one crawls.
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

/// |x| before each of 100 steps of gradient descent on ½x² from x = 1, and after the last step.
std::vector<double> distances(double rate) {
  const Tensor x = point({1});
  optim::Optimizer sgd({x}, optim::SGD{.lr = rate});
  std::vector<double> all;
  for (int i = 0; i < 100; ++i)
    all.push_back(std::sqrt(2 * step_on(sgd, [&] { return 0.5 * x.square().sum(); })));
  all.push_back(std::fabs(x[0].item()));
  return all;
}

void measure(Evidence& e) {
  Chart line{"Distance from the minimum of ½x²", "step", "|x|", false, true};
  for (const double rate : {0.02, 1.0 / 3, 1.9, 2.1}) {
    line.series.push_back({to_text("ηL = ", format(rate, "%.3g")), {}, distances(rate)});
    for (int i = 0; i <= 100; ++i) line.series.back().x.push_back(i);
  }
  e.equals("ηL = 1.9", line.series[2].y.back(), "2.66e-5");
  e.equals("ηL = 2.1", line.series[3].y.back(), "1.38e4");
  e.show(line);

  const data::Split parts = data::split(data::digits(), 0.8, 1);
  Series loss{"training loss after 10 epochs", {}, {}};
  std::size_t best = 0;
  for (int i = 0; i < 12; ++i) {
    Options o{.optimizer = "sgd", .lr = std::pow(10, -4 + 0.5 * i), .epochs = 10};
    const Run run = trained(o, parts).run;
    loss.x.push_back(o.lr);
    loss.y.push_back(run.diverged ? INFINITY : run.epochs.back().train.loss);
    if (loss.y.back() < loss.y[best]) best = loss.y.size() - 1;
  }
  const double low = loss.y.front() / loss.y[best], high = loss.y.back() / loss.y[best];
  e.expect("digits, best of 12 rates", format(loss.x[best], "%.3g"), "inside the range",
           best > 0 && best < 11);
  e.expect("loss at the lowest rate", format(low, "%.3g times the best"), "at least 10 times",
           low >= 10);
  e.expect("loss at the highest rate",
           std::isfinite(high) ? format(high, "%.3g times the best") : "infinite",
           "at least 10 times", high >= 10);
  e.show(Chart{
      "Digits: each rate's final loss", "learning rate", "training loss", true, true, {loss}});
}

}  // namespace

const Claim learning_rate{
    "learning_rate", "Too high a learning rate diverges, too low a one crawls.",
    "Gradient descent on ½x² (curvature L = 1) from x = 1, 100 steps: below ηL = 2 it ends near 0, "
    "above it runs away. A network of 64-64-10 on digits, SGD with 12 rates from 10⁻⁴ to 31.6: the "
    "loss after 10 epochs is U-shaped, the best rate inside, ten times the loss at either end.",
    measure};

}  // namespace app::claims
