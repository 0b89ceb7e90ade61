#include <descent/autograd/grad_mode.h>
#include <descent/core/kernels/norm.h>
#include <descent/core/launch.h>
#include <descent/optim/wrappers/clip_norm.h>

namespace descent::optim {

namespace {

void check_positive(const char* op, const char* what, double x) {
  if (!(x > 0)) fail<ValueError>(op, "got ", what, " = ", x, ", expected a positive number");
}

}  // namespace

double clip_grad_norm_(const Parameters& parameters, double max_norm) {
  check_positive("clip_grad_norm_", "max_norm", max_norm);
  descent::detail::check_may_read("clip_grad_norm_");
  const descent::detail::PlainFloating plain;
  const NoGradGuard guard;
  kernel::Norm all;
  for (const Parameter& p : parameters)
    if (const Tensor g = p.value.grad(); g.defined()) all.add(kernel::norm2(g));
  const double norm = all.value();
  if (!std::isfinite(norm))
    fail<NonFiniteError>("clip_grad_norm_", "got a norm of ", norm,
                         ", expected a number. Hint: find its origin with AnomalyGuard");
  if (norm > max_norm)
    for (const Parameter& p : parameters)
      if (const Tensor g = p.value.grad(); g.defined()) {
        // If the norm is huge, a single factor would be subnormal and lose digits, so two are used.
        const double root = std::sqrt(norm);
        if (norm > 1e30)
          g.detach().mul_(1 / root).mul_(max_norm / root);
        else
          g.detach().mul_(max_norm / norm);
      }
  return norm;
}

void clip_grad_value_(const Parameters& parameters, double max_value) {
  check_positive("clip_grad_value_", "max_value", max_value);
  const NoGradGuard guard;
  for (const Parameter& p : parameters)
    if (const Tensor g = p.value.grad(); g.defined()) g.detach().clamp_(-max_value, max_value);
}

}  // namespace descent::optim
