// Adam works out of the box, SGD needs tuning.
#include "claims/experiment.h"

#include <algorithm>

namespace app::claims {

using namespace descent;

namespace {

const std::vector<std::string> kRules{"sgd", "momentum", "adagrad", "rmsprop", "adam"};
const std::vector<std::string> kData{"digits", "moons", "wine"};

/// The median over three seeds of the validation accuracy after 20 epochs. A run that diverged has
/// accuracy 0.
double accuracy_of(const std::string& rule, const std::string& data, double lr) {
  std::vector<double> accuracies;
  for (const std::uint64_t seed : {1, 2, 3}) {
    Options o{.data = data, .optimizer = rule, .lr = lr, .seed = seed};
    const Learnable from = read_learnable(o);
    const Prepared parts = prepare_rows(o, from, part_rows(from, {}, 0.8, seed));
    const Run run = trained(o, {parts.train, parts.validation}).run;
    accuracies.push_back(run.diverged ? 0 : run.validation.accuracy);
  }
  return median(accuracies);
}

void measure(Evidence& e) {
  Chart chart{"Digits: accuracy against the rate, in units of the default",
              "rate over default",
              "validation accuracy",
              true,
              false,
              {}};
  std::vector<std::vector<double>> ranks(kRules.size());
  std::vector<double> spreads(kRules.size());
  for (const std::string& data : kData) {
    std::vector<double> at_default;
    for (std::size_t r = 0; r < kRules.size(); ++r) {
      Series line{kRules[r], {}, {}};
      for (const double factor : {0.1, 0.3, 1.0, 3.0, 10.0}) {
        line.x.push_back(factor);
        line.y.push_back(
            accuracy_of(kRules[r], data, factor * Described(kRules[r]).default_rate()));
      }
      at_default.push_back(line.y[2]);
      spreads[r] += (*std::max_element(line.y.begin(), line.y.end()) -
                     *std::min_element(line.y.begin(), line.y.end())) /
                    static_cast<double>(kData.size());
      if (data == "digits") chart.series.push_back(line);
    }
    for (std::size_t r = 0; r < kRules.size(); ++r)
      ranks[r].push_back(
          1 + static_cast<double>(std::count_if(at_default.begin(), at_default.end(),
                                                [&](double x) { return x > at_default[r]; })));
  }
  std::vector<std::string> listed, spread;
  for (std::size_t r = 0; r < kRules.size(); ++r) {
    listed.push_back(to_text(kRules[r], " ", median(ranks[r])));
    spread.push_back(to_text(kRules[r], " ", format(100 * spreads[r], "%.1f")));
  }
  e.expect("median rank at defaults", joined(listed), "Adam's before SGD's",
           median(ranks[4]) < median(ranks[0]));
  e.expect("points of accuracy between best and worst of a 100-fold range of rates", joined(spread),
           "Adam's below SGD's", spreads[4] < spreads[0]);
  e.show(chart);
}

}  // namespace

const Claim adam_defaults{"adam_defaults", "Adam works out of the box, SGD needs tuning.",
                          "Networks with 64 hidden units on digits, moons and wine, 20 epochs, "
                          "median validation accuracy of 3 "
                          "seeds: each rule's rank at its default settings, and how far the "
                          "accuracy moves while the rate goes from a "
                          "tenth to ten times the default (mean over the data sets).",
                          measure};

}  // namespace app::claims
