// Module: a layer or a network: named parameters, buffers and children, and a forward pass.
//
//   struct Net : nn::Module {
//     nn::Linear fc1 = register_module("fc1", nn::Linear(64, 64));
//     nn::Linear fc2 = register_module("fc2", nn::Linear(64, 10));
//     Tensor forward(const Tensor& x) override { return fc2(relu(fc1(x))); }
//   };
//
// A module is a handle, like a tensor: a copy shares parameters, mode and children. Whoever derives
// from Module registers every tensor it owns, overrides forward, and keeps any other state either
// constant or in a buffer. An error in forward names the path: `in net.fc2 (Linear 64 -> 10)`.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/core/tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace descent::nn {

class Module {
 public:
  virtual ~Module() = default;

  /// The forward pass; errors are given the module's path.
  Tensor operator()(const Tensor& x);

  /// All parameters (buffers), own ones first, with dotted names.
  Parameters parameters() const;
  Parameters named_parameters() const { return parameters(); }
  Parameters buffers() const;
  /// Direct children by name.
  std::vector<std::string> children() const;

  /// Dropout and batch normalisation behave differently while training; on at first.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const;
  /// Converts floating parameters and buffers, for every handle to them. Drops gradients.
  void to(DType dtype);
  void zero_grad();
  /// Elements in all parameters.
  std::int64_t num_parameters() const;

  /// Calls f with every module's path, configuration and own parameters, children first.
  void apply(const std::function<void(const std::string& path, const std::string& configuration,
                                      const Parameters& own)>& f) const;

  /// A table of the modules with their configuration and number of parameters; with an example
  /// input also the shape each one gives.
  std::string summary(const Tensor& example = {});

  /// A copy of all parameters and buffers by name: a snapshot that later training leaves alone.
  std::map<std::string, Tensor> state_dict() const;
  /// Copies values in. Throws StateError listing every missing, unexpected or differently shaped
  /// entry, and then changes nothing.
  void load_state_dict(const std::map<std::string, Tensor>& state);
  /// The state as a safetensors file, replaced atomically; and back.
  void save(const std::string& path) const;
  void load(const std::string& path);

  const std::string& configuration() const;  ///< "Linear 64 -> 10"

 protected:
  explicit Module(std::string configuration = "Module");
  /// What the module computes. Shapes are the module's own business.
  virtual Tensor forward(const Tensor& x);
  /// f(), whose errors are given the module's path.
  template <class F>
  Tensor run(const F& f) {
    try {
      Tensor y = f();
      note_shape(y);
      return y;
    } catch (Error& e) {
      add_path(e);
      throw;
    }
  }
  /// True while summary() runs the forward pass to see each module's shape.
  static bool summarizing();

  /// Makes t a leaf that requires a gradient. Throws ValueError for a name used before or with a
  /// dot.
  Tensor register_parameter(const std::string& name, const Tensor& t);
  /// State that is saved but not trained.
  Tensor register_buffer(const std::string& name, const Tensor& t);
  template <class M>
  M register_module(const std::string& name, M module) {
    adopt(name, module);
    return module;
  }

 private:
  struct State;
  void adopt(const std::string& name, const Module& child);
  void note_shape(const Tensor& y) const;
  void add_path(Error& e) const;
  friend class TrainingGuard;
  std::shared_ptr<State> state_;
};

/// While one lives, a module and all below it train (or evaluate, if `on` is false). Afterwards
/// each of them has the mode that it had: a layer that was frozen with eval() stays so.
class TrainingGuard {
 public:
  explicit TrainingGuard(Module& module, bool on = true);
  ~TrainingGuard();
  TrainingGuard(const TrainingGuard&) = delete;
  TrainingGuard& operator=(const TrainingGuard&) = delete;

 private:
  std::shared_ptr<Module::State> root_;  // keeps all of them alive
  std::vector<std::pair<Module::State*, bool>> before_;
};

}  // namespace descent::nn
