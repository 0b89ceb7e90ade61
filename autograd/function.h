// Function: an operator of the user's own, with a gradient of its own.
//
//   struct Cube : Function<Cube> {
//     static constexpr const char* name = "cube";
//     static Tensor forward(FunctionContext& ctx, const Tensor& x) {
//       ctx.save(x);
//       return x * x * x;
//     }
//     static std::vector<Tensor> backward(FunctionContext& ctx, const Tensor& g) {
//       return {g * square(ctx.saved(0)) * 3};
//     }
//   };
//   Tensor y = Cube::apply(x);
//
// forward() computes the value; nothing in it is recorded. backward() gets the gradient g of the
// value. It returns one gradient for each Tensor argument of forward(), in the order of the
// arguments. An undefined gradient means zero. If backward() is written in Descent's operators, it
// can be differentiated again. Second derivatives need this, and so do jvp(), jacobian() and the
// optimizers that take residuals. There backward() runs twice for each gradient, and throws
// GraphError if its gradient has lost g: if it computes in plain numbers, or gives a constant.
#pragma once

#include <descent/core/tensor.h>

#include <memory>

namespace descent {

/// What forward() hands to backward().
class FunctionContext {
 public:
  /// Keeps a tensor for backward(). Save arguments of forward() rather than intermediate results:
  /// only arguments allow a second derivative.
  void save(const Tensor& t);
  /// The i-th tensor that was saved, counted from 0. Throws ValueError if there is none, GraphError
  /// if the tensor was changed in place since. Under create_graph, throws GraphError if the tensor
  /// is not an argument of forward(): nothing recorded how the tensor depends on the arguments.
  Tensor saved(std::size_t i) const;

 private:
  template <class F>
  friend struct Function;
  friend Tensor record_function(
      const char*, Tensor, std::vector<Tensor>, std::shared_ptr<FunctionContext>,
      std::function<std::vector<Tensor>(FunctionContext&, const Tensor&)>);
  /// The same without the history of what was saved.
  FunctionContext detached() const;
  struct Kept {
    Tensor tensor;
    std::uint32_t version;
    bool argument;
  };
  const char* name_ = "Function";
  std::vector<Kept> kept_;
};

/// Gives `value` the history of a Function. Function::apply() calls this function. `name` must
/// outlive the graph.
Tensor record_function(
    const char* name, Tensor value, std::vector<Tensor> inputs,
    std::shared_ptr<FunctionContext> context,
    std::function<std::vector<Tensor>(FunctionContext&, const Tensor&)> backward);

/// The base of a user's operator F, which has forward() and backward(); see the top of this file.
template <class F>
struct Function {
  /// What errors and grad_fn() call the operator. F may have a `name` of its own; else it is the
  /// name of the class.
  static constexpr const char* name = nullptr;

  /// Runs the operator. The arguments are the arguments of forward() without the context. A tensor
  /// among the arguments may require a gradient. If F::backward() returns the wrong number of
  /// gradients, the backward() of the graph throws GraphError; for a gradient of another shape than
  /// its argument, ShapeError.
  template <class... Args>
  static Tensor apply(const Args&... args) {
    auto context = std::make_shared<FunctionContext>();
    static const std::string of_class = class_name(typeid(F));
    const char* const called = F::name ? F::name : of_class.c_str();
    context->name_ = called;
    std::vector<Tensor> inputs;
    (collect(inputs, args), ...);
    Tensor value = without_recording([&] { return F::forward(*context, args...); });
    return record_function(
        called, std::move(value), std::move(inputs), context,
        [](FunctionContext& ctx, const Tensor& g) { return F::backward(ctx, g); });
  }

 private:
  static void collect(std::vector<Tensor>& inputs, const Tensor& t) { inputs.push_back(t); }
  template <class T>
  static void collect(std::vector<Tensor>&, const T&) {}
  static Tensor without_recording(const std::function<Tensor()>& f);
};

namespace detail {
/// Calls f() under a NoGradGuard and returns its result.
Tensor call_without_recording(const std::function<Tensor()>& f);
}  // namespace detail
template <class F>
Tensor Function<F>::without_recording(const std::function<Tensor()>& f) {
  return detail::call_without_recording(f);
}

}  // namespace descent
