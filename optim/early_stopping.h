// EarlyStopping: says when a metric has stopped improving, and puts the best weights back.
//
//   optim::EarlyStopping stopping({.patience = 20});
//   do { train_an_epoch(); } while (!stopping.step(validation_loss(), model));
//   stopping.restore(model);
#pragma once

#include <descent/optim/optimizer.h>

namespace descent::optim {

struct EarlyStoppingOptions {
  std::int64_t patience = 10;  ///< epochs without improvement that are let pass
  double min_delta = 0;        ///< better means by more than this
  bool maximize = false;       ///< the metric is to grow
};

/// A metric of NaN is no improvement.
class EarlyStopping {
 public:
  /// Throws ValueError for a negative patience or min_delta.
  explicit EarlyStopping(EarlyStoppingOptions options = {});

  /// Once an epoch, with anything that has state_dict(). Keeps a copy of the best state. True when
  /// training should stop.
  template <class Model>
  bool step(double metric, const Model& model) {
    const bool stop = count(metric);
    if (waited_ == 0) keep(model.state_dict());
    return stop;
  }
  /// Puts the best state back. Throws StateError when no epoch has been good.
  template <class Model>
  void restore(Model& model) const {
    check_kept();
    model.load_state_dict(state_);
  }

  double best() const { return best_; }               ///< the best metric so far
  std::int64_t best_epoch() const { return epoch_; }  ///< when it was, from 0; −1 for none

  State state_dict() const;
  void load_state_dict(const State& state);

 private:
  bool count(double metric);
  void keep(const State& state);
  void check_kept() const;

  EarlyStoppingOptions options_;
  State state_;
  double best_;
  std::int64_t seen_ = 0, epoch_ = -1, waited_ = 0;
};

}  // namespace descent::optim
