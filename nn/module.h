// Module: a layer or a network. It has named parameters, buffers and children, and a forward pass.
//
//   struct Net : nn::Module {
//     nn::Linear fc1 = register_module("fc1", nn::Linear(64, 64));
//     nn::Linear fc2 = register_module("fc2", nn::Linear(64, 10));
//     Tensor forward(const Tensor& x) override { return fc2(relu(fc1(x))); }
//   };
//
// A module is a handle, like a tensor: a copy shares parameters, mode and children; clone() makes
// an independent one. The author of a module has three duties:
// - register every tensor that the module owns, as a parameter or a buffer, in a member nn::Param;
// - override forward();
// - keep no other state that changes: copies of the module would not share it.
// An error in forward() names the path to the module: `in net.fc2 (Linear 64 -> 10)`.
#pragma once

#include <descent/autograd/parameter.h>
#include <descent/core/tensor.h>
#include <descent/nn/param.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace descent::nn {

/// The base of all layers and networks.
class Module {
 public:
  virtual ~Module();

  /// The forward pass. An error that it throws names the path to the module.
  Tensor operator()(const Tensor& x);
  /// The same: a module is a handle, as a const pointer is.
  Tensor operator()(const Tensor& x) const { return const_cast<Module&>(*this)(x); }

  /// All parameters, with dotted names: first the module's own parameters, then the parameters of
  /// its children. If a parameter is reached by several paths, or is tied, it appears once, under
  /// the first path. Throws StateError if a registered child was replaced by an assignment.
  Parameters parameters() const;
  /// The same as parameters().
  Parameters named_parameters() const { return parameters(); }
  /// All buffers, in the order and with the names of parameters().
  Parameters buffers() const;
  /// The names of the direct children, in the order of their registration.
  std::vector<std::string> children() const;

  /// Sets this module and all modules below it to training mode, or to evaluation mode if `on` is
  /// false. Dropout and batch normalisation behave differently in the two modes. A new module
  /// trains.
  void train(bool on = true);
  /// The same as train(false).
  void eval() { train(false); }
  /// True if the module trains.
  bool is_training() const;
  /// Converts floating parameters and buffers. Every handle to such a tensor sees the new type.
  /// Drops gradients. Throws DTypeError unless dtype is floating.
  void to(DType dtype);
  /// Drops the gradients of all parameters.
  void zero_grad();
  /// The number of elements in all parameters.
  std::int64_t num_parameters() const;

  /// Makes t the parameter or buffer of this dotted name, as an assignment to its member does: see
  /// Param. Throws ValueError for an unknown name.
  void set_parameter(const std::string& name, const Tensor& t);

  /// Calls f for every module, children before their parents. f gets the module's path, its
  /// configuration and its own parameters, without the path in their names. The path of this module
  /// is "".
  void apply(const std::function<void(const std::string& path, const std::string& configuration,
                                      const Parameters& own)>& f) const;

  /// A table of the modules, with their configuration and number of parameters. With an example
  /// input, the table also shows the shape of each module's output. One forward pass finds the
  /// shapes. The pass leaves gradients and running statistics unchanged.
  std::string summary(const Tensor& example = {});

  /// Copies of all parameters and buffers, by name. Later training leaves the copies alone.
  std::map<std::string, Tensor> state_dict() const;
  /// Copies values into parameters and buffers. If an entry is missing, unexpected or of another
  /// shape, changes nothing and throws StateError, which lists every such entry. A tied parameter
  /// may stand under all its names, with the same values.
  void load_state_dict(const std::map<std::string, Tensor>& state);
  /// Writes state_dict() to a safetensors file, which is replaced atomically. Throws FileError.
  void save(const std::string& path) const;
  /// Does what load_state_dict() does, with the state in a file. Throws FileError if the file
  /// cannot be read.
  void load(const std::string& path);

  /// What messages and summaries say of the module: "Linear 64 -> 10".
  const std::string& configuration() const;

 protected:
  /// A copy shares parameters, mode and children. Only whole modules can be copied: a Module alone
  /// has no forward().
  Module(const Module& o);
  /// This handle is another module's from now on. If it was the last one of a registered child, its
  /// parent throws StateError at parameters(): the child cannot be used any more.
  Module& operator=(const Module& o);
  /// configuration: what messages and summaries say of the module, "Linear 64 -> 10"; "" for the
  /// name of its class. Its first word names the module in the path of an error.
  explicit Module(std::string configuration = "");
  /// What the module computes. Each module decides which shapes it takes.
  virtual Tensor forward(const Tensor& x);
  /// Calls f() in the way in which operator() calls forward(): an error names the path to the
  /// module.
  template <class F>
  auto run(const F& f) {
    try {
      auto y = f();
      if constexpr (std::is_same_v<decltype(y), Tensor>) note_shape(y);
      return y;
    } catch (Error& e) {
      add_path(e);
      throw;
    }
  }
  /// True while summary() runs the forward pass to see each module's shape.
  static bool summarizing();

  /// Adds t to the parameters, lets it require a gradient, and returns it. Throws ValueError for a
  /// name that was used before or holds a dot.
  Param register_parameter(const std::string& name, const Tensor& t);
  /// Adds t to the buffers, which are saved but not trained, and returns it. Throws ValueError for
  /// a name that was used before or holds a dot.
  Param register_buffer(const std::string& name, const Tensor& t);
  /// Adds a child and returns a handle to the child. Store the handle in a member of your class.
  /// Throws ValueError for a name that was used before or holds a dot.
  template <class M>
  M register_module(const std::string& name, M module) {
    adopt(name, module);
    return module;
  }
  /// Adds a child whose handle is kept elsewhere. Throws as register_module().
  void adopt(const std::string& name, const Module& child);

 private:
  struct State;
  std::shared_ptr<detail::Slot> add_slot(const char* op, const std::string& name, const Tensor& t,
                                         bool trained);
  void name_class() const;
  void note_shape(const Tensor& y) const;
  void add_path(Error& e) const;
  friend class TrainingGuard;
  friend class detail::Cloning;
  friend class detail::Exchange;
  std::shared_ptr<State> state_;
};

namespace detail {
/// While a Cloning lives, copies of modules and Params on this thread are independent of the
/// originals, and depend on each other as the originals do.
class Cloning {
 public:
  Cloning();
  ~Cloning();
  Cloning(const Cloning&) = delete;
  Cloning& operator=(const Cloning&) = delete;
  /// Throws StateError if a part of the module was not copied.
  void check() const;
  /// True while a Cloning lives on this thread.
  static bool active();

  static std::shared_ptr<Module::State> of(const std::shared_ptr<Module::State>& state);
  static std::shared_ptr<Slot> of(const std::shared_ptr<Slot>& slot);

 private:
  struct Copies;
  std::unique_ptr<Copies> copies_;
  Copies* before_;
};
}  // namespace detail

/// A deep copy: a module of the same type, mode and values, with tensors of its own that have no
/// gradients. Tied weights stay tied. Throws StateError if the module keeps a parameter in a member
/// that is no nn::Param, or a child behind a pointer: the copy would share it.
///
///   nn::Sequential start = clone(model);
template <class M>
requires std::is_base_of_v<Module, M> M clone(const M& module) {
  module.configuration();  // names the class for messages
  const detail::Cloning cloning;
  M copy(module);
  cloning.check();
  return copy;
}

/// The base of a module whose forward() takes several tensors, or that is to have clone() as a
/// member: `struct Net : nn::Cloneable<Net>`.
///
///   struct Attention : nn::Cloneable<Attention> {
///     using Module::forward;  // clang warns otherwise that it is hidden
///     Tensor forward(const Tensor& query, const Tensor& key) { … }
///   };
///   Tensor y = attention(query, key);
///
/// forward() of several tensors may return anything, as a pair of tensors.
template <class Derived>
class Cloneable : public Module {
 public:
  using Module::operator();
  /// Calls forward() with these arguments. An error that it throws names the path to the module.
  template <class... A>
  requires(sizeof...(A) > 1) auto operator()(const A&... arguments) {
    return run([&] { return static_cast<Derived&>(*this).forward(arguments...); });
  }
  /// See nn::clone().
  Derived clone() const { return nn::clone(static_cast<const Derived&>(*this)); }

 protected:
  using Module::Module;
};

/// While a TrainingGuard lives, a module and all modules below it are in training mode, or in
/// evaluation mode if `on` is false. The destructor puts back the earlier mode of each module. If a
/// layer was set to eval() before, it is in evaluation mode again.
class TrainingGuard {
 public:
  /// The module must outlive the guard.
  explicit TrainingGuard(Module& module, bool on = true);
  ~TrainingGuard();
  TrainingGuard(const TrainingGuard&) = delete;
  TrainingGuard& operator=(const TrainingGuard&) = delete;

 private:
  std::shared_ptr<Module::State> root_;  // keeps all modules alive
  std::vector<std::pair<Module::State*, bool>> before_;
};

}  // namespace descent::nn
