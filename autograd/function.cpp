#include <descent/autograd/function.h>
#include <descent/autograd/grad_mode.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/floating_mode.h>

#include <algorithm>

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

FunctionContext FunctionContext::detached() const {
  FunctionContext other = *this;
  for (Kept& k : other.kept_) k.tensor = k.tensor.detach();
  return other;
}

Tensor detail::call_without_recording(const std::function<Tensor()>& f) {
  const NoGradGuard guard;
  return f();
}

namespace {
/// True if a tensor of shape `from` can be expanded to shape `to`.
bool expands(const Shape& from, const Shape& to) {
  if (from.rank() > to.rank()) return false;
  for (int d = 1; d <= from.rank(); ++d)
    if (const std::int64_t n = from[from.rank() - d]; n != 1 && n != to[to.rank() - d])
      return false;
  return true;
}
}  // namespace

Tensor record_function(
    const char* name, Tensor value, std::vector<Tensor> inputs,
    std::shared_ptr<FunctionContext> context,
    std::function<std::vector<Tensor>(FunctionContext&, const Tensor&)> backward) {
  for (auto& kept : context->kept_) {
    for (const Tensor& input : inputs) kept.argument |= kept.tensor.is_same(input);
    kept.tensor = detail::with_present_history(kept.tensor);
  }
  // An alias: forward() may have returned its argument, and the argument must not get a new
  // history.
  const Tensor result = value.detach();
  for (const Tensor& input : inputs) result.body().is_view |= result.shares_storage(input);
  std::vector<Shape> shapes;
  for (const Tensor& input : inputs) shapes.push_back(input.shape());
  return detail::record_many(
      name, result, inputs,
      [name, count = inputs.size(), shapes = std::move(shapes), context = std::move(context),
       backward = std::move(backward)](const Tensor& g, detail::Need need) {
        const auto run = [&](FunctionContext& ctx, const Tensor& at) {
          const detail::CallersMode floating;
          return backward(ctx, at);
        };
        std::vector<Tensor> grads = run(*context, g);
        if (grads.size() != count)
          fail<GraphError>(name, "backward gave ", grads.size(), " gradients, expected ", count,
                           ", one for each Tensor argument");
        for (std::size_t i = 0; i < count; ++i)
          if (grads[i].defined() && !expands(shapes[i], grads[i].shape()))
            fail<ShapeError>(name, "backward gave a gradient of ", grads[i].shape(),
                             " for argument ", i, " counted from 0, expected ", shapes[i],
                             ", the argument's own shape, or one that it expands to");
        if (grad_enabled()) {
          // A gradient is linear in g. What does not depend on g, with all else held fast, can only
          // be 0, or has lost g.
          FunctionContext fast = context->detached();
          const std::vector<Tensor> probe = run(fast, ones_like(g).requires_grad_());
          for (std::size_t i = 0; i < std::min(count, probe.size()); ++i)
            if (need[i] && probe[i].defined() && !probe[i].requires_grad() &&
                any(probe[i] != 0).item() != 0)
              fail<GraphError>(name, "backward gave a gradient of argument ", i,
                               " counted from 0 that does not depend on g, expected one that does: "
                               "a derivative through it would be lost. Hint: compute it by "
                               "operators on g, not by g.to_vector() or g.item()");
        }
        return detail::Grads(std::move(grads));
      });
}

}  // namespace descent
