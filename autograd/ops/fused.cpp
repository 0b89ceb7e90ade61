#include <descent/autograd/fisher.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/autograd/ops/fused.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/losses.h>
#include <descent/core/kernels/norm.h>
#include <descent/core/kernels/pointwise.h>

namespace descent {

using detail::fisher_pass;
using detail::Grads;
using detail::Need;
using detail::one_pass;
using detail::Saved;

Tensor softmax_cross_entropy(const Tensor& input, const Tensor& label_input, std::int64_t ignore,
                             bool mean) {
  const Tensor logits = is_floating(input.dtype()) ? input : input.to(kFloat32);
  const Tensor labels = kernel::contiguous(label_input);
  kernel::CrossEntropy forward = kernel::cross_entropy(logits, labels, ignore, mean);
  // The rule has two forms: a kernel, and differentiable operators. Both compute ∂/∂logits =
  // (softmax − one-hot)·share. For ignored rows the gradient is 0.
  Tensor loss = std::move(forward.loss);
  return detail::record(
      "cross_entropy", std::move(loss), {logits},
      [x = Saved(logits), forward = std::move(forward), labels = Saved(labels), ignore](
          const Tensor& g, Need) {
        if (detail::FisherPass* pass = fisher_pass())
          return Grads(pass->of_softmax("cross_entropy", forward.probabilities,
                                        abs(g) * forward.share, *labels == Scalar(ignore)));
        if (one_pass()) return Grads(kernel::cross_entropy_grad(g, forward, labels, ignore));
        const Tensor ignored = *labels == Scalar(ignore);
        const Tensor safe = where(ignored, zeros({}, kInt64), labels);
        const Tensor hot = one_hot(safe, x->size(1), x->dtype());
        const Tensor slope = (softmax(x, 1) - hot) * (g * forward.share);
        return Grads(where(ignored.unsqueeze(1), 0.0, slope));
      });
}

namespace {
double share(const Tensor& x, bool mean) {
  return mean && x.numel() > 0 ? 1 / static_cast<double>(x.numel()) : 1;
}
}  // namespace

Tensor squared_error(const Tensor& x, const Tensor& t, bool mean) {
  const double scale = share(x, mean);
  return detail::record("mse_loss", kernel::squared_error(x, t, scale), {x, t},
                        [x = Saved(x), t = Saved(t), scale](const Tensor& g, Need need) {
                          if (detail::FisherPass* pass = fisher_pass()) {  // H = 2·scale
                            const Tensor root = sqrt(abs(g) * (2 * scale)) * ones_like(x);
                            const Tensor b = pass->of_diagonal("mse_loss", root);
                            return Grads(need[0] ? b : Tensor(), need[1] ? -b : Tensor());
                          }
                          const Tensor d = one_pass() ? kernel::squared_error_grad(g, x, t, scale)
                                                      : g * (*x - *t) * (2 * scale);
                          return Grads(need[0] ? d : Tensor(), need[1] ? -d : Tensor());
                        });
}

Tensor logistic_loss(const Tensor& x, const Tensor& t, bool mean) {
  const double scale = share(x, mean);
  return detail::record("bce_with_logits", kernel::logistic_loss(x, t, scale), {x, t},
                        [x = Saved(x), t = Saved(t), scale](const Tensor& g, Need need) {
                          if (detail::FisherPass* pass = fisher_pass()) {  // H = scale·σ(1 − σ)
                            const Tensor p = sigmoid(x),
                                         root = sqrt(p * (1 - p) * (abs(g) * scale));
                            return Grads(pass->of_diagonal("bce_with_logits", root), Tensor());
                          }
                          Tensor dx, dt;
                          if (need[0])
                            dx = one_pass() ? kernel::logistic_loss_grad(g, x, t, scale)
                                            : g * (sigmoid(x) - *t) * scale;
                          if (need[1]) dt = -(g * *x) * scale;
                          return Grads(dx, dt);
                        });
}

namespace {

double times(const Tensor& x, const Tensor& reduced) {  // elements of x for each of `reduced`
  return static_cast<double>(x.numel()) / static_cast<double>(reduced.numel());
}

/// 1/√(variance + eps), which can be differentiated: r′ = −r²·y/n, with y = normalize(x).
Tensor inverse_deviation(const Tensor& x, const Dims& dims, double eps) {
  const Tensor mean = kernel::wide_mean(x, dims);
  const Tensor r = kernel::inverse_deviation(kernel::deviation(x, dims, mean), eps);
  return detail::record(
      "normalize", kernel::cast(r, x.dtype()), {x},
      [x = Saved(x), dims, eps](const Tensor& g, const Tensor& y, Need) {
        return Grads(normalize(x, dims, eps).value * (g * y * y * (-1 / times(x, y))));
      });
}

}  // namespace

Normalized normalize(const Tensor& x, const Dims& dims, double eps) {
  Normalized out{{}, kernel::wide_mean(x, dims), {}};
  out.deviation = kernel::deviation(x, dims, out.mean);
  const Tensor r = kernel::inverse_deviation(out.deviation, eps);
  // (g − mean g − y·mean(g·y))·r
  out.value = detail::record(
      "normalize", kernel::centred(x, out.mean, r), {x},
      [x = Saved(x), r, dims, eps](const Tensor& g, const Tensor& y, Need) {
        if (one_pass()) {
          const Tensor slope = kernel::mul(kernel::wide_mean(kernel::mul(g, y), dims), r);
          return Grads(
              kernel::minus_scaled(kernel::centred(g, kernel::wide_mean(g, dims), r), y, slope));
        }
        return Grads((g - mean(g, dims, true) - y * mean(g * y, dims, true)) *
                     inverse_deviation(x, dims, eps));
      });
  return out;
}

Tensor binary_cross_entropy(const Tensor& p, const Tensor& t) {
  // max(log x, −100), with the gradient 0 at x = 0.
  const auto log_of = [](const Tensor& x, const Tensor& log_x) {
    return where(x.detach() == 0, -100.0, maximum(log_x, -100));
  };
  const auto log_p = [log_of](const Tensor& x) {
    return log_of(x, log(where(x.detach() == 0, 1.0, x)));
  };
  const auto log_q = [log_of](const Tensor& x) {
    return log_of(1 - x, log1p(-where(x.detach() == 1, 0.0, x)));
  };
  const auto value = [&] {
    const NoGradGuard no_grad;
    return -(t * log_p(p) + (1 - t) * log_q(p));
  };
  return detail::record("bce_loss", value(), {p, t},
                        [p = Saved(p), t = Saved(t), log_p, log_q](const Tensor& g, Need need) {
                          Tensor dp, dt;
                          if (need[0]) dp = g * (*p - t) / maximum(*p * (1 - *p), 1e-12);
                          if (need[1]) dt = g * (log_q(p) - log_p(p));
                          return Grads(dp, dt);
                        });
}

}  // namespace descent
