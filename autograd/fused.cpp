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
  const double scale = mean ? 1 / static_cast<double>(forward.rows) : 1;
  // ∂/∂logits = (softmax − one-hot)·scale on the rows that count, whichever way it is computed.
  return detail::record(
      "cross_entropy", full({}, forward.sum * scale, logits.dtype()), {logits},
      [x = Saved(logits), probabilities = forward.probabilities, labels = Saved(labels), ignore,
       scale](const Tensor& g, Need) {
        if (!grad_enabled())
          return Grads(kernel::cross_entropy_grad(probabilities, labels, ignore, g.item() * scale));
        const Tensor counts = (*labels != Scalar(ignore)).to(x->dtype()).unsqueeze(1);
        const Tensor safe = where(*labels == Scalar(ignore), zeros({}, kInt64), labels);
        const Tensor hot = one_hot(safe, x->size(1), x->dtype());
        return Grads((softmax(x, 1) - hot) * counts * (g * scale));
      });
}

}  // namespace descent
