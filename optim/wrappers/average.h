// What SWA, EMA and Lookahead share: bringing an average of the weights up to date.
#pragma once

#include <descent/optim/engine/wrapper.h>

namespace descent::optim::detail {

/// Does average += (weights − average)·share, in one pass; with the share 1, copies the weights.
/// Both have the same shape and dtype. Takes no memory and throws nothing.
void approach(const Tensor& average, const Tensor& weights, double share);

/// An average of the weights that is to follow a step. It is made before the step, and takes all
/// the memory that it needs; move() then throws nothing.
class Following {
 public:
  /// Throws StateError if the dtype of a parameter has changed since `average` began. `wrapper`
  /// begins the message.
  Following(std::string_view wrapper, std::vector<Tensor>& average, const Update& u);
  /// Does average += (weights − average)·share. At the first call, the average becomes a copy of
  /// the weights.
  void move(double share);

 private:
  std::vector<Tensor>& average_;
  std::vector<Tensor> first_;  // the average, if it has not begun
  const Parameters& parameters_;
};

}  // namespace descent::optim::detail
