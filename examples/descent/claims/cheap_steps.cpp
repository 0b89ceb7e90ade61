// SGD is cheap per step on large data.
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

constexpr double kTarget = 0.2;

/// A way to train: how many samples a step takes.
struct Way {
  const char* name;
  std::int64_t batch, epochs;
  double lr = 0;
  Run run{};
};

/// How many gradients of single samples are computed before the training loss reaches the target.
/// Infinite if the loss never reaches the target.
double cost_of(const Way& w, double samples) {
  for (const Epoch& epoch : w.run.epochs)
    if (epoch.train.loss <= kTarget) return static_cast<double>(epoch.epoch) * samples;
  return INFINITY;
}

void measure(Evidence& e) {
  const data::Split parts = data::split(data::digits(), 0.8, 1);
  const std::int64_t samples = parts.train.size();
  Chart by_cost{"Digits: loss by work", "gradients of single samples", "training loss", true, true},
      by_time{"The same by time (differs from run to run)", "seconds", "training loss", true, true};
  std::vector<double> costs;
  for (Way w : {Way{"one sample a step", 1, 6}, Way{"32 samples a step", 32, 40},
                Way{"all samples a step", samples, 400}}) {
    double best = INFINITY;
    for (const double lr : {0.01, 0.03, 0.1, 0.3, 1.0}) {
      Way tried = w;
      tried.lr = lr;
      tried.run =
          trained({.optimizer = "sgd", .lr = lr, .epochs = w.epochs, .batch = w.batch}, parts).run;
      if (const double cost = cost_of(tried, static_cast<double>(samples)); cost < best)
        best = cost, w = tried;
    }
    costs.push_back(best);
    Series cost{to_text(w.name, ", η ", format(w.lr, "%.2g")), {}, {}}, time = cost;
    for (const Epoch& epoch : w.run.epochs) {
      cost.x.push_back(static_cast<double>(epoch.epoch * samples));
      time.x.push_back(epoch.seconds);
      cost.y.push_back(epoch.train.loss), time.y.push_back(epoch.train.loss);
    }
    by_cost.series.push_back(cost), by_time.series.push_back(time);
  }
  e.expect("sample gradients to a loss of 0.2, one / 32 / all samples a step",
           to_text(costs[0], " / ", costs[1], " / ", costs[2]),
           "all needs 5 times as many as either",
           costs[2] >= 5 * costs[0] && costs[2] >= 5 * costs[1]);
  e.show(by_cost);
  e.show(by_time);
}

}  // namespace

const Claim cheap_steps{"cheap_steps",
                        "SGD is cheap per step: on many samples it is far ahead for the same work.",
                        "A network of 64-64-10 on digits, SGD with one sample, 32 or all 1,437 a "
                        "step, each at the best of "
                        "five rates: gradients of single samples until the training loss is 0.2. "
                        "With all of them a step it "
                        "takes at least five times as many.",
                        measure};

}  // namespace app::claims
