// Adam's L2 is not weight decay, AdamW's is.
#include "claims/experiment.h"

#include <algorithm>
#include <array>

namespace app::claims {

using namespace descent;

namespace {

/// θ after 100 steps from θ = 1 with η = 10⁻³. The gradient of the loss is 0, so only decay moves
/// θ.
double left_of_one(const char* rule, double decay) {
  const Tensor x = point({1});
  optim::Optimizer optimizer = optimizer_of(to_text(rule, "(weight_decay=", decay, ")"), x);
  for (int t = 0; t < 100; ++t) {
    x.set_grad(zeros({1}, kFloat64));
    optimizer.step();
  }
  return x[0].item();
}

const std::array<double, 6> kRates{3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1};

/// Digits with few training samples and some wrong labels. Such data is overfitted without decay.
data::Split overfitting(std::uint64_t seed) {
  data::Split parts = data::split(data::digits(), 0.15, seed);
  spoil_labels(parts.train, 0.2, seed);
  return parts;
}

struct Surface {
  HeatMap map;                     // test loss, a row for each rate, a column for each decay
  std::vector<double> best_decay;  // one for each rate
  std::vector<double> gain;        // the loss with the best decay over the loss without decay
};

/// Measures one rule at all rates and decays. The first decay must be 0.
Surface surface(const char* rule, const std::string& title, const std::array<double, 6>& decays) {
  Surface s{{title, "weight decay", "learning rate", {}, {}, {}}, {}, {}};
  for (const double d : decays) s.map.columns.push_back(format(d, "%.2g"));
  for (const double lr : kRates) {
    s.map.rows.push_back(format(lr, "%.2g"));
    const std::size_t none = s.map.values.size();
    std::size_t best = none;
    for (const double decay : decays) {
      std::vector<double> losses;
      for (const std::uint64_t seed : {1, 2, 3}) {
        const data::Split parts = overfitting(seed);
        Options o{.optimizer = rule,
                  .lr = lr,
                  .set = {to_text("weight_decay=", decay)},
                  .epochs = 60,
                  .seed = seed};
        losses.push_back(final_loss(o, parts));
      }
      s.map.values.push_back(median(losses));
      if (s.map.values.back() < s.map.values[best]) best = s.map.values.size() - 1;
    }
    s.map.marked.push_back(best);
    s.best_decay.push_back(decays[best - none]);
    s.gain.push_back(s.map.values[best] / s.map.values[none]);
  }
  return s;
}

void measure(Evidence& e) {
  e.equals("Adam λ = 1e-4", left_of_one("adam", 1e-4), ".90175");
  e.equals("1e-2", left_of_one("adam", 1e-2), ".90174");
  e.equals("1", left_of_one("adam", 1), ".90174");
  for (const double decay : {1e-4, 1e-2, 1.0})
    e.within(to_text("AdamW λ = ", decay), left_of_one("adamw", decay),
             std::pow(1 - 1e-3 * decay, 100), 1e-12);
  const Surface l2 = surface("adam", "Adam with L2: test loss", {0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2});
  const Surface decoupled = surface("adamw", "AdamW: test loss", {0, 1e-2, 3e-2, 1e-1, 3e-1, 1});
  // At the three highest rates a network without decay overfits most.
  double least_ratio = INFINITY, most_loss = 0;
  for (std::size_t i = 3; i < kRates.size(); ++i) {
    least_ratio = std::min(least_ratio, decoupled.best_decay[i] / l2.best_decay[i]);
    most_loss = std::max({most_loss, l2.gain[i], decoupled.gain[i]});
  }
  e.expect("test loss with the best decay over that without, rates from 0.01, worst of six",
           format(most_loss, "%.3g"), "below 0.95", most_loss < 0.95);
  e.expect("best decay, AdamW's over that of Adam with L2, least of three",
           format(least_ratio, "%.3g"), "more than 2", least_ratio > 2);
  e.show(l2.map);
  e.show(decoupled.map);
}

}  // namespace

const Claim adamw{
    "adamw", "Adam's L2 is not weight decay, AdamW's is.",
    "No gradient but the penalty's, θ = 1, 100 steps of η = 10⁻³: Adam moves the same way whatever "
    "λ, AdamW by (1 − ηλ)¹⁰⁰. On digits, 15 % of them with 20 % wrong labels to train on, 60 "
    "epochs, 6 rates × 6 decays, median test loss of 3 seeds: at the three highest rates both "
    "lower "
    "the loss, but the best decay (framed) of AdamW is more than twice that of L2. So a decay that "
    "was found for one is wrong for the other.",
    measure};

}  // namespace app::claims
