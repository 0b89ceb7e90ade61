// A program that uses an installed library: it needs the headers, the library and the data sets
// that ship with it.
#include <descent/descent.h>

#include <cstdio>

int main() {
  using namespace descent;
  nn::Sequential model(nn::Linear(4, 8), nn::Tanh(), nn::Linear(8, 3));
  optim::Optimizer optimizer(model.parameters(), optim::Adam{.lr = 0.02});
  const data::Dataset iris = data::iris();
  double first = 0, last = 0;
  for (int i = 0; i < 100; ++i) {
    last = optimizer.step([&] {
      Tensor loss = nn::cross_entropy(model(iris.x), iris.y);
      loss.backward();
      return loss;
    });
    if (i == 0) first = last;
  }
  std::printf("loss %.3f -> %.3f\n", first, last);
  return last < 0.5 * first ? 0 : 1;
}
