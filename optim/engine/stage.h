// Internal. Stage: runs the rules of one form, for the parameters whose rules are of this form.
#pragma once

#include <descent/optim/engine/ledger.h>

namespace descent::optim::detail {

class Stage {
 public:
  virtual ~Stage() = default;
  /// Lists what is to be updated. May throw, and changes no weight.
  virtual void plan(const Update& update) = 0;
  /// Makes the updates that were planned. Of a search alone this may throw; it then changes
  /// nothing.
  virtual void run() = 0;

 protected:
  explicit Stage(Ledger& ledger) : ledger_(ledger) {}
  Ledger& ledger_;
};

}  // namespace descent::optim::detail
