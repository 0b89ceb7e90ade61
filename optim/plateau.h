// ReduceOnPlateau: lowers a setting of an optimizer when a metric stops improving.
#pragma once

#include <descent/optim/optimizer.h>

namespace descent::optim {

/// When ReduceOnPlateau lowers a setting, and by how much.
struct PlateauOptions {
  double factor = 0.1;         ///< the setting is multiplied by this, in (0, 1)
  std::int64_t patience = 10;  ///< bad epochs in a row that are tolerated
  /// A metric is better if it is below best − threshold·|best|; with `maximize`, above best +
  /// threshold·|best|. Deviation: for a negative best, PyTorch's best·(1 − threshold) lies above
  /// best, and an equal metric counts as better for ever.
  double threshold = 1e-4;
  std::int64_t cooldown = 0;  ///< epochs after a reduction that are not judged
  double min = 0;             ///< a reduction never goes below this; a schedule may, later
  double eps = 1e-8;          ///< a smaller change is not made, as in PyTorch; 0 makes any
  bool maximize = false;      ///< true if a larger metric is better
};

/// Lowers a setting in all groups when a metric has stopped improving. If the setting follows a
/// schedule, as a warm-up, the whole schedule is multiplied: it goes on, lower. Works as PyTorch's
/// ReduceLROnPlateau, for any setting. An epoch is bad if its metric is not better than the best so
/// far, or is NaN.
///
///   optim::ReduceOnPlateau plateau(optimizer, {.patience = 3});
///   plateau.step(validation_loss);
class ReduceOnPlateau {
 public:
  /// Lowers the setting `field` of this optimizer. The optimizer may be moved or wrapped later.
  /// Throws ValueError if an option is out of range, or if the optimizer has no such setting.
  explicit ReduceOnPlateau(Optimizer& optimizer, PlateauOptions options = {},
                           std::string field = "lr");
  /// Call step() once an epoch. If more than `patience` epochs in a row were bad, lowers the
  /// setting. Returns true if the setting became smaller in a group. Throws StateError if the
  /// optimizer was destroyed, and ValueError if the lowered value is out of the setting's range. If
  /// step() throws, nothing has changed.
  bool step(double metric);

  /// What was seen so far, under names that begin with "plateau/".
  State state_dict() const;
  /// Loads what state_dict() returned. If the state does not fit, throws StateError and changes
  /// nothing.
  void load_state_dict(const State& state);
  /// Lists what state_dict() saves; see StateVisitor.
  void state(StateVisitor& visit);

 private:
  std::weak_ptr<detail::Layer> optimizer_;
  PlateauOptions options_;
  std::string field_;
  double best_;
  std::int64_t bad_ = 0, cooling_ = 0;
};

}  // namespace descent::optim
