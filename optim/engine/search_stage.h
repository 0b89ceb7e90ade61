// Internal. SearchStage: runs a rule that evaluates the loss while it steps. All parameters are one
// vector of doubles to such a rule.
#pragma once

#include <descent/optim/engine/layer.h>
#include <descent/optim/engine/search_rule.h>
#include <descent/optim/engine/stage.h>

namespace descent::optim::detail {

class SearchStage final : public Stage {
 public:
  SearchStage(Ledger& ledger, SearchRule& rule) : Stage(ledger), rule_(rule) {}
  /// The closure of the step under way, and the loss that its first call gave.
  void start(const Closure& closure, double loss);
  void plan(const Update& update) override;
  void run() override;
  void state(StateVisitor& visit);
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
