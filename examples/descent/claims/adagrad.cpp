// AdaGrad adapts the rate per parameter.
#include "claims/experiment.h"

namespace app::claims {

using namespace descent;

namespace {

constexpr std::int64_t kFeatures = 40, kSamples = 2000, kBatch = 10, kEpochs = 5;

/// The share of samples in which feature j is 1. The share falls from 1/2 for the first feature to
/// 1/200 for the last feature. In all other samples feature j is 0.
double frequency(std::int64_t j) {
  return 0.5 * std::pow(0.01, static_cast<double>(j) / (kFeatures - 1));
}

/// Samples with such features, and labels drawn from a logistic model.
data::Dataset sparse() {
  Generator generator(3);
  const Tensor w = 4 * randn({kFeatures, 1}, generator);
  std::vector<float> shares;
  for (std::int64_t j = 0; j < kFeatures; ++j) shares.push_back(static_cast<float>(frequency(j)));
  const Tensor x = (rand({kSamples, kFeatures}, generator) < tensor(shares)).to(kFloat32);
  const Tensor y = (rand({kSamples, 1}, generator) < sigmoid(matmul(x, w))).to(kFloat32);
  return {"sparse", x, y, {}, {}};
}

struct Fit {
  double loss;  // on all samples, after the last epoch
  Tensor w;
  optim::State state;
};

Fit fit(const std::string& rule, double lr, const data::Dataset& d) {
  const Tensor w = zeros({kFeatures, 1});
  w.requires_grad_();
  optim::Optimizer optimizer = optimizer_of(to_text(rule, "(lr=", lr, ")"), w);
  data::DataLoader loader(d, {.batch_size = kBatch, .seed = 1});
  for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch)
    for (auto [x, y] : loader)
      step_on(optimizer, [&, x = x, y = y] { return nn::bce_with_logits(matmul(x, w), y); });
  const NoGradGuard guard;
  return {nn::bce_with_logits(matmul(d.x, w), d.y).item(), w, optimizer.state_dict()};
}

void measure(Evidence& e) {
  const data::Dataset d = sparse();
  Chart sweep{"Sparse logistic regression", "learning rate", "loss after 5 epochs", true, true, {}};
  double best[2] = {INFINITY, INFINITY}, best_rate = 0;
  for (const int which : {0, 1}) {
    const char* rule = which == 0 ? "sgd" : "adagrad";
    Series line{rule, {}, {}};
    for (int i = 0; i <= 12; ++i) {
      const double lr = std::pow(10, -2 + 0.25 * i);
      const double loss = fit(rule, lr, d).loss;
      line.x.push_back(lr), line.y.push_back(loss);
      if (loss < best[which]) best[which] = loss, best_rate = lr;
    }
    sweep.series.push_back(line);
  }
  e.expect("loss at the best rate, AdaGrad / SGD",
           to_text(format(best[1], "%.4f"), " / ", format(best[0], "%.4f")), "AdaGrad's lower",
           best[1] < best[0]);
  const Tensor sum = fit("adagrad", best_rate, d).state.at("adagrad/sum/x").flatten();
  Series rates{"η/√G", {}, {}};
  rates.points = true;
  for (std::int64_t j = 0; j < kFeatures; ++j) {
    rates.x.push_back(frequency(j));
    rates.y.push_back(best_rate / std::sqrt(sum[j].item()));
  }
  const std::vector<double> common(rates.y.begin(), rates.y.begin() + 10),
      rare(rates.y.end() - 10, rates.y.end());
  e.expect("effective rate, 10 rarest features over 10 commonest",
           format(median(rare) / median(common), "%.3g times"), "at least 3 times",
           median(rare) >= 3 * median(common));
  e.show(sweep);
  e.show(Chart{"AdaGrad's effective rate at the end",
               "share of samples that have the feature",
               "rate",
               true,
               true,
               {rates}});
}

}  // namespace

const Claim adagrad{
    "adagrad", "AdaGrad adapts the rate per parameter: rare features get the larger one.",
    "Logistic regression on 2,000 samples with 40 features, present in a half to a two-hundredth "
    "of "
    "them; batches of 10, 5 epochs, 13 rates each. The effective rate of the rarest features is at "
    "least three times that of the commonest, and AdaGrad's best loss is below SGD's best.",
    measure};

}  // namespace app::claims
