// ReduceOnPlateau: lowers a setting of an optimizer when a metric stops improving.
#pragma once

#include <descent/optim/optimizer.h>

namespace descent::optim {

struct PlateauOptions {
  double factor = 0.1;         ///< what the setting is multiplied by, in (0, 1)
  std::int64_t patience = 10;  ///< bad epochs in a row that are let pass
  double threshold = 1e-4;  ///< better is below best·(1 − threshold), or above best·(1 + threshold)
  std::int64_t cooldown = 0;  ///< epochs after a reduction that do not count
  double min = 0;             ///< the setting never falls below this
  bool maximize = false;      ///< the metric is to grow
};

/// PyTorch's ReduceLROnPlateau, for any setting, in all groups. A metric of NaN is a bad epoch.
///
///   optim::ReduceOnPlateau plateau(optimizer, {.patience = 3});
///   plateau.step(validation_loss);
class ReduceOnPlateau {
 public:
  /// Follows an optimizer, which may be moved or wrapped later. Throws ValueError for options out
  /// of range, and for a setting that the optimizer does not have.
  explicit ReduceOnPlateau(Optimizer& optimizer, PlateauOptions options = {},
                           std::string field = "lr");
  /// Call it once an epoch. Lowers the setting if the metric has been bad for long enough. Returns
  /// true if a setting became smaller. Throws StateError if the optimizer is destroyed.
  bool step(double metric);

  /// What it has seen so far, under "plateau/…".
  State state_dict() const;
  /// Loads what state_dict() gave. Throws StateError for another state; then nothing changes.
  void load_state_dict(const State& state);
  /// Lists what is kept; see StateVisitor.
  void state(StateVisitor& visit);

 private:
  std::weak_ptr<detail::Layer> optimizer_;
  PlateauOptions options_;
  std::string field_;
  double best_;
  std::int64_t bad_ = 0, cooling_ = 0;
};

}  // namespace descent::optim
