// EarlyStopping: says when a metric has stopped improving, and puts the best weights back.
//
//   optim::EarlyStopping stopping({.patience = 20});
//   do { train_an_epoch(); } while (!stopping.step(validation_loss(), model));
//   stopping.restore(model);
#pragma once

#include <descent/optim/optimizer.h>

namespace descent::optim {

/// When EarlyStopping says stop.
struct EarlyStoppingOptions {
  std::int64_t patience = 10;  ///< epochs in a row without improvement that are tolerated
  double min_delta = 0;        ///< an epoch improves if the metric gains more than this
  bool maximize = false;       ///< true if a larger metric is better
};

/// Counts epochs without improvement, and keeps a copy of the best weights. A metric of NaN counts
/// as no improvement.
class EarlyStopping {
 public:
  /// Throws ValueError if patience or min_delta is negative.
  explicit EarlyStopping(EarlyStoppingOptions options = {});

  /// Call step() once an epoch, with a model or anything else that has state_dict(). If the metric
  /// improves, copies the model's state. Returns true if training should stop, because more than
  /// `patience` epochs have passed since the best epoch. If state_dict() throws, the epoch does not
  /// count.
  template <class Model>
  bool step(double metric, const Model& model) {
    if (improves(metric)) keep(metric, model.state_dict());
    return count();
  }
  /// Loads the state of the best epoch into the model. Throws StateError if every metric so far was
  /// NaN, or if there was none.
  template <class Model>
  void restore(Model& model) const {
    check_kept();
    model.load_state_dict(best_state_);
  }

  double best() const { return best_; }  ///< the best metric so far
  /// The best epoch, from 0; −1 if there is none.
  std::int64_t best_epoch() const { return epoch_; }

  /// What was seen so far, with the best state, under names that begin with "early_stopping/".
  State state_dict() const;
  /// Loads what state_dict() returned. If the state does not fit, throws StateError and changes
  /// nothing.
  void load_state_dict(const State& state);
  /// Lists what state_dict() saves; see StateVisitor.
  void state(StateVisitor& visit);

 private:
  bool improves(double metric) const;
  void keep(double metric, const State& state);
  bool count();
  void check_kept() const;

  EarlyStoppingOptions options_;
  State best_state_;
  double best_;
  std::int64_t seen_ = 0, epoch_ = -1, waited_ = 0;
};

}  // namespace descent::optim
