#include <descent/autograd/function.h>
#include <descent/autograd/grad_mode.h>
#include <descent/autograd/node.h>
#include <descent/core/floating_mode.h>

namespace descent {

void FunctionContext::save(const Tensor& t) { kept_.push_back({t, t.version(), false}); }

Tensor FunctionContext::saved(std::size_t i) const {
  if (i >= kept_.size())
    fail<ValueError>(name_, "asked for saved tensor ", i, ", expected one of ", kept_.size());
  const Kept& k = kept_[i];
  if (k.tensor.version() != k.version)
    fail<GraphError>(name_, "needs a tensor of shape ", k.tensor.shape(), " at version ", k.version,
                     " for its gradient, got version ", k.tensor.version(),
                     ": it was changed in place after the forward pass. Hint: change a clone()");
  if (grad_enabled() && !k.argument && is_floating(k.tensor.dtype()))
    fail<GraphError>(name_, "saved tensor ", i,
                     " is not an argument, so a second derivative through it would be lost. Hint: "
                     "save the arguments and compute it again in backward");
  return k.tensor;
}

Tensor detail::call_without_recording(const std::function<Tensor()>& f) {
  const NoGradGuard guard;
  return f();
}

Tensor record_function(const char* name, Tensor value, std::vector<Tensor> inputs,
                       std::shared_ptr<FunctionContext> context,
                       std::function<std::vector<Tensor>(const Tensor&)> backward) {
  for (auto& kept : context->kept_) {
    for (const Tensor& input : inputs) kept.argument |= kept.tensor.is_same(input);
    kept.tensor = detail::with_present_history(kept.tensor);
  }
  // An alias: forward() may have returned its argument, and the argument must not get a new
  // history.
  const Tensor result = value.detach();
  for (const Tensor& input : inputs) result.body().is_view |= result.shares_storage(input);
  return detail::record_many(
      name, result, inputs,
      [name, count = inputs.size(), backward = std::move(backward)](const Tensor& g, detail::Need) {
        std::vector<Tensor> grads = [&] {
          const detail::CallersMode floating;
          return backward(g);
        }();
        if (grads.size() != count)
          fail<GraphError>(name, "backward gave ", grads.size(), " gradients, expected ", count,
                           ", one for each Tensor argument");
        return detail::Grads(std::move(grads));
      });
}

}  // namespace descent
