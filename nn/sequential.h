// Sequential: modules one after the other. ModuleList: modules of any type in a row.
//
//   nn::Sequential model(nn::Linear(64, 32), nn::ReLU(), nn::Linear(32, 10));
//   Tensor logits = model(x);  // (N, 64) → (N, 10)
#pragma once

#include <descent/nn/activations.h>
#include <descent/nn/layers.h>

namespace descent::nn {

/// Holds modules of any type, as children called "0", "1", …, for a module that runs them in a way
/// of its own.
///
///   for (nn::Module& layer : layers) x = layer(x);
///   Tensor w = layers.at<nn::Linear>(0).weight;
class ModuleList : public Module {
  struct Step {
    std::shared_ptr<Module> module;
    std::shared_ptr<Module> (*copy)(const Module&);  // a module of the same type
    Linear* linear = nullptr;                        // the same object, if it is a Linear
    Activation activation = Activation::none;
  };

 public:
  /// Takes modules by value: a module is a handle, so a copy shares its parameters.
  template <class... M>
  requires(std::is_base_of_v<Module, M>&&...) explicit ModuleList(M... modules)
      : Module("ModuleList") {
    (push_back(std::move(modules)), ...);
  }
  /// Copies, as a handle does. Never moved: without its modules, a Sequential would return x.
  ModuleList(const ModuleList& o) : Module(o), steps_(o.steps_) {
    if (!detail::Cloning::active()) return;
    steps_ = std::make_shared<std::vector<Step>>(*o.steps_);
    for (Step& step : *steps_) {
      step.module = step.copy(*step.module);
      if (step.linear) step.linear = static_cast<Linear*>(step.module.get());
    }
  }
  ModuleList& operator=(const ModuleList&) = default;  ///< copies
  /// Adds a module at the end.
  template <class M>
  requires std::is_base_of_v<Module, M>
  void push_back(M module) {
    auto own =
        std::make_shared<M>(register_module(std::to_string(steps_->size()), std::move(module)));
    Step step{own, [](const Module& m) -> std::shared_ptr<Module> {
                return std::make_shared<M>(static_cast<const M&>(m));
              }};
    if constexpr (std::is_same_v<M, Linear>) step.linear = own.get();
    if constexpr (std::is_same_v<M, ReLU>) step.activation = Activation::relu;
    if constexpr (std::is_same_v<M, Tanh>) step.activation = Activation::tanh;
    if constexpr (std::is_same_v<M, Sigmoid>) step.activation = Activation::sigmoid;
    steps_->push_back(std::move(step));
  }
  /// The number of modules.
  std::size_t size() const { return steps_->size(); }

  /// Module i. Throws ValueError out of range.
  Module& operator[](std::size_t i) const {
    if (i >= steps_->size())
      fail<ValueError>("ModuleList", "got index ", i, ", expected one below ", steps_->size());
    return *(*steps_)[i].module;
  }
  /// Module i with its type. Throws ValueError out of range, and for another type.
  template <class M>
  M& at(std::size_t i) const {
    auto* const module = dynamic_cast<M*>(&(*this)[i]);
    if (!module)
      fail<ValueError>("ModuleList", "got module ", i, ", which is ", (*this)[i].configuration(),
                       ", expected ", class_name(typeid(M)));
    return *module;
  }

  /// Goes through the modules.
  class Iterator {
   public:
    Module& operator*() const { return *(*steps_)[at_].module; }  ///< the module here
    Iterator& operator++() {                                      ///< to the next module
      ++at_;
      return *this;
    }
    bool operator==(const Iterator& o) const { return at_ == o.at_; }  ///< at the same module

   private:
    friend class ModuleList;
    Iterator(const std::vector<Step>* steps, std::size_t at) : steps_(steps), at_(at) {}
    const std::vector<Step>* steps_;
    std::size_t at_;
  };
  Iterator begin() const { return {steps_.get(), 0}; }             ///< the first module
  Iterator end() const { return {steps_.get(), steps_->size()}; }  ///< behind the last

 protected:
  /// For a list of another name.
  explicit ModuleList(const char* name) : Module(name) {}
  /// The output of the last module, where each module's output is the next one's input.
  Tensor in_turn(const Tensor& x) {
    const std::vector<Step>& steps = *steps_;
    Tensor y = x;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const bool pair = steps[i].linear && i + 1 < steps.size() &&
                        steps[i + 1].activation != Activation::none && !summarizing();
      if (pair) {
        y = steps[i].linear->forward_activated(y, steps[i + 1].activation);
        ++i;
      } else {
        y = (*steps[i].module)(y);
      }
    }
    return y;
  }

 private:
  std::shared_ptr<std::vector<Step>> steps_ =
      std::make_shared<std::vector<Step>>();  // of all copies
};

/// Each module's output is the next one's input. If a Linear stands before a ReLU, Tanh or Sigmoid,
/// both run as one operator, with the same values.
class Sequential : public ModuleList {
 public:
  /// Takes modules by value: a module is a handle, so a copy shares its parameters.
  template <class... M>
  requires(std::is_base_of_v<Module, M>&&...) explicit Sequential(M... modules)
      : ModuleList("Sequential") {
    (push_back(std::move(modules)), ...);
  }
  Sequential(const Sequential&) = default;             ///< copies, as a handle does
  Sequential& operator=(const Sequential&) = default;  ///< copies

  /// Returns the output of the last module. If there are no modules, returns x itself.
  Tensor forward(const Tensor& x) override { return in_turn(x); }
};

}  // namespace descent::nn
