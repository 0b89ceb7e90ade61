// AdaGrad's rate shrinks, RMSProp's does not.
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

void measure(Evidence& e) {
  Chart chart{"Distance covered by a step, in units of η", "step", "|Δx|/η", true, true, {}};
  for (const char* rule : {"adagrad(lr=0.01)", "rmsprop(lr=0.01, alpha=0.9)"}) {
    const Tensor x = point({0});
    optim::Optimizer optimizer = optimizer_of(rule, x);
    Series line{rule, {}, {}};
    double next = 1, before = 0;
    for (int t = 1; t <= 10000; ++t) {
      x.set_grad(ones({1}, kFloat64));
      optimizer.step();
      const double now = x[0].item();
      if (t >= next) {
        line.x.push_back(t), line.y.push_back((before - now) / 0.01);
        next *= 1.1;
      }
      before = now;
    }
    e.equals(line.name, x[0].item(), chart.series.empty() ? "-1.985446" : "-100.0914");
    chart.series.push_back(line);
  }
  e.show(chart);
}

}  // namespace

const Claim rmsprop{
    "rmsprop", "AdaGrad's rate shrinks for ever, RMSProp's does not.",
    "A gradient that is always 1, η = 0.01, 10,000 steps from 0: where each arrives.", measure};

}  // namespace app::claims
