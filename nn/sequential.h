// Sequential: modules one after the other. ModuleList: modules of any type in a row.
//
//   nn::Sequential model(nn::Linear(64, 32), nn::ReLU(), nn::Linear(32, 10));
//   Tensor logits = model(x);  // (N, 64) → (N, 10)
#pragma once

#include <descent/nn/activations.h>
#include <descent/nn/layers.h>

#include <memory>
#include <typeinfo>

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
  };

 public:
  /// Takes modules by value: a module is a handle, so a copy shares its parameters.
  template <class... M>
  requires(std::is_base_of_v<Module, M>&&...) explicit ModuleList(M... modules)
      : ModuleList("ModuleList") {
    (push_back(std::move(modules)), ...);
  }
  /// Copies, as a handle does. Never moved: without its modules, a Sequential would return x.
  ModuleList(const ModuleList& o);
  ModuleList& operator=(const ModuleList&);  ///< copies
  ~ModuleList() override;                    ///< the modules live as long as another handle
  /// Adds a module at the end. All copies of the list have it.
  template <class M>
  requires std::is_base_of_v<Module, M>
  void push_back(M module) {
    add({std::make_shared<M>(std::move(module)), [](const Module& m) -> std::shared_ptr<Module> {
           return std::make_shared<M>(static_cast<const M&>(m));
         }});
  }
  /// The number of modules.
  std::size_t size() const;

  /// Module i. Throws ValueError out of range.
  Module& operator[](std::size_t i) const;
  /// Module i with its type. Throws ValueError out of range, and for another type.
  template <class M>
  M& at(std::size_t i) const {
    auto* const module = dynamic_cast<M*>(&(*this)[i]);
    if (!module) fail_type(i, typeid(M));
    return *module;
  }

  /// Goes through the modules.
  class Iterator {
   public:
    Module& operator*() const { return *at_->module; }  ///< the module here
    Iterator& operator++() {                            ///< to the next module
      ++at_;
      return *this;
    }
    bool operator==(const Iterator& o) const { return at_ == o.at_; }  ///< at the same module

   private:
    friend class ModuleList;
    explicit Iterator(const Step* at) : at_(at) {}
    const Step* at_;
  };
  Iterator begin() const;  ///< the first module
  Iterator end() const;    ///< behind the last

 protected:
  /// For a list of another name.
  explicit ModuleList(const char* name);
  /// The output of the last module, where each module's output is the next one's input.
  Tensor in_turn(const Tensor& x);

 private:
  struct Steps;  // of all copies
  void add(Step step);
  [[noreturn]] void fail_type(std::size_t i, const std::type_info& expected) const;
  std::shared_ptr<Steps> steps_;
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
  Sequential(const Sequential&);             ///< copies, as a handle does
  Sequential& operator=(const Sequential&);  ///< copies
  ~Sequential() override;                    ///< the modules live as long as another handle

  /// Returns the output of the last module. If there are no modules, returns x itself.
  Tensor forward(const Tensor& x) override;
};

}  // namespace descent::nn
