// Adam may fail to converge, AMSGrad mends it.
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

void measure(Evidence& e) {
  Chart chart{"Where x goes; the minimum is at −1", "step", "x", true, false, {}};
  for (const char* rule : {"adam", "amsgrad"}) {
    const Tensor x = point({0});
    optim::Optimizer optimizer =
        optimizer_of(to_text(rule, "(lr=sqrt_decay(0.5), beta1=0.9, beta2=0.99)"), x);
    const Tensor rare = full({1}, 1010, kFloat64), common = full({1}, -10, kFloat64);
    Series line{rule, {}, {}};
    double next = 1;
    for (int t = 1; t <= 400000; ++t) {
      x.set_grad(t % 101 == 1 ? rare : common);
      optimizer.step();
      const NoGradGuard guard;
      x.clamp_(-1.0, 1.0);
      if (t < next) continue;
      line.x.push_back(t), line.y.push_back(x[0].item());
      next *= 1.02;
    }
    e.equals(rule, x[0].item(), line.name == "adam" ? ".996" : "-.9994");
    chart.series.push_back(line);
  }
  e.show(chart);
}

}  // namespace

const Claim amsgrad{"amsgrad", "Adam may fail to converge, AMSGrad mends it.",
                    "A gradient of 1010 every 101st step and −10 otherwise, so +0.1 on average, x "
                    "held in [−1, 1]; β "
                    "(.9, .99), η = 0.5/√t, 400,000 steps: Adam ends at the wrong side.",
                    measure};

}  // namespace app::claims
