// For the tests that nothing is updated by half: whatever throws, afterwards the optimizer is as it
// was, and a twin that never saw the error gives the same bits from there on.
#pragma once
#include "tests/optim/trajectory.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <stdexcept>

namespace descent::testing {

inline const Shape kMatrix{1, 4};  // of the second parameter, because Muon takes matrices only

/// Weights and state as numbers, by name.
inline std::map<std::string, std::vector<double>> all_of(const Problem& p,
                                                         const optim::Optimizer& o) {
  std::map<std::string, std::vector<double>> all;
  for (const auto& [key, t] : o.state_dict()) all[key] = t.to_vector();
  all["weights"] = p.values().to_vector();
  return all;
}

/// The error that the tests throw.
struct Thrown : std::runtime_error {
  Thrown() : std::runtime_error("thrown by a test") {}
};

/// A problem with its optimizer, and a twin that sees no error.
struct Pair {
  Problem p{kFloat64, kMatrix}, q{kFloat64, kMatrix};
  optim::Optimizer o, twin;
  using Make = std::function<optim::Optimizer(Parameters)>;
  explicit Pair(const Make& make) : o(make(p.parameters())), twin(make(q.parameters())) {}
  explicit Pair(const std::string& text)
      : Pair([text](Parameters all) { return optim::make(text, std::move(all)); }) {}

  void step(int times = 1) {
    for (int t = 0; t < times; ++t) {
      p.step(o);
      q.step(twin);
    }
  }
  /// Expects that both are alike now.
  void expect_alike(const std::string& what) { EXPECT_EQ(all_of(p, o), all_of(q, twin)) << what; }
};

}  // namespace descent::testing
