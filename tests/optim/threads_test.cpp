// Training on threads: the same bits for any number of threads, beside other trainings, inside the
// host's own threads, and in a forked child. The host's settings stay as they were.
#include "tests/support/threads.h"
#include "tests/optim/all_optimizers.h"

#include <descent/core/floating_mode.h>
#include <descent/descent.h>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <unistd.h>
#include <cfenv>
#include <clocale>
#include <thread>

extern "C" {
void openblas_set_num_threads(int);
int openblas_get_num_threads(void);
}

namespace descent {
namespace {

using Numbers = std::vector<std::vector<double>>;

Numbers values(const Parameters& parameters) {
  Numbers all;
  for (const Parameter& p : parameters) all.push_back(p.value.detach().to_vector());
  return all;
}

/// A network with every kind of layer, trained for two steps. Its arrays are large enough to be cut
/// into several pieces.
Numbers train_layers(std::uint64_t seed) {
  manual_seed(seed);
  nn::Sequential net(nn::Linear(120, 300), nn::BatchNorm1d(300), nn::ReLU(), nn::Linear(300, 300),
                     nn::LayerNorm(300), nn::Tanh(), nn::Dropout(0.2), nn::SiLU(), nn::GELU(),
                     nn::Softplus(), nn::LeakyReLU(), nn::ELU(), nn::Sigmoid(), nn::Identity(),
                     nn::Softmax(1), nn::Linear(300, 7), nn::Flatten(), nn::LogSoftmax(1));
  nn::Embedding words(50, 60);
  nn::RNN rnn(60, 120);
  Parameters all = net.parameters();
  for (const nn::Module* m : {static_cast<nn::Module*>(&words), static_cast<nn::Module*>(&rnn)})
    for (const Parameter& p : m->parameters()) all.push_back({to_text("p", all.size()), p.value});
  optim::Optimizer optimizer(all, optim::Adam{.lr = 1e-2});
  const Tensor text = randint(0, 50, {3, 256}), labels = randint(0, 7, {256});
  for (int i = 0; i < 2; ++i) {
    optimizer.zero_grad();
    nn::nll_loss(net(rnn(words(text))[-1]), labels).backward();
    optimizer.step();
  }
  return values(all);
}

/// Two steps of an optimizer on a long vector and a small matrix. Muon takes the matrix alone.
Numbers optimize(const std::string& text) {
  manual_seed(1);
  Parameters p{{"m", randn({24, 40}).requires_grad_()}};
  if (text != "muon" && text.rfind("muon(", 0) != 0)
    p.push_back({"w", randn({70001}).requires_grad_()});
  optim::Optimizer o = optim::make(text, p);
  for (int i = 0; i < 2; ++i)
    o.step([&] {
      o.zero_grad();
      Tensor loss = zeros({});
      for (const Parameter& q : p) loss = loss + mean(square(q.value) * sigmoid(q.value));
      return testing::returned(o, loss);
    });
  return values(p);
}

constexpr int kCounts[] = {2, 3, 7, 64};

TEST(TrainingThreads, GiveEveryLayerTheSameBitsWhateverTheirNumber) {
  const auto expected = [] {
    const testing::WithThreads one(1);
    return train_layers(3);
  }();
  for (const int n : kCounts) {
    const testing::WithThreads threads(n);
    EXPECT_EQ(train_layers(3), expected) << n << " threads";
  }
}

TEST(TrainingThreads, GiveEveryOptimizerTheSameBitsWhateverTheirNumber) {
  for (const auto& [name, text] : testing::all_optimizers()) {
    if (testing::is_dense(text)) continue;  // 70,961 weights
    const auto expected = [&t = text] {
      const testing::WithThreads one(1);
      return optimize(t);
    }();
    for (const int n : {3, 64}) {
      const testing::WithThreads threads(n);
      EXPECT_EQ(optimize(text), expected) << text << ", " << n << " threads";
    }
  }
}

TEST(TrainingThreads, OfTheHostTrainTwoModelsAsOneAfterTheOther) {
  const Numbers first = train_layers(3), second = train_layers(4);
  ASSERT_NE(first, second);
  Numbers one, other;
  std::thread thread([&] { one = train_layers(3); });
  other = train_layers(4);
  thread.join();
  EXPECT_EQ(one, first);
  EXPECT_EQ(other, second);
}

TEST(TrainingThreads, MayBeTasksOfTheHost) {
  const Numbers expected[] = {train_layers(3), train_layers(4)};
  const testing::WithThreads threads(3);
  Numbers found[6];
  tbb::task_arena(3).execute([&] {
    tbb::parallel_for(0, 6, [&](int i) {
      const NoGradGuard of_the_host;  // ends with the task
      const EnableGradGuard again;
      found[i] = train_layers(3 + static_cast<std::uint64_t>(i % 2));
    });
  });
  for (int i = 0; i < 6; ++i) EXPECT_EQ(found[i], expected[i % 2]) << "task " << i;
}

TEST(TrainingThreads, StayBehindWhenTheProcessForks) {
  const testing::WithThreads threads(3);
  const Numbers expected = train_layers(3);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(train_layers(3) == expected ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(train_layers(3), expected);
}

TEST(TrainingThreads, LeaveTheHostsSettingsAlone) {
  const std::string locale = std::setlocale(LC_ALL, nullptr);
  openblas_set_num_threads(2);
  const unsigned before = detail::floating_mode();
  std::fesetround(FE_UPWARD);
  const unsigned mode = detail::floating_mode() & ~0x3fu;  // without the flags of past operations
  const auto check = [&](const char* after) {
    EXPECT_EQ(detail::floating_mode() & ~0x3fu, mode) << after;
    EXPECT_EQ(std::fegetround(), FE_UPWARD) << after;
    EXPECT_EQ(openblas_get_num_threads(), 2) << after;
    EXPECT_EQ(std::setlocale(LC_ALL, nullptr), locale) << after;
  };
  train_layers(3);
  check("training");
  optimize("lbfgs");
  check("a search");
  const Tensor w = randn({400, 400}, kFloat64).requires_grad_();
  w.register_hook([](const Tensor&) -> Tensor { throw ValueError("a hook"); });
  EXPECT_THROW(sum(matmul(w, w)).backward(), ValueError);
  check("an error in backward()");
  EXPECT_THROW(matmul(w, randn({3})), Error);
  check("an error in an operator");
  auto step = compile([](const Tensor& x) { return matmul(x, x); });
  step(w.detach());
  step(w.detach());
  check("a compiled step");
  EXPECT_FALSE(w.to_string().empty());
  check("printing");
  std::fesetround(FE_TONEAREST);
  EXPECT_EQ(detail::floating_mode() & ~0x3fu, before & ~0x3fu);
}

}  // namespace
}  // namespace descent
