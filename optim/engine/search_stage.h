// Internal. SearchStage: runs a search rule, which evaluates the loss while it steps. The search
// rule sees all parameters as one vector of doubles.
#pragma once

#include <descent/optim/engine/layer.h>
#include <descent/optim/engine/search_rule.h>
#include <descent/optim/engine/stage.h>

namespace descent::optim::detail {

/// Runs a search rule.
class SearchStage final : public Stage {
 public:
  SearchStage(Ledger& ledger, SearchRule& rule) : Stage(ledger), rule_(rule) {}
  /// Takes the closure of this step, and the loss that the first call of the closure returned.
  void start(const Closure& closure, double loss);
  void plan(const Update& update) override;
  void run() override;
  void state(StateVisitor& visit);  ///< lists the memory of the rule
  /// Returns the number of evaluations since the last call.
  std::int64_t take_evaluations() { return std::exchange(evaluations_, 0); }

 private:
  Tensor gather(bool gradients) const;
  void scatter(const Tensor& x) const;

  SearchRule& rule_;
  const Closure* closure_ = nullptr;
  double loss_ = 0;
  std::int64_t evaluations_ = 0;
};

}  // namespace descent::optim::detail
