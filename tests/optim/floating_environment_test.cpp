// A host program may have set its own floating-point environment: signals for invalid operations,
// another direction of rounding. Training works there, and leaves the environment as it was.
#include "tests/optim/all_optimizers.h"

#include <descent/descent.h>
#include <gtest/gtest.h>
#include <cfenv>
#include <cmath>
#include <cstdlib>

namespace descent {
namespace {

/// Trains a net with every kind of layer for two steps, on a sum of all losses. Returns the
/// weights.
std::vector<double> train(const std::string& description, bool compiled) {
  manual_seed(1);
  nn::Sequential body(nn::Embedding(8, 6), nn::BatchNorm1d(6), nn::Linear(6, 6), nn::ReLU(),
                      nn::LayerNorm(6), nn::GELU(), nn::Dropout(0.1), nn::Linear(6, 6), nn::Tanh(),
                      nn::SiLU(), nn::Softplus(), nn::ELU(), nn::LeakyReLU(), nn::Linear(6, 6),
                      nn::Sigmoid());
  nn::RNN rnn(6, 4);
  Parameters all;
  for (const Parameter& p : body.parameters()) all.push_back({"body." + p.name, p.value});
  for (const Parameter& p : rnn.parameters()) all.push_back({"rnn." + p.name, p.value});
  const bool matrices = description == "muon";
  if (matrices) std::erase_if(all, [](const Parameter& p) { return p.value.dim() != 2; });
  optim::Optimizer optimizer = optim::make(description, all);
  const Tensor x = cat({arange(8), arange(8)}), labels = x.clamp(0, 3);
  const auto loss = [&] {
    const Tensor y = rnn(body(x).unsqueeze(1)).squeeze(1), p = softmax(y, 1);
    const Tensor t = one_hot(labels, 4, y.dtype());
    if (description.starts_with("kfac")) return nn::cross_entropy(y, labels);  // takes one loss
    return nn::cross_entropy(y, labels) + nn::nll_loss(log_softmax(y, 1), labels) +
           nn::mse_loss(y, t) + nn::l1_loss(y, t) + nn::huber_loss(y, t) +
           nn::smooth_l1_loss(y, t) + nn::bce_loss(p, t) + nn::bce_with_logits(y, t) +
           nn::kl_div(log_softmax(y, 1), p.detach()) + nn::hinge_loss(y, t * 2 - 1);
  };
  const auto step = [&] {
    optimizer.step([&] {
      optimizer.zero_grad();
      return testing::returned(optimizer, loss());
    });
  };
  auto fast = compile(step);
  for (int i = 0; i < 2; ++i) compiled ? fast() : step();
  std::vector<double> weights;
  for (const Parameter& p : all)
    for (const double w : p.value.to_vector()) weights.push_back(w);
  return weights;
}

/// Operators on numbers that have no finite result.
void meet_infinities() {
  const Tensor x = tensor({-INFINITY, -1e38, -1.0, 0.0, 1.0, 1e38, INFINITY, NAN}, kFloat32);
  const Tensor w = x.clone().requires_grad_();
  for (const auto f : {exp, log, sqrt, rsqrt, reciprocal, tanh, sigmoid, softplus, silu, square})
    f(w).sum().backward();
  softmax(w, 0).sum().backward();
  log_softmax(w, 0).sum().backward();
  logsumexp(w).backward();
  pow(w, 3.5).sum().backward();
  (w / zeros({8})).sum().backward();
  matmul(w.unsqueeze(0), w.unsqueeze(1)).backward();
  stddev(w).backward();
  norm(w).backward();
  nn::LayerNorm(8)(w).sum().backward();
  (void)(max(w).item() < w.mean().item());
}

#if defined(__GLIBC__) && defined(__x86_64__)
TEST(FloatingEnvironment, TrapsOfTheHostAreNotSprungAndStaySet) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // with threads, unlike a plain fork
  const auto run = [] {
    const int traps = FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW;
    std::feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(traps);
    meet_infinities();
    for (const auto& [name, description] : testing::all_optimizers())
      for (const bool compiled : {false, true})
        if (!compiled || (name != "sophia" && name != "looksam" && !testing::searches(description)))
          train(description, compiled);  // these refuse to be compiled
    const Tensor large = full({1000000}, 3e38);
    if (std::isfinite(sum(exp(large)).item())) std::exit(2);
    if (fegetexcept() != traps || std::fetestexcept(traps) != 0) std::exit(3);
    std::exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}
#endif

TEST(FloatingEnvironment, RoundingOfTheHostDoesNotReachKernels) {
  const Tensor x = linspace(-5, 5, 1000), y = linspace(0.1, 3, 1000);
  const auto results = [&] {
    std::vector<double> all;
    for (const Tensor& t : {x * y, x / y, exp(x), softmax(x, 0), tanh(x), sum(x), dot(x, y)})
      for (const double v : t.to_vector()) all.push_back(v);
    return all;
  };
  const std::vector<double> nearest = results();
  for (const int direction : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(direction);
    const std::vector<double> found = results();
    EXPECT_EQ(std::fegetround(), direction);
    std::fesetround(FE_TONEAREST);
    EXPECT_EQ(found, nearest);
  }
}

}  // namespace
}  // namespace descent
