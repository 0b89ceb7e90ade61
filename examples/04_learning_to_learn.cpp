// Learning to learn: weights from which one step of gradient descent on ten points fits a new sine
// wave. The step is recorded, so that the loss after it can be differentiated by the weights before
// it. Source: MAML, Finn et al. 2017, arXiv:1703.03400.
#include <descent/descent.h>

#include <iostream>
using namespace descent;

/// Ten points of a·sin(x + p) to learn from, and ten to be judged by.
struct Wave {
  Tensor x, y, new_x, new_y;
  explicit Wave(Generator& g) {
    double a = 0.5 + 1.5 * g.uniform(), p = 3.14159 * g.uniform();
    x = rand({10, 1}, g) * 8 - 4, new_x = rand({10, 1}, g) * 8 - 4;
    y = sin(x + p) * a, new_y = sin(new_x + p) * a;
  }
};

/// The loss on new points after `steps` steps on the wave's ten, from the model's weights.
Tensor loss_after(nn::Sequential& model, const Wave& wave, int steps, bool record) {
  std::vector<std::string> names;
  optim::functional::State s;
  for (const Parameter& p : model.parameters()) {
    names.push_back(p.name);
    s.weights.push_back(p.value);
  }
  auto predict = [&](const Tensor& x) {
    nn::NamedTensors weights;
    for (std::size_t i = 0; i < names.size(); ++i) weights[names[i]] = s.weights[i];
    return nn::functional_call(model, weights, x);
  };
  for (int i = 0; i < steps; ++i) {
    Tensor loss = nn::mse_loss(predict(wave.x), wave.y);
    s = optim::functional::sgd(s, grad({loss}, s.weights, {}, {.create_graph = record}),
                               {.lr = 0.05});
  }
  return nn::mse_loss(predict(wave.new_x), wave.new_y);
}

/// The mean loss on 100 waves that no training saw.
double judge(nn::Sequential& model, int steps) {
  Generator g(77);
  double sum = 0;
  for (int i = 0; i < 100; ++i) sum += loss_after(model, Wave(g), steps, false).item();
  return sum / 100;
}

/// Trains a net on waves: by the loss after `steps` steps, which for 0 is the loss itself.
nn::Sequential train(int steps) {
  manual_seed(1);
  nn::Sequential model(nn::Linear(1, 40), nn::Tanh(), nn::Linear(40, 40), nn::Tanh(),
                       nn::Linear(40, 1));
  optim::Optimizer optimizer(model.parameters(), optim::Adam{.lr = 3e-3});
  Generator g(5);
  for (int i = 0; i < 600; ++i) {
    optimizer.zero_grad();
    for (int k = 0; k < 8; ++k) (loss_after(model, Wave(g), steps, true) / 8.0).backward();
    optimizer.step();
  }
  return model;
}

int main() {
  nn::Sequential plain = train(0), learner = train(1);
  std::cout << "loss on new waves after          0 steps     1 step\n"
            << "trained on all waves            " << judge(plain, 0) << "  " << judge(plain, 1)
            << "\ntrained to learn                " << judge(learner, 0) << "  "
            << judge(learner, 1) << "\n";
  return judge(learner, 1) < 0.5 * judge(plain, 1) ? 0 : 1;  // what this lesson claims
}
