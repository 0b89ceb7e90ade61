// Param: a parameter or a buffer as a member of a module.
//
//   struct Scale : nn::Module {
//     nn::Param w = register_parameter("w", ones({3}));
//     Tensor forward(const Tensor& x) override { return x * w; }
//   };
//
// A Param is a tensor whose assignment replaces the registered parameter: forward(), parameters()
// and state_dict() see the new tensor, in every copy of the module.
#pragma once

#include <descent/core/tensor.h>

#include <memory>

namespace descent::nn {

namespace detail {
struct Slot;
class Exchange;
class Cloning;
}  // namespace detail

/// A parameter or buffer of a module, as the module's member. Reading it is reading a tensor.
/// Module::register_parameter() and register_buffer() make Params. A copy that is no member of a
/// copied module, as `auto w = layer.weight`, is a plain handle to the present tensor.
///
///   layer.weight = other;     // replaces the parameter; a handle to the old tensor keeps it
///   b.weight = a.weight;      // ties: one tensor, trained, counted and saved once
///   Tensor w = layer.weight;  // a plain handle: assigning to w changes no module
class Param : public Tensor {
 public:
  /// Undefined, as the bias of a layer without a bias.
  Param() noexcept = default;
  /// In a copy of a module, a member with the same parameter; else a plain handle.
  Param(const Param& o);
  ~Param();
  /// Ties: the parameter behind `o` replaces the parameter behind this member. In the assignment of
  /// a whole module, this member is the other module's from now on.
  Param& operator=(const Param& o) &;
  /// Makes t the parameter. If the present parameter requires a gradient, t will too, unless t is
  /// a parameter of another module already. An optimizer that was made before throws StateError at
  /// its next step. Throws ValueError if the layer has no such parameter or if elements of t share
  /// memory, ShapeError for another shape, DTypeError for integers in place of a floating type, and
  /// GraphError unless t is a leaf. If this Param is a plain handle, it names t from now on.
  Param& operator=(const Tensor& t) &;

 private:
  friend class Module;
  friend class detail::Cloning;
  explicit Param(std::shared_ptr<detail::Slot> slot);
  void join(const std::shared_ptr<detail::Slot>& slot);
  void leave() noexcept;
  std::shared_ptr<detail::Slot> slot_;
};

}  // namespace descent::nn
