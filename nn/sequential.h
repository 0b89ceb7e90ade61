// Sequential: modules one after the other.
//
//   nn::Sequential model(nn::Linear(64, 32), nn::ReLU(), nn::Linear(32, 10));
//   Tensor logits = model(x);  // (N, 64) → (N, 10)
#pragma once

#include <descent/nn/activations.h>
#include <descent/nn/layers.h>

namespace descent::nn {

/// Each module's output is the next one's input. The children are called "0", "1", …. If a Linear
/// stands before a ReLU, Tanh or Sigmoid, both run as one operator, with the same values.
class Sequential : public Module {
 public:
  /// Takes modules by value: a module is a handle, so a copy shares its parameters.
  template <class... M>
  requires(std::is_base_of_v<Module, M>&&...) explicit Sequential(M... modules)
      : Module("Sequential") {
    (push_back(std::move(modules)), ...);
  }
  /// Copies, as a handle does. A Sequential is never moved: without its modules, it would return x.
  Sequential(const Sequential& o) : Module(o), steps_(o.steps_) {
    if (!detail::Cloning::active()) return;
    for (Step& step : steps_) {
      step.module = step.copy(*step.module);
      if (step.linear) step.linear = static_cast<Linear*>(step.module.get());
    }
  }
  Sequential& operator=(const Sequential&) = default;  ///< copies
  /// Adds a module at the end.
  template <class M>
  requires std::is_base_of_v<Module, M>
  void push_back(M module) {
    auto own =
        std::make_shared<M>(register_module(std::to_string(steps_.size()), std::move(module)));
    Step step{own, [](const Module& m) -> std::shared_ptr<Module> {
                return std::make_shared<M>(static_cast<const M&>(m));
              }};
    if constexpr (std::is_same_v<M, Linear>) step.linear = own.get();
    if constexpr (std::is_same_v<M, ReLU>) step.activation = Activation::relu;
    if constexpr (std::is_same_v<M, Tanh>) step.activation = Activation::tanh;
    if constexpr (std::is_same_v<M, Sigmoid>) step.activation = Activation::sigmoid;
    steps_.push_back(std::move(step));
  }
  /// The number of modules.
  std::size_t size() const { return steps_.size(); }

  /// Returns the output of the last module. If there are no modules, returns x itself.
  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const bool pair = steps_[i].linear && i + 1 < steps_.size() &&
                        steps_[i + 1].activation != Activation::none && !summarizing();
      if (pair) {
        y = steps_[i].linear->forward_activated(y, steps_[i + 1].activation);
        ++i;
      } else {
        y = (*steps_[i].module)(y);
      }
    }
    return y;
  }

 private:
  struct Step {
    std::shared_ptr<Module> module;
    std::shared_ptr<Module> (*copy)(const Module&);  // a module of the same type
    Linear* linear = nullptr;                        // the same object, if it is a Linear
    Activation activation = Activation::none;
  };
  std::vector<Step> steps_;
};

}  // namespace descent::nn
