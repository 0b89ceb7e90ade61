// Claims about optimizers: what a claim is, and the evidence that a measurement collects.
//
// Each claim has its own file. The file ends with the claim: a name, a sentence, a description of
// the experiment, and the function that measures. To add a claim, write such a file and add its
// name to APP_CLAIMS. A figure must meet its criterion for any seed: try twenty seeds, and choose
// the criterion more than three standard deviations away.
#pragma once

#include "page/svg.h"

#include <string>
#include <vector>

namespace app {

/// The figures and pictures that speak for a claim or against it. The claim holds if there is at
/// least one figure and every figure meets its criterion.
class Evidence {
 public:
  struct Figure {
    std::string what, got, criterion;
    bool holds;
  };

  /// A figure whose number is known beforehand. `got` must round to the digits of
  /// `expected`: 2.6649e-5 meets "2.66e-5".
  void equals(const std::string& what, double got, const std::string& expected);
  /// A figure with a tolerance: |got − expected| must be at most share · |expected|.
  void within(const std::string& what, double got, double expected, double share);
  /// A figure with any other criterion. `got` and `criterion` are for people; `holds` is the
  /// verdict.
  void expect(const std::string& what, const std::string& got, const std::string& criterion,
              bool holds);
  /// Adds a picture.
  void show(const Chart& chart) { pictures_.push_back(svg(chart)); }
  void show(const HeatMap& map) { pictures_.push_back(svg(map)); }

  bool holds() const;
  const std::vector<Figure>& figures() const { return figures_; }
  const std::vector<std::string>& pictures() const { return pictures_; }

 private:
  std::vector<Figure> figures_;
  std::vector<std::string> pictures_;
};

struct Claim {
  std::string name;        // what --only takes
  std::string sentence;    // the claim in plain words
  std::string experiment;  // how the claim is measured, and what must come out if it holds
  void (*measure)(Evidence&);
};

/// The names of all claims, in the order of the page. To add a claim, add its name here.
// clang-format off
#define APP_CLAIMS(CLAIM)                                              \
  CLAIM(learning_rate) CLAIM(noise) CLAIM(cheap_steps) CLAIM(momentum) \
  CLAIM(nesterov) CLAIM(adagrad) CLAIM(rmsprop) CLAIM(adam_defaults)   \
  CLAIM(adamw) CLAIM(amsgrad) CLAIM(sam) CLAIM(clipping)               \
  CLAIM(swa) CLAIM(saddle) CLAIM(local_minima) CLAIM(loss_function)    \
  CLAIM(physics)
// clang-format on

namespace claims {
#define APP_DECLARED(name) extern const Claim name;
APP_CLAIMS(APP_DECLARED)
#undef APP_DECLARED
}  // namespace claims

/// All claims, in the order of the page.
const std::vector<const Claim*>& all_claims();
/// A part of the page: the paths of every rule over four functions of two variables.
std::string gallery();

}  // namespace app
