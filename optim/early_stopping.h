// EarlyStopping: says when a metric has stopped improving, and puts the best weights back.
//
//   optim::EarlyStopping stopping({.patience = 20});
//   do { train_an_epoch(); } while (!stopping.step(validation_loss(), model));
//   stopping.restore(model);
#pragma once

#include <descent/optim/optimizer.h>

namespace descent::optim {

struct EarlyStoppingOptions {
  std::int64_t patience = 10;  ///< epochs in a row without improvement that are let pass
  double min_delta = 0;        ///< an improvement is larger than this
  bool maximize = false;       ///< the metric is to grow
};

/// Counts epochs without improvement, and keeps a copy of the best state. A metric of NaN is no
/// improvement.
class EarlyStopping {
 public:
  /// Throws ValueError for a negative patience or min_delta.
  explicit EarlyStopping(EarlyStoppingOptions options = {});

  /// Call it once an epoch, with anything that has state_dict(). Returns true if training should
  /// stop: more than `patience` epochs have passed since the best.
  template <class Model>
  bool step(double metric, const Model& model) {
    const bool stop = count(metric);
    if (waited_ == 0) keep(model.state_dict());
    return stop;
  }
  /// Loads the best state into the model. Throws StateError if no epoch has had a metric that is a
  /// number.
  template <class Model>
  void restore(Model& model) const {
    check_kept();
    model.load_state_dict(best_state_);
  }

  double best() const { return best_; }               ///< the best metric so far
  std::int64_t best_epoch() const { return epoch_; }  ///< its epoch, from 0; −1 for none

  /// What it has seen so far, the best state included, under "early_stopping/…".
  State state_dict() const;
  /// Loads what state_dict() gave. Throws StateError for another state; then nothing changes.
  void load_state_dict(const State& state);
  /// Lists what is kept; see StateVisitor.
  void state(StateVisitor& visit);

 private:
  bool count(double metric);
  void keep(const State& state);
  void check_kept() const;

  EarlyStoppingOptions options_;
  State best_state_;
  double best_;
  std::int64_t seen_ = 0, epoch_ = -1, waited_ = 0;
};

}  // namespace descent::optim
