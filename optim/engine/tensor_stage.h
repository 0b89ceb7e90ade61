// Internal. TensorStage: runs tensor rules, one parameter after the other.
#pragma once

#include <descent/optim/engine/stage.h>
#include <descent/optim/engine/tensor_rule.h>

namespace descent::optim::detail {

/// Runs tensor rules.
class TensorStage final : public Stage {
 public:
  explicit TensorStage(Ledger& ledger) : Stage(ledger) {}
  void plan(const Update& update) override;
  void run() override;

 private:
  struct Work {
    std::size_t index;
    Tensor gradient;
    GradientView view;
  };
  std::vector<Work> work_;
};

}  // namespace descent::optim::detail
