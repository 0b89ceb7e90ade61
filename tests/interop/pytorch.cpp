// Networks that PyTorch saved load by name, give PyTorch's outputs, and go on training as there.
// pytorch FOLDER, with what pytorch.py wrote.
#include <descent/descent.h>

#include <cmath>
#include <iostream>

using namespace descent;

namespace {

using Arrays = std::map<std::string, Tensor>;

/// The arrays whose names begin with "model.", without that.
Arrays state_of(const Arrays& file) {
  Arrays state;
  for (const auto& [name, t] : file)
    if (name.starts_with("model.")) state[name.substr(6)] = t;
  return state;
}

double difference(const Tensor& a, const Tensor& b) { return (a - b).detach().abs().max().item(); }

template <class Model>
bool agrees(const std::string& folder, const char* name, Model& model) {
  const Arrays file = data::load_npz(folder + "/" + name + ".npz");
  model.load_state_dict(state_of(file));
  const double most = difference(model(file.at("x")), file.at("y"));
  std::cout << name << ": outputs differ by " << most << "\n";
  return most <= 1e-6;
}

}  // namespace

int main(int, char** argv) {
  const std::string folder = argv[1];
  nn::RNN rnn(4, 6, 2);
  nn::LSTM lstm(4, 6, 2);
  nn::GRU gru(4, 6);
  nn::Sequential mlp(nn::Linear(4, 16), nn::Tanh(), nn::Linear(16, 16), nn::ReLU(),
                     nn::Linear(16, 3));
  bool right = agrees(folder, "rnn", rnn) && agrees(folder, "lstm", lstm) &&
               agrees(folder, "gru", gru) && agrees(folder, "mlp", mlp);
  const Tensor x = data::load_npz(folder + "/mlp.npz").at("x");
  const Arrays training = data::load_npz(folder + "/training.npz");
  optim::Optimizer adamw(mlp.parameters(), optim::AdamW{.lr = 1e-2, .weight_decay = 0.05});
  double most = 0;
  for (const double expected : training.at("losses").to_vector()) {
    const double loss = adamw.step([&] {
      const Tensor l = nn::cross_entropy(mlp(x), training.at("labels"));
      l.backward();
      return l;
    });
    most = std::max(most, std::fabs(loss - expected));
  }
  std::cout << "100 steps of AdamW: losses differ by " << most << "\n";
  return right && most <= 1e-5 ? 0 : 1;
}
