// What several claims need: a point that an optimizer moves, networks on the shipped data, and a
// few words of statistics.
#pragma once

#include "claims/claim.h"
#include "run/training.h"

#include <cmath>

namespace app {

/// A leaf in double precision.
inline descent::Tensor point(const std::vector<double>& values) {
  descent::Tensor x = descent::tensor(values);
  x.requires_grad_();
  return x;
}

/// The optimizer of a description, over one tensor.
inline descent::optim::Optimizer optimizer_of(const std::string& description,
                                              const descent::Tensor& x) {
  return descent::optim::make(description, {{"x", x}});
}

/// One step on a loss that is made anew from x; gives the loss before the step.
template <class F>
double step_on(descent::optim::Optimizer& optimizer, F&& loss_of) {
  return optimizer.step([&] {
    const descent::Tensor loss = loss_of();
    loss.backward();
    return loss;
  });
}

/// The weights of a model as one vector, and back.
descent::Tensor flat(const descent::nn::Module& model);
void set_flat(const descent::nn::Module& model, const descent::Tensor& values);

/// The largest eigenvalue of the Hessian of a loss over a model's weights: power iteration on
/// products of Hessian and vector, which are gradients of gradients.
double sharpness(const descent::nn::Module& model, const std::function<descent::Tensor()>& loss,
                 int iterations = 60);

/// A trained network and what its training was like.
struct Trained {
  descent::nn::Sequential model;
  Run run;
};
/// Trains as the options say, on the first of two parts, and scores on the second.
Trained trained(const Options& o, const descent::data::Split& parts);

/// The validation loss after training; infinite when it diverged.
double final_loss(const Options& o, const descent::data::Split& parts);

/// The loss at weights on the straight line through those of two networks: one series for each data
/// set. The line runs from −0.5 to 1.5, where 0 stands for `from` and 1 for `to`.
std::vector<Series> along_line(
    const Trained& from, const Trained& to,
    const std::vector<std::pair<const char*, descent::data::Dataset>>& sets);

/// Gives wrong labels to this share of the samples of digits, chosen at random.
void spoil_labels(descent::data::Dataset& d, double share, std::uint64_t seed);

double median(std::vector<double> values);

}  // namespace app
