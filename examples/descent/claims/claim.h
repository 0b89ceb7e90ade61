// A claim about optimizers, how it is measured, and what was measured.
//
// One file a claim: the sentence, the experiment with its criterion, the measurement, the picture.
// A new claim is a new file, and its name in the list APP_CLAIMS below.
#pragma once

#include "page/svg.h"

#include <string>
#include <vector>

namespace app {

/// What speaks for a claim, or against it. It stands when no figure fails its criterion.
class Evidence {
 public:
  struct Figure {
    std::string what, got, criterion;
    bool holds;
  };

  /// A number known beforehand: `got` must round to the digits of `expected`, as "2.66e-5".
  void equals(const std::string& what, double got, const std::string& expected);
  /// `got` must lie within a share of `expected`.
  void within(const std::string& what, double got, double expected, double share);
  /// Any other criterion, in words.
  void expect(const std::string& what, const std::string& got, const std::string& criterion,
              bool holds);
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
  std::string name;        // for --only
  std::string sentence;    // what is claimed
  std::string experiment;  // what is measured, and what must come out
  void (*measure)(Evidence&);
};

/// The names of all claims, in the order of the page. To add a claim, add its name here.
#define APP_CLAIMS(CLAIM)                                                                   \
  CLAIM(learning_rate)                                                                      \
  CLAIM(noise)                                                                              \
  CLAIM(cheap_steps)                                                                        \
  CLAIM(momentum)                                                                           \
  CLAIM(nesterov)                                                                           \
  CLAIM(adagrad) CLAIM(rmsprop) CLAIM(adam_defaults) CLAIM(adamw) CLAIM(amsgrad) CLAIM(sam) \
      CLAIM(clipping) CLAIM(swa) CLAIM(saddle) CLAIM(local_minima) CLAIM(loss_function)

namespace claims {
#define APP_DECLARED(name) extern const Claim name;
APP_CLAIMS(APP_DECLARED)
#undef APP_DECLARED
}  // namespace claims

/// All of them, in the order of the page.
const std::vector<const Claim*>& all_claims();
/// The paths of every rule over four landscapes, as a part of the page.
std::string gallery();

}  // namespace app
