// Saddle points slow, momentum leaves them sooner.
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

void measure(Evidence& e) {
  Chart chart{"Distance from the saddle along its way out", "step", "|y|", false, true, {}};
  for (const char* rule : {"sgd(lr=0.01)", "momentum(lr=0.01, momentum=0.9)"}) {
    const Tensor p = point({1, 1e-6});
    optim::Optimizer optimizer = optimizer_of(rule, p);
    Series line{rule, {0}, {1e-6}};
    int steps = 0;
    while (std::fabs(p[1].item()) < 1 && steps < 5000) {
      step_on(optimizer, [&] { return 0.5 * p[0].square() - 0.5 * p[1].square(); });
      ++steps;
      line.x.push_back(steps), line.y.push_back(std::fabs(p[1].item()));
    }
    e.equals(rule, steps, chart.series.empty() ? "1389" : "226");
    chart.series.push_back(line);
  }
  e.show(chart);
}

}  // namespace

const Claim saddle{"saddle", "Saddle points slow down; momentum leaves them sooner.",
                   "½x² − ½y² from (1, 10⁻⁶), η = 0.01: steps until |y| is 1.", measure};

}  // namespace app::claims
