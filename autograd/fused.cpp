#include <descent/autograd/fused.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/cross_entropy.h>

namespace descent {

using detail::Grads;
using detail::Need;
using detail::Saved;

Tensor softmax_cross_entropy(const Tensor& input, const Tensor& label_input, std::int64_t ignore,
                             bool mean) {
  const Tensor logits = is_floating(input.dtype()) ? input : input.to(kFloat32);
  const Tensor labels = kernel::contiguous(label_input);
  const kernel::CrossEntropy forward = kernel::cross_entropy(logits, labels, ignore);
  const double scale = mean ? 1 / static_cast<double>(forward.rows) : 1;  // no row: the mean is NaN
  const double share = forward.rows > 0 ? scale : 0;                      // and its gradient 0
  // ∂/∂logits = (softmax − one-hot)·scale on the rows that count, whichever way it is computed.
  return detail::record(
      "cross_entropy", full({}, forward.sum * scale, logits.dtype()), {logits},
      [x = Saved(logits), probabilities = forward.probabilities, labels = Saved(labels), ignore,
       share](const Tensor& g, Need) {
        if (!grad_enabled())
          return Grads(kernel::cross_entropy_grad(probabilities, labels, ignore, g.item() * share));
        const Tensor counts = (*labels != Scalar(ignore)).to(x->dtype()).unsqueeze(1);
        const Tensor safe = where(*labels == Scalar(ignore), zeros({}, kInt64), labels);
        const Tensor hot = one_hot(safe, x->size(1), x->dtype());
        return Grads((softmax(x, 1) - hot) * counts * (g * share));
      });
}

Tensor binary_cross_entropy(const Tensor& p, const Tensor& t) {
  const NoGradGuard guard_value;
  const auto limited = [](const Tensor& x) { return maximum(x, -100); };
  const Tensor value = -(t * limited(log(p)) + (1 - t) * limited(log1p(-p)));
  const EnableGradGuard record_again;
  return detail::record("bce_loss", value, {p, t},
                        [p = Saved(p), t = Saved(t), limited](const Tensor& g, Need need) {
                          Tensor dp, dt;
                          if (need[0]) dp = g * (*p - t) / maximum(*p * (1 - *p), 1e-12);
                          if (need[1]) dt = g * (limited(log1p(-*p)) - limited(log(p)));
                          return Grads(dp, dt);
                        });
}

}  // namespace descent
