// The smallest program that trains a network, for hello.sh. It prints the time of its first step,
// in seconds since 1970.
#ifdef HELLO_LIBTORCH
#include <torch/torch.h>
namespace nn = torch::nn;
#else
#include <descent/descent.h>
using namespace descent;
#endif
#include <cstdio>
#include <ctime>

int main() {
#ifdef HELLO_LIBTORCH
  torch::set_num_threads(1);
  nn::Sequential net(nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 10));
  torch::optim::Adam optimizer(net->parameters(), 1e-3);
  const auto forward = [&](const torch::Tensor& x) { return net->forward(x); };
  const auto loss_of = [](const auto& logits, const auto& y) {
    return torch::cross_entropy_loss(logits, y);
  };
  const auto x = torch::rand({32, 64}), y = torch::zeros({32}, torch::kInt64);
#else
  set_num_threads(1);
  nn::Sequential net(nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 10));
  optim::Optimizer optimizer(net.parameters(), optim::Adam{.lr = 1e-3});
  const auto forward = [&](const Tensor& x) { return net(x); };
  const auto loss_of = [](const auto& logits, const auto& y) {
    return nn::cross_entropy(logits, y);
  };
  const Tensor x = rand({32, 64}), y = zeros({32}, kInt64);
#endif
  for (int i = 0; i < 10; ++i) {
    optimizer.zero_grad();
    loss_of(forward(x), y).backward();
    optimizer.step();
    if (i > 0) continue;
    std::timespec now{};
    std::timespec_get(&now, TIME_UTC);
    std::printf("%.6f\n",
                static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec));
  }
}
