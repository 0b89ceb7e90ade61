// Prints how many sample-steps a second a thousand nets 2-16-16-1 take with batch 32 and momentum:
// side by side as one stack, and one net after the other. The three ways take turns.
//
//   ensemble            a thousand nets
//   ensemble 250        another number
//
// Beside hand-written code, which `limit` of --peers is, on one core:
//
//   for i in 1 2 3; do DIR/limit --workload tiny --threads 1 --seconds 0.5; ensemble; done
#include <descent/descent.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

using namespace descent;

namespace {

constexpr std::int64_t kBatch = 32;
const optim::SGD kMomentum{.lr = 1e-3, .momentum = 0.9};

nn::Sequential net() {
  return nn::Sequential(nn::Linear(2, 16), nn::Tanh(), nn::Linear(16, 16), nn::Tanh(),
                        nn::Linear(16, 1));
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t n = argc > 1 ? std::stoul(argv[1]) : 1000;
  const Tensor x = randn({kBatch, 2}), y = (sin(sum(x, {1}, true)) > 0).to(kFloat32);
  std::vector<nn::Sequential> nets;
  std::vector<nn::Module*> all;
  for (std::size_t i = 0; i < n; ++i) nets.push_back(net());
  for (nn::Sequential& one : nets) all.push_back(&one);

  nn::NamedTensors stacked = nn::stack_modules(all);
  Parameters parameters;
  for (const auto& [name, value] : stacked) parameters.push_back({name, value});
  optim::Optimizer together(parameters, kMomentum);
  const auto step = [&](const Tensor& input, const Tensor& target) {
    together.zero_grad();
    const Tensor outputs = nn::functional_call(nets[0], stacked, input);
    const Tensor loss =
        nn::bce_with_logits(outputs, target.expand(outputs.shape())) * static_cast<double>(n);
    loss.backward();
    together.step();
    return loss;
  };
  auto compiled = compile(step);

  nn::Sequential last = net();
  optim::Optimizer alone(last.parameters(), kMomentum);
  auto single = compile([&](const Tensor& input, const Tensor& target) {
    alone.zero_grad();
    const Tensor loss = nn::bce_with_logits(last(input), target);
    loss.backward();
    alone.step();
    return loss;
  });

  struct Way {
    const char* name;
    std::function<void()> run;
    std::vector<double> seconds;
  };
  std::vector<Way> ways{{"side by side", [&] { step(x, y); }, {}},
                        {"side by side, compiled", [&] { compiled(x, y); }, {}},
                        {"one after the other, compiled",
                         [&] {
                           for (std::size_t i = 0; i < n; ++i) single(x, y);
                         },
                         {}}};
  for (int round = 0; round < 100; ++round)
    for (Way& way : ways) {
      const auto start = std::chrono::steady_clock::now();
      way.run();
      way.seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  for (Way& way : ways) {
    std::sort(way.seconds.begin(), way.seconds.end());
    const double median = way.seconds[way.seconds.size() / 2];
    std::printf("%-30s %5.1f million sample-steps a second, %.2f us a net\n", way.name,
                static_cast<double>(n) * kBatch / median / 1e6,
                median / static_cast<double>(n) * 1e6);
  }
}
