// SGD is noisy, and the noise falls with the batch.
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

constexpr double kRate = 0.1;
constexpr int kChains = 10000, kSteps = 600, kSettled = 200;

void measure(Evidence& e) {
  Chart chart{"Mean square of x while SGD goes on", "step", "E[x²]", false, true};
  for (const int batch : {1, 4, 16}) {
    Generator generator(1, static_cast<std::uint64_t>(batch));
    const Tensor x = point(std::vector<double>(kChains, 1.0));  // each element is a run of its own
    optim::Optimizer sgd({x}, optim::SGD{.lr = kRate});
    Series line{to_text("batch ", batch), {}, {}};
    double mean = 0;
    for (int i = 0; i < kSteps; ++i) {
      x.set_grad(x.detach() + randn({kChains}, generator, kFloat64) / std::sqrt(batch));
      sgd.step();
      const double square = x.detach().square().mean().item();
      if (i >= kSettled) mean += square / (kSteps - kSettled);
      if (i < kSettled) line.x.push_back(i + 1), line.y.push_back(square);
    }
    e.within(to_text("B = ", batch), mean, kRate / (batch * (2 - kRate)), 0.03);
    chart.series.push_back(line);
  }
  e.show(chart);
}

}  // namespace

const Claim noise{
    "noise", "SGD is noisy, and its noise falls with the size of the batch.",
    "½x² with gradients x + N(0, 1/B) and η = 0.1, in 10,000 runs: once settled, E[x²] is within "
    "3 % of η/(B(2 − η)), so four times the batch leaves a quarter of it.",
    measure};

}  // namespace app::claims
