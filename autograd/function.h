// Function: an operator of your own, with a gradient of your own.
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
// forward runs without recording. backward gives one gradient per Tensor argument, in their order;
// an undefined one means zero. Written in Descent's operators it can be differentiated again.
#pragma once

#include <descent/core/tensor.h>

#include <memory>

namespace descent {

class FunctionContext {
 public:
  /// Keeps a tensor for backward. Save arguments rather than intermediate results: only what is
  /// computed from arguments can be differentiated a second time.
  void save(const Tensor& t);
  /// The i-th tensor saved. Throws ValueError if there is none; GraphError if it was changed in
  /// place, or under create_graph if it is not an argument and its dependence on them is lost.
  Tensor saved(std::size_t i) const;

 private:
  template <class F>
  friend struct Function;
  friend Tensor record_function(const char*, Tensor, std::vector<Tensor>,
                                std::shared_ptr<FunctionContext>,
                                std::function<std::vector<Tensor>(const Tensor&)>);
  struct Kept {
    Tensor tensor;
    std::uint32_t version;
    bool argument;
  };
  const char* name_ = "Function";
  std::vector<Kept> kept_;
};

Tensor record_function(const char* name, Tensor value, std::vector<Tensor> inputs,
                       std::shared_ptr<FunctionContext> context,
                       std::function<std::vector<Tensor>(const Tensor&)> backward);

template <class F>
struct Function {
  static constexpr const char* name = "Function";

  template <class... Args>
  static Tensor apply(const Args&... args) {
    auto context = std::make_shared<FunctionContext>();
    context->name_ = F::name;
    std::vector<Tensor> inputs;
    (collect(inputs, args), ...);
    Tensor value = without_recording([&] { return F::forward(*context, args...); });
    return record_function(F::name, std::move(value), std::move(inputs), context,
                           [context](const Tensor& g) { return F::backward(*context, g); });
  }

 private:
  static void collect(std::vector<Tensor>& inputs, const Tensor& t) { inputs.push_back(t); }
  template <class T>
  static void collect(std::vector<Tensor>&, const T&) {}
  static Tensor without_recording(const std::function<Tensor()>& f);
};

namespace detail {
Tensor call_without_recording(const std::function<Tensor()>& f);
}
template <class F>
Tensor Function<F>::without_recording(const std::function<Tensor()>& f) {
  return detail::call_without_recording(f);
}

}  // namespace descent
