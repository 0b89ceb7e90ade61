// What several claims share: points that an optimizer moves, networks that are trained on the
// shipped data, and the median.
#pragma once

#include "claims/claim.h"
#include "run/training.h"

#include <cmath>

namespace app {

/// A tensor (N) in double precision that requires a gradient.
inline descent::Tensor point(const std::vector<double>& values) {
  descent::Tensor x = descent::tensor(values);
  x.requires_grad_();
  return x;
}

/// The optimizer that a text describes, over one tensor named "x".
inline descent::optim::Optimizer optimizer_of(const std::string& description,
                                              const descent::Tensor& x) {
  return descent::optim::make(description, {{"x", x}});
}

/// Makes one step on the loss that loss_of() returns. Returns the loss before the step.
template <class F>
double step_on(descent::optim::Optimizer& optimizer, F&& loss_of) {
  return optimizer.step([&] {
    const descent::Tensor loss = loss_of();
    loss.backward();
    return loss;
  });
}

/// A copy of all weights of a model, as one vector (number of weights).
descent::Tensor flat(const descent::nn::Module& model);
/// Sets all weights of a model from such a vector.
void set_flat(const descent::nn::Module& model, const descent::Tensor& values);

/// A trained network and the history of its training.
struct Trained {
  descent::nn::Sequential model;
  Run run;
};
/// Trains a network as the options say, on parts.train. Validation scores are scores on parts.test.
Trained trained(const Options& o, const descent::data::Split& parts);

/// The largest eigenvalue of the Hessian of the mean cross-entropy over a data set, with respect to
/// the weights of the network, by Lanczos's method. It needs only products of the Hessian and a
/// vector. Each product is the gradient of a gradient.
double sharpness(const Trained& t, const descent::data::Dataset& d);

/// The validation loss after training; infinite if training diverged.
double final_loss(const Options& o, const descent::data::Split& parts);

/// The loss along the straight line through the weights of two networks: one series for each data
/// set. The line runs from −0.5 to 1.5, where 0 stands for `from` and 1 for `to`.
std::vector<Series> along_line(
    const Trained& from, const Trained& to,
    const std::vector<std::pair<const char*, descent::data::Dataset>>& sets);

/// Gives wrong labels to this share of the samples of digits, chosen at random.
void spoil_labels(descent::data::Dataset& d, double share, std::uint64_t seed);

/// The middle value, or the mean of the two middle values; NaN if there are no values.
double median(std::vector<double> values);
double mean(const std::vector<double>& values);
/// The values with three digits, separated by spaces.
std::string listed(const std::vector<double>& values);
/// For how many i a[i] is below b[i].
int count_below(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace app
