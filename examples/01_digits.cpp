// Lesson 1: a network that reads handwritten digits. The program of the README.
#include <descent/descent.h>

#include <iostream>

using namespace descent;

int main() {
  manual_seed(1);
  auto [train, test] = data::split(data::digits(), 0.8, 1);
  nn::Sequential model(nn::Linear(64, 64), nn::ReLU(), nn::Linear(64, 10));
  optim::Optimizer optimizer(model.parameters(), optim::AdamW{.lr = 1e-3});
  data::DataLoader loader(train, {.batch_size = 32, .seed = 1});
  double accuracy = 0;
  for (int epoch = 1; epoch <= 20; ++epoch) {
    for (auto [x, y] : loader) {
      optimizer.zero_grad();
      nn::cross_entropy(model(x), y).backward();
      optimizer.step();
    }
    accuracy = nn::accuracy(model(test.x), test.y);
    if (epoch % 5 == 0) std::cout << "epoch " << epoch << "  test accuracy " << accuracy << "\n";
  }
  return accuracy > 0.94 ? 0 : 1;  // what this lesson claims
}
