// Sequential: modules one after the other, named "0", "1", ….
#pragma once

#include <descent/nn/module.h>

namespace descent::nn {

class Sequential : public Module {
 public:
  template <class... M>
  requires(std::is_base_of_v<Module, M>&&...) explicit Sequential(M... modules)
      : Module("Sequential") {
    (push_back(std::move(modules)), ...);
  }
  template <class M>
  requires std::is_base_of_v<Module, M>
  void push_back(M module) {
    steps_.push_back(
        std::make_shared<M>(register_module(std::to_string(steps_.size()), std::move(module))));
  }
  std::size_t size() const { return steps_.size(); }

  Tensor forward(const Tensor& x) override {
    Tensor y = x;
    for (const auto& step : steps_) y = (*step)(y);
    return y;
  }

 private:
  std::vector<std::shared_ptr<Module>> steps_;
};

}  // namespace descent::nn
