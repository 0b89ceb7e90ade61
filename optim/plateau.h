// ReduceOnPlateau: lowers a hyper-parameter when a metric stops improving.
#pragma once

#include <descent/optim/optimizer.h>

namespace descent::optim {

struct PlateauOptions {
  double factor = 0.1;         ///< what it is multiplied by, in (0, 1)
  std::int64_t patience = 10;  ///< bad epochs that are let pass
  double threshold =
      1e-4;  ///< better means below best·(1 − threshold), or above best·(1 + threshold)
  std::int64_t cooldown = 0;  ///< epochs after a reduction in which none are counted
  double min = 0;             ///< never below this
  bool maximize = false;      ///< the metric is to grow
};

/// PyTorch's ReduceLROnPlateau, on any hyper-parameter, in all groups. A metric of NaN is a bad
/// epoch. The optimizer must outlive it.
class ReduceOnPlateau {
 public:
  /// Throws ValueError for options out of range and names the optimizer does not have.
  explicit ReduceOnPlateau(Optimizer& optimizer, PlateauOptions options = {},
                           std::string field = "lr");
  /// Once an epoch. Returns true when it reduced.
  bool step(double metric);

  State state_dict() const;
  void load_state_dict(const State& state);

 private:
  Optimizer* optimizer_;
  PlateauOptions options_;
  std::string field_;
  double best_;
  std::int64_t bad_ = 0, cooling_ = 0;
};

}  // namespace descent::optim
