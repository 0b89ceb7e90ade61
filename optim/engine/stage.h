// Internal. Stage: what runs the rules of one form. There are three stages: ElementStage,
// TensorStage and SearchStage. Each serves the parameters whose rules have its form. Ledger: what
// the stages share, the parameters of an optimizer with their rules and what is kept for each.
#pragma once

#include <descent/optim/engine/any_rule.h>
#include <descent/optim/engine/update.h>

#include <vector>

namespace descent::optim::detail {

/// What the stages share.
struct Ledger {
  /// What the optimizer keeps for one parameter.
  struct Memory {
    int group;                    // the number of its group
    std::int64_t t = 0;           // updates of this parameter
    std::vector<Tensor> kept;     // the slots; each is undefined until it is needed
    std::vector<double> numbers;  // the rule's numbers for this parameter
  };

  Parameters parameters;
  std::vector<Memory> memory;                   // one for each parameter
  std::vector<std::unique_ptr<AnyRule>> rules;  // one for each group
  std::int64_t steps = 0;                       // steps of the optimizer, made or skipped

  const AnyRule& rule_of(std::size_t parameter) const {
    return *rules[static_cast<std::size_t>(memory[parameter].group)];
  }
  /// Returns a slot of a parameter. If the slot is new, it is filled with zeros. The slot of an
  /// element rule has the strides of the weights. Throws StateError if the shape or dtype of the
  /// weights has changed since the slot was made.
  Tensor& slot(std::size_t parameter, int id);
  /// The name of something kept, in the state: "adamw/m/fc1.weight".
  std::string key(std::size_t parameter, std::string_view name) const;
};

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
