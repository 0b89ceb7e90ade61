// Internal. Stage: what runs the rules of one form. There are three stages: ElementStage,
// TensorStage and SearchStage. Each serves the parameters whose rules have its form.
#pragma once

#include <descent/optim/engine/ledger.h>

namespace descent::optim::detail {

/// Runs the rules of one form.
class Stage {
 public:
  virtual ~Stage() = default;
  /// Lists the parameters to be updated. Changes no weight, and may throw.
  virtual void plan(const Update& update) = 0;
  /// Updates the parameters that plan() listed. Only SearchStage may throw here: the closure that
  /// it calls may throw. SearchStage then puts all weights back.
  virtual void run() = 0;

 protected:
  explicit Stage(Ledger& ledger) : ledger_(ledger) {}
  Ledger& ledger_;
};

}  // namespace descent::optim::detail
